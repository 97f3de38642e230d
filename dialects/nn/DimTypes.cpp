// Dimension expressions in tensor types, and the contents of shape tensors.
#include "dialects/nn/NN.h"
#include "dialects/nn/Polynomial.h"

using namespace mlir;

namespace tenon::nn {

SmallVector<Dim> DimsAttr::dims() const {
  return llvm::map_to_vector(getExprs(), [](ExprAttr expr) { return Dim(expr); });
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type, llvm::function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != size())
    return emitError() << "expected " << shape.size() << " sizes in the tensor's #nn.dims, found " << size();
  for (auto [axis, extent, expr] : llvm::enumerate(shape, getExprs())) {
    std::optional<int64_t> constant = Dim(expr).asConstant();
    if (constant ? extent != *constant : extent != ShapedType::kDynamic)
      return emitError() << "axis " << axis << " is " << (extent == ShapedType::kDynamic ? "?" : std::to_string(extent))
                         << " but its #nn.dims says " << Dim(expr).str();
  }
  return success();
}

SmallVector<Dim> dimsOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  if (auto named = dyn_cast_or_null<DimsAttr>(type.getEncoding()))
    return named.dims();
  MLIRContext *ctx = type.getContext();
  return llvm::map_to_vector(type.getShape(), [&](int64_t extent) {
    return ShapedType::isDynamic(extent) ? overflowDim(ctx) : Dim::constant(ctx, extent);
  });
}

Dim dimOf(Type tensor, int64_t axis) {
  auto type = cast<RankedTensorType>(tensor);
  if (auto named = dyn_cast_or_null<DimsAttr>(type.getEncoding()))
    return Dim(named.getExprs()[axis]);
  int64_t extent = type.getDimSize(axis);
  return ShapedType::isDynamic(extent) ? overflowDim(type.getContext()) : Dim::constant(type.getContext(), extent);
}

RankedTensorType tensorOf(ArrayRef<Dim> dims, Type element) {
  MLIRContext *ctx = element.getContext();
  SmallVector<int64_t> shape;
  SmallVector<Dim> sizes(dims);
  bool free = false;
  for (Dim &dim : sizes) {
    std::optional<int64_t> extent = dim.asConstant();
    if (extent && *extent < 0) {
      dim = overflowDim(ctx);
      extent.reset();
    }
    free |= !extent;
    shape.push_back(extent.value_or(ShapedType::kDynamic));
  }
  return RankedTensorType::get(shape, element, free ? dimsAttr(ctx, sizes) : DimsAttr());
}

RankedTensorType withElement(RankedTensorType type, Type element) {
  return RankedTensorType::get(type.getShape(), element, type.getEncoding());
}

Dim product(MLIRContext *ctx, ArrayRef<Dim> dims) {
  Dim total = Dim::constant(ctx, 1);
  for (Dim dim : dims)
    total = total * dim;
  return total;
}

int64_t elementBytes(Type type) { return std::max<int64_t>(1, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8); }
Dim numElements(Type tensor) { return product(tensor.getContext(), dimsOf(tensor)); }

DimsAttr dimsAttr(MLIRContext *ctx, ArrayRef<Dim> dims) {
  return DimsAttr::get(ctx, llvm::map_to_vector(dims, [](Dim dim) { return dim.attr(); }));
}

DimsAttr dimsAttr(MLIRContext *ctx, ArrayRef<int64_t> dims) {
  return DimsAttr::get(ctx, llvm::map_to_vector(dims, [&](int64_t dim) { return Dim::constant(ctx, dim).attr(); }));
}

std::optional<SmallVector<Dim>> constantDims(Attribute value, Type type) {
  if (auto dims = dyn_cast_or_null<DimsAttr>(value))
    return dims.dims();
  auto dense = dyn_cast_or_null<DenseIntElementsAttr>(value);
  if (!dense || dense.getNumElements() > kMaxFoldedElements)
    return std::nullopt;
  auto integer = dyn_cast<IntegerType>(dense.getElementType());
  if (!integer || integer.getWidth() > 64)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
  SmallVector<Dim> dims;
  for (const APInt &element : dense.getValues<APInt>()) {
    if (isUnsigned && element.getActiveBits() > 63)
      return std::nullopt;
    dims.push_back(Dim::constant(value.getContext(), isUnsigned ? element.getZExtValue() : element.getSExtValue()));
  }
  return dims;
}

std::optional<SmallVector<Dim>> constantDims(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant)
    return std::nullopt;
  return constantDims(constant.getValue(), constant.getType());
}

} // namespace tenon::nn
