#include "lib/Importer/TensorData.h"
#include "lib/Importer/OnnxProto.h"

#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::importer {
using namespace mlir;
using onnx::TensorProto;

constexpr uint64_t kLargestInlineTensor = 1024; // bytes; above it printing and uniquing would cost
constexpr size_t kHeapAlignment = 64;           // a cache line

Type elementType(MLIRContext *context, int32_t dataType) {
  auto integer = [&](unsigned width, IntegerType::SignednessSemantics sign = IntegerType::Signless) -> Type {
    return IntegerType::get(context, width, sign);
  };
  switch (dataType) {
  case TensorProto::FLOAT: return Float32Type::get(context);
  case TensorProto::DOUBLE: return Float64Type::get(context);
  case TensorProto::FLOAT16: return Float16Type::get(context);
  case TensorProto::BFLOAT16: return BFloat16Type::get(context);
  case TensorProto::FLOAT8E4M3FN: return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2: return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0: return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT4E2M1: return Float4E2M1FNType::get(context);
  case TensorProto::BOOL: return integer(1);
  case TensorProto::INT2: return integer(2);
  case TensorProto::INT4: return integer(4);
  case TensorProto::INT8: return integer(8);
  case TensorProto::INT16: return integer(16);
  case TensorProto::INT32: return integer(32);
  case TensorProto::INT64: return integer(64);
  case TensorProto::UINT2: return integer(2, IntegerType::Unsigned);
  case TensorProto::UINT4: return integer(4, IntegerType::Unsigned);
  case TensorProto::UINT8: return integer(8, IntegerType::Unsigned);
  case TensorProto::UINT16: return integer(16, IntegerType::Unsigned);
  case TensorProto::UINT32: return integer(32, IntegerType::Unsigned);
  case TensorProto::UINT64: return integer(64, IntegerType::Unsigned);
  default: return {};
  }
}

std::string dataTypeName(int32_t dataType) {
  static constexpr const char *names[] = {"UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING",
    "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN",
    "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1", "FLOAT8E8M0", "UINT2", "INT2"};
  bool known = dataType >= 0 && size_t(dataType) < std::size(names);
  return known ? names[dataType] : std::to_string(dataType);
}

static std::optional<uint64_t> elementCount(const TensorProto &tensor) {
  int64_t count = 1;
  for (int64_t dim : tensor.dims()) {
    std::optional<int64_t> product = llvm::checkedMul(count, dim);
    if (dim < 0 || !product)
      return std::nullopt;
    count = *product;
  }
  return count;
}

/// The typed fields of the message as the bytes that raw_data would hold.
namespace {
class TypedField {
public:
  TypedField(uint64_t elements, std::string &error) : elements(elements), error(error) {}

  template <typename Stored, typename Field> std::optional<SharedBytes> as(const Field &field) {
    if (uint64_t(field.size()) != elements) {
      error = llvm::formatv("holds {0} values; its dimensions need {1}", field.size(), elements);
      return std::nullopt;
    }
    auto buffer = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(elements * sizeof(Stored), "", llvm::Align(kHeapAlignment));
    if (!buffer) {
      error = "needs more memory than there is";
      return std::nullopt;
    }
    auto *out = reinterpret_cast<Stored *>(buffer->getBufferStart());
    for (auto value : field)
      *out++ = static_cast<Stored>(value);
    std::shared_ptr<llvm::MemoryBuffer> owner = std::move(buffer);
    return SharedBytes{owner->getBuffer(), owner};
  }

private:
  uint64_t elements;
  std::string &error;
};
} // namespace

