// Constants inside a kernel's body: code constants where the index is known, a read-only table otherwise.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tenon::cpu {

/// The contents as `dense<>`; weights are arguments, so a blob in a body is small.
static DenseElementsAttr denseOf(nn::ConstantOp op) {
  if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue()))
    return dense;
  auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue());
  if (!resource || !resource.getRawHandle().getBlob())
    return {};
  ArrayRef<char> bytes = resource.getRawHandle().getBlob()->getData();
  auto type = cast<ShapedType>(resource.getType());
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bits(llvm::map_range(bytes, [](char byte) { return byte != 0; }));
    return DenseElementsAttr::get(type, bits);
  }
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

bool Evaluator::canEvaluateConstant(nn::ConstantOp op) {
  constexpr int64_t kLargestTable = 1 << 16; // bytes in a kernel's read-only data
  if (isa<nn::DimsAttr>(op.getValue()))
    return true;
  auto elements = dyn_cast<ElementsAttr>(op.getValue());
  if (!elements || !elements.getElementType().isIntOrFloat())
    return false;
  if (elements.isSplat())
    return true;
  return denseOf(op) && elements.getNumElements() * elements.getElementType().getIntOrFloatBitWidth() / 8 <= kLargestTable;
}

/// One element, as a constant of `type` (its computation type).
static Value scalarConstant(KernelBuilder &b, Attribute element, Type type) {
  if (auto real = dyn_cast<FloatAttr>(element)) {
    llvm::APFloat value = real.getValue();
    const llvm::fltSemantics &semantics = cast<FloatType>(type).getFloatSemantics();
    bool lost = false;
    if (value.isNaN() && &value.getSemantics() != &semantics)
      value = llvm::APFloat::getNaN(semantics); // LLVM's conversion of a NaN without a fraction gives infinity
    else
      value.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &lost);
    return arith::ConstantOp::create(b.ops(), FloatAttr::get(type, value));
  }
  return arith::ConstantOp::create(b.ops(), IntegerAttr::get(type, cast<IntegerAttr>(element).getValue()));
}

/// A constant position, moved into [0, size): code of a part of a concatenation that is never reached may lie outside.
static int64_t inside(int64_t position, int64_t size) { return std::clamp<int64_t>(position, 0, size - 1); }

/// The place of an element of a constant of fixed shape in row-major order.
static Index flatPosition(KernelBuilder &b, ArrayRef<Index> index, nn::ConstantOp op) {
  Index flat = 0;
  for (auto [i, size] : llvm::zip_equal(index, cast<ShapedType>(op.getType()).getShape()))
    flat = b.add(b.mul(flat, size), i);
  return flat;
}

Value Evaluator::constantAt(nn::ConstantOp op, const Place &place) {
  if (auto dims = dyn_cast<nn::DimsAttr>(op.getValue()))
    return place.lanes ? laneByLane(op, place) : dimsAt(dims.dims(), flatPosition(b, place.index, op), typeAt(op, 0));
  DenseElementsAttr dense = denseOf(op);
  Type type = typeAt(op, 0);
  if (dense.isSplat())
    return scalarConstant(b, dense.getSplatValue<Attribute>(), type);
  auto shape = cast<ShapedType>(dense.getType()).getShape();
  if (!place.lanes && llvm::all_of(place.index, [](Index i) { return i.isConstant(); })) {
    int64_t flat = 0;
    for (auto [i, size] : llvm::zip(place.index, shape))
      flat = flat * size + inside(i.get(), size);
    return scalarConstant(b, dense.getValues<Attribute>()[flat], type);
  }
  return load(table(op, dense), place);
}

Value Evaluator::dimsAt(ArrayRef<nn::Dim> dims, Index position, Type element) {
  Index chosen = 0;
  if (position.isConstant()) {
    chosen = b.dim(dims[inside(position.get(), int64_t(dims.size()))]);
  } else {
    for (auto [i, dim] : llvm::enumerate(dims))
      chosen = i == 0 ? b.dim(dim) : b.select(b.equal(position, int64_t(i)), b.dim(dim), chosen);
  }
  Value value = b.value(chosen);
  return element.isInteger(64) ? value : arith::TruncIOp::create(b.ops(), element, value).getResult();
}

Tensor Evaluator::table(nn::ConstantOp op, DenseElementsAttr contents) {
  auto [it, isNew] = tables.try_emplace(op);
  if (isNew) {
    Tensor &t = it->second = b.table(contents);
    t.sizes = b.sizesOf(op);
    t.strides.assign(t.sizes.size(), Index(1));
    for (int axis = int(t.sizes.size()) - 2; axis >= 0; --axis)
      t.strides[axis] = b.mul(t.strides[axis + 1], t.sizes[axis + 1]);
  }
  return it->second;
}

} // namespace tenon::cpu
