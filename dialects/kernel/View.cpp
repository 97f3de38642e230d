// Strided reads through chains of transposes, reshapes, slices and expands.
#include "dialects/kernel/Kernel.h"

namespace tenon::kernel {
using namespace mlir;

SmallVector<nn::Dim> denseStrides(Type tensor) {
  SmallVector<nn::Dim> dims = nn::dimsOf(tensor), strides(dims.size());
  nn::Dim stride = nn::Dim::constant(tensor.getContext(), 1);
  for (int axis = int(dims.size()) - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride = stride * dims[axis];
  }
  return strides;
}

/// Strides of a reshape's result, axis group by axis group: a group of input axes that is dense within itself may become any axes.
/// None where a result axis would need two strides.
static std::optional<SmallVector<nn::Dim>> reshapeStrides(ArrayRef<nn::Dim> from, ArrayRef<nn::Dim> strides, ArrayRef<nn::Dim> to) {
  if (from.empty() && to.empty())
    return SmallVector<nn::Dim>();
  MLIRContext *context = (from.empty() ? to : from).front().context();
  nn::Dim zero = nn::Dim::constant(context, 0);
  SmallVector<nn::Dim> result(to.size(), zero);
  int i = int(from.size()) - 1, j = int(to.size()) - 1;
  while (j >= 0 || i >= 0) {
    while (i >= 0 && from[i].isConstant(1))
      --i;
    while (j >= 0 && to[j].isConstant(1))
      --j;
    if (i < 0 && j < 0)
      break;
    if (i < 0 || j < 0)
      return std::nullopt;
    // Grow both sides until their products agree.
    nn::Dim stride = strides[i], sizeFrom = from[i], sizeTo = to[j];
    int firstTo = j;
    while (sizeFrom != sizeTo) {
      bool growFrom;
      if (sizeFrom.isConstant() && sizeTo.isConstant())
        growFrom = *sizeFrom.asConstant() < *sizeTo.asConstant();
      else
        growFrom = sizeTo.dividedExactlyBy(sizeFrom).has_value();
      if (growFrom) {
        // The next input axis must continue the run densely.
        int next = i - 1;
        while (next >= 0 && from[next].isConstant(1))
          --next;
        if (next < 0 || strides[next] != strides[i] * from[i])
          return std::nullopt;
        i = next;
        sizeFrom = sizeFrom * from[i];
      } else {
        if (j == 0)
          return std::nullopt;
        --j;
        sizeTo = sizeTo * to[j];
      }
    }
    for (int axis = firstTo; axis >= j; --axis) {
      result[axis] = stride;
      stride = stride * to[axis];
    }
    --i;
    --j;
  }
  return result;
}

static View viewOfSource(Value value) {
  nn::Dim zero = nn::Dim::constant(value.getContext(), 0);
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (auto func = dyn_cast<FuncOp>(argument.getOwner()->getParentOp()))
      return {value, zero, func.argumentStrides(argument.getArgNumber())};
  return {value, zero, denseStrides(value.getType())};
}

View viewOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto transpose = dyn_cast_or_null<nn::TransposeOp>(op)) {
    View inner = viewOf(transpose.getInput()), view{inner.source, inner.offset, {}};
    for (int64_t axis : transpose.getPerm())
      view.strides.push_back(inner.strides[axis]);
    return view;
  }
  if (auto reshape = dyn_cast_or_null<nn::ReshapeOp>(op)) {
    View inner = viewOf(reshape.getInput());
    if (auto strides = reshapeStrides(nn::dimsOf(reshape.getInput().getType()), inner.strides, nn::dimsOf(value.getType())))
      return {inner.source, inner.offset, *strides};
    return viewOfSource(value);
  }
  if (auto slice = dyn_cast_or_null<nn::SliceOp>(op)) {
    View view = viewOf(slice.getInput());
    for (auto [stride, start, step] : llvm::zip_equal(view.strides, slice.getStarts().dims(), slice.getSteps())) {
      view.offset = view.offset + start * stride;
      stride = stride * step;
    }
    return view;
  }
  if (auto expand = dyn_cast_or_null<nn::ExpandOp>(op)) {
    View inner = viewOf(expand.getInput()), view{inner.source, inner.offset, {}};
    SmallVector<nn::Dim> from = nn::dimsOf(expand.getInput().getType()), to = nn::dimsOf(value.getType());
    size_t lead = to.size() - from.size();
    for (size_t axis = 0; axis < to.size(); ++axis) {
      bool kept = axis >= lead && from[axis - lead] == to[axis];
      if (axis >= lead && !kept && !from[axis - lead].isConstant(1))
        return viewOfSource(value); // broadcast or not: known at run time only
      view.strides.push_back(kept ? inner.strides[axis - lead] : nn::Dim::constant(value.getContext(), 0));
    }
    return view;
  }
  return viewOfSource(value);
}

} // namespace tenon::kernel