std::optional<SharedBytes> TensorReader::bytesOf(const TensorProto &tensor, uint64_t elements, unsigned elementBytes, std::string &error) {
  if (tensor.has_raw_data() || tensor.data_location() == TensorProto::EXTERNAL) {
    std::optional<uint64_t> size = llvm::checkedMulUnsigned(elements, uint64_t(elementBytes));
    if (!size || *size > INT64_MAX) {
      error = "has dimensions whose product overflows";
      return std::nullopt;
    }
    return file.rawData(tensor, *size, error);
  }
  TypedField field(elements, error);
  switch (tensor.data_type()) {
  case TensorProto::FLOAT: return field.as<float>(tensor.float_data());
  case TensorProto::DOUBLE: return field.as<double>(tensor.double_data());
  case TensorProto::INT64: return field.as<int64_t>(tensor.int64_data());
  case TensorProto::UINT32: return field.as<uint32_t>(tensor.uint64_data());
  case TensorProto::UINT64: return field.as<uint64_t>(tensor.uint64_data());
  default: break;
  }
  // Every other type travels in int32_data, narrow floats as their bits.
  if (elementBytes == 4)
    return field.as<int32_t>(tensor.int32_data());
  return elementBytes == 2 ? field.as<uint16_t>(tensor.int32_data()) : field.as<uint8_t>(tensor.int32_data());
}

/// Packed elements of 2 or 4 bits, the first one lowest, as one byte each: how they lie inside a plan.
static std::optional<SharedBytes> unpacked(const SharedBytes &packed, uint64_t elements, unsigned bits, std::string &error) {
  auto buffer = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(elements, "", llvm::Align(kHeapAlignment));
  if (!buffer) {
    error = "needs more memory than there is";
    return std::nullopt;
  }
  unsigned perByte = 8 / bits, mask = (1u << bits) - 1;
  char *out = buffer->getBufferStart();
  for (uint64_t i = 0; i < elements; ++i)
    out[i] = char(uint8_t(packed.bytes[i / perByte]) >> (i % perByte * bits) & mask);
  std::shared_ptr<llvm::MemoryBuffer> owner = std::move(buffer);
  return SharedBytes{owner->getBuffer(), owner};
}

std::optional<SharedBytes> TensorReader::bytesOf(const TensorProto &tensor, uint64_t elements, Type element, std::string &error) {
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits >= 8 || bits == 1)
    return bytesOf(tensor, elements, llvm::divideCeil(bits, 8u), error);
  std::optional<SharedBytes> packed = bytesOf(tensor, llvm::divideCeil(elements, uint64_t(8 / bits)), 1u, error);
  return packed ? unpacked(*packed, elements, bits, error) : std::nullopt;
}

/// The file's bytes themselves: a BERT imports in 30 ms, where a copy of its misaligned tensors took ten times as long.
ElementsAttr TensorReader::asResource(RankedTensorType type, const SharedBytes &data, StringRef name) {
  ArrayRef<char> bytes(data.bytes.data(), data.bytes.size());
  auto keepAlive = [owner = data.owner](void *, size_t, size_t) {};
  size_t alignment = size_t(1) << std::min(llvm::countr_zero(reinterpret_cast<uintptr_t>(bytes.data())), 6);
  std::string key = llvm::formatv("w{0}.{1}", resources++, name);
  return DenseResourceElementsAttr::get(type, key, AsmResourceBlob(bytes, alignment, std::move(keepAlive), /*dataIsMutable=*/false));
}

ElementsAttr TensorReader::read(const TensorProto &tensor, StringRef name, std::string &error) {
  Type element = elementType(context, tensor.data_type());
  if (!element) {
    error = "has the element type " + dataTypeName(tensor.data_type()) + ", which is not supported";
    return {};
  }
  std::optional<uint64_t> elements = elementCount(tensor);
  if (!elements) {
    error = "has a negative dimension, or dimensions whose product overflows";
    return {};
  }
  std::optional<SharedBytes> data = bytesOf(tensor, *elements, element, error);
  if (!data)
    return {};
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  auto type = RankedTensorType::get(shape, element);
  if (data->bytes.empty())
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (element.isInteger(1)) {
    SmallVector<bool> values(llvm::map_range(data->bytes, [](char byte) { return byte != 0; }));
    return DenseElementsAttr::get(type, values);
  }
  if (data->bytes.size() <= kLargestInlineTensor)
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(data->bytes.data(), data->bytes.size()));
  return asResource(type, *data, name);
}

} // namespace tenon::importer
