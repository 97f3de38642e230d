// onnx.TensorProto files, as ONNX's own test data has them: raw_data, or one of the typed fields.
#include "tools/tenon/Failure.h"
#include "tools/tenon/TensorFile.h"

#include "onnx-ml.pb.h"

#include <cstring>
#include <optional>

namespace tenon::driver {
namespace {

std::optional<tn_dtype> dtypeOf(int type) {
  using Proto = onnx::TensorProto;
  switch (type) {
  case Proto::FLOAT: return TN_F32;
  case Proto::FLOAT16: return TN_F16;
  case Proto::BFLOAT16: return TN_BF16;
  case Proto::DOUBLE: return TN_F64;
  case Proto::INT8: return TN_I8;
  case Proto::INT16: return TN_I16;
  case Proto::INT32: return TN_I32;
  case Proto::INT64: return TN_I64;
  case Proto::UINT8: return TN_U8;
  case Proto::UINT16: return TN_U16;
  case Proto::UINT32: return TN_U32;
  case Proto::UINT64: return TN_U64;
  case Proto::BOOL: return TN_BOOL;
  case Proto::FLOAT8E4M3FN: return TN_F8E4M3FN;
  case Proto::FLOAT8E5M2: return TN_F8E5M2;
  case Proto::FLOAT8E4M3FNUZ: return TN_F8E4M3FNUZ;
  case Proto::FLOAT8E5M2FNUZ: return TN_F8E5M2FNUZ;
  case Proto::FLOAT8E8M0: return TN_F8E8M0;
  case Proto::FLOAT4E2M1: return TN_F4E2M1;
  case Proto::INT4: return TN_I4;
  case Proto::UINT4: return TN_U4;
  case Proto::INT2: return TN_I2;
  case Proto::UINT2: return TN_U2;
  default: return std::nullopt;
  }
}

/// Copies the entries of a typed field, the low bytes of each: int32_data holds all the smaller types, and of those below a byte one packed
/// byte in each entry.
template <typename Field> bool copyField(const Field &field, HostTensor &tensor) {
  size_t elementBytes = std::max<size_t>(1, tn_dtype_bits(tensor.dtype) / 8);
  if (size_t(field.size()) * elementBytes != tensor.data.size())
    return false;
  std::byte *to = tensor.data.data();
  for (auto value : field) {
    std::memcpy(to, &value, elementBytes);
    to += elementBytes;
  }
  return true;
}

bool copyTyped(const onnx::TensorProto &proto, HostTensor &tensor) {
  switch (tensor.dtype) {
  case TN_F32: return copyField(proto.float_data(), tensor);
  case TN_F64: return copyField(proto.double_data(), tensor);
  case TN_I64: return copyField(proto.int64_data(), tensor);
  case TN_U32:
  case TN_U64: return copyField(proto.uint64_data(), tensor);
  default: return copyField(proto.int32_data(), tensor);
  }
}

} // namespace

FileTensor parseTensorProto(std::span<const std::byte> bytes, const std::string &what) {
  onnx::TensorProto proto;
  if (bytes.size() > size_t(INT32_MAX) || !proto.ParseFromArray(bytes.data(), int(bytes.size())))
    throw Failure(what + ": is not a serialized onnx.TensorProto");
  if (proto.data_location() == onnx::TensorProto::EXTERNAL)
    throw Failure(what + ": keeps its data in another file; save it with the data inside");
  std::optional<tn_dtype> dtype = dtypeOf(proto.data_type());
  if (!dtype)
    throw Failure(what + ": has ONNX element type " + std::to_string(proto.data_type()) + ", which is not supported");
  std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  // Nothing is allocated for a shape that the file does not hold.
  int64_t expected = bytesOf(*dtype, dims, what);
  if (uint64_t(expected) > bytes.size() * sizeof(int64_t))
    throw Failure(what + ": is truncated: " + typeText(*dtype, dims) + " takes " + std::to_string(expected) + " bytes");
  FileTensor result{proto.name(), HostTensor(*dtype, std::move(dims), what)};
  HostTensor &tensor = result.tensor;
  bool complete = true;
  if (proto.has_raw_data()) {
    complete = proto.raw_data().size() == tensor.data.size();
    if (complete && expected)
      std::memcpy(tensor.data.data(), proto.raw_data().data(), proto.raw_data().size());
  } else if (expected) {
    complete = copyTyped(proto, tensor);
  }
  if (!complete)
    throw Failure(what + ": the data does not fill " + typeText(tensor.dtype, tensor.dims));
  return result;
}

} // namespace tenon::driver
