#include "dialects/nn/Known.h"

using namespace mlir;

namespace tenon::nn {

bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

bool isFoldable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return false;
  int64_t count = 1; // saturates: shapes come from files
  for (int64_t extent : tensor.getShape())
    if (__builtin_mul_overflow(count, extent, &count))
      return false;
  return count <= kMaxFoldedElements;
}

/// A small blob read as a dense attribute; null where its size does not fit its type.
static DenseElementsAttr readBlob(DenseResourceElementsAttr resource) {
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  auto type = dyn_cast<RankedTensorType>(resource.getType());
  if (!blob || !type || !isFoldable(type))
    return {};
  Type element = type.getElementType();
  ArrayRef<char> data = blob->getData();
  if (element.isInteger(1)) { // one byte an element
    if (static_cast<int64_t>(data.size()) != type.getNumElements())
      return {};
    return DenseElementsAttr::get(type, llvm::map_to_vector(data, [](char byte) { return byte != 0; }));
  }
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8 != 0 ||
      static_cast<int64_t>(data.size()) != type.getNumElements() * (element.getIntOrFloatBitWidth() / 8))
    return {};
  return DenseElementsAttr::getFromRawBuffer(type, data);
}

std::optional<Known> Known::read(Attribute value, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!value || !tensor || !isFoldable(tensor))
    return std::nullopt;
  Known known{tensor, {}, {}, {}};
  if (auto dims = dyn_cast<DimsAttr>(value)) {
    known.sizes = dims.dims();
    return known;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    dense = readBlob(resource);
  if (!dense)
    return std::nullopt;
  if (isa<IntegerType>(tensor.getElementType()))
    llvm::append_range(known.integers, dense.getValues<APInt>());
  else if (isa<FloatType>(tensor.getElementType()))
    llvm::append_range(known.floats, dense.getValues<APFloat>());
  else
    return std::nullopt;
  return known;
}

std::optional<Known> Known::asSizes() const {
  if (isSizes() || (count() == 0 && !isFloat()))
    return *this;
  if (isFloat())
    return std::nullopt;
  Known result{type, {}, {}, {}};
  bool noSign = isUnsigned(type.getElementType());
  for (const APInt &value : integers) {
    if (noSign ? value.getActiveBits() > 63 : value.getSignificantBits() > 64)
      return std::nullopt;
    result.sizes.push_back(Dim::constant(type.getContext(), noSign ? value.getZExtValue() : value.getSExtValue()));
  }
  return result;
}

/// An attribute for expressions in an integer type: dense where they are all constant. Null where one does not fit.
static Attribute sizesAttribute(RankedTensorType type, ArrayRef<Dim> sizes) {
  unsigned bits = type.getElementTypeBitWidth();
  SmallVector<APInt> values;
  for (Dim size : sizes) {
    std::optional<int64_t> value = size.asConstant();
    if (size.isOverflow() || (value && !llvm::isIntN(bits, *value)))
      return {};
    if (value)
      values.push_back(APInt(bits, *value, /*isSigned=*/true));
  }
  if (values.size() == sizes.size())
    return DenseElementsAttr::get(type, values);
  bool holdsSizes = type.getElementType().isInteger(64) || type.getElementType().isInteger(32);
  return holdsSizes ? dimsAttr(type.getContext(), sizes) : Attribute();
}

Attribute Known::attribute() const {
  if (isSizes())
    return sizesAttribute(type, sizes);
  return isFloat() ? DenseElementsAttr::get(type, floats) : DenseElementsAttr::get(type, integers);
}

std::optional<SmallVector<Known>> readAll(ArrayRef<Attribute> values, ValueRange operands) {
  SmallVector<Known> all;
  for (auto [value, operand] : llvm::zip_equal(values, operands)) {
    std::optional<Known> known = Known::read(value, operand.getType());
    if (!known)
      return std::nullopt;
    all.push_back(std::move(*known));
  }
  if (llvm::none_of(all, [](const Known &known) { return known.isSizes(); }))
    return all;
  for (Known &known : all) {
    bool boolean = known.type.getElementType().isInteger(1); // a condition stays what it is
    std::optional<Known> sizes = boolean ? known : known.asSizes();
    if (!sizes)
      return std::nullopt;
    known = std::move(*sizes);
  }
  return all;
}

Attribute pickElements(ArrayRef<Known> sources, ArrayRef<Pick> picks, RankedTensorType type) {
  Known result{type, {}, {}, {}};
  for (auto [source, index] : picks) {
    const Known &from = sources[source];
    if (from.isSizes())
      result.sizes.push_back(from.sizes[index]);
    else if (from.isFloat())
      result.floats.push_back(from.floats[index]);
    else
      result.integers.push_back(from.integers[index]);
  }
  return result.attribute();
}

void forEachIndex(ArrayRef<int64_t> shape, llvm::function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(shape, 0))
    return;
  SmallVector<int64_t> index(shape.size(), 0);
  while (true) {
    visit(index);
    int64_t axis = static_cast<int64_t>(shape.size()) - 1;
    while (axis >= 0 && ++index[axis] == shape[axis])
      index[axis--] = 0;
    if (axis < 0)
      return;
  }
}

int64_t linearIndex(ArrayRef<int64_t> shape, ArrayRef<int64_t> coordinates) {
  int64_t position = 0;
  for (auto [extent, coordinate] : llvm::zip_equal(shape, coordinates.take_back(shape.size())))
    position = position * extent + (extent == 1 ? 0 : coordinate);
  return position;
}

bool isAll(Attribute value, double number) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  if (!dense || (!dense.isSplat() && dense.getNumElements() > kMaxFoldedElements) || dense.empty())
    return false;
  if (isa<FloatType>(dense.getElementType()))
    return llvm::all_of(dense.getValues<APFloat>(), [&](const APFloat &element) {
      APFloat wanted(number);
      bool inexact;
      wanted.convert(element.getSemantics(), APFloat::rmNearestTiesToEven, &inexact);
      return element.bitwiseIsEqual(wanted);
    });
  if (!isa<IntegerType>(dense.getElementType()))
    return false;
  bool noSign = isUnsigned(dense.getElementType());
  return llvm::all_of(dense.getValues<APInt>(), [&](const APInt &element) {
    return (noSign ? element.roundToDouble() : element.signedRoundToDouble()) == number;
  });
}

} // namespace tenon::nn
