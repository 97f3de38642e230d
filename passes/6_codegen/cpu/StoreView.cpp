#include "passes/6_codegen/cpu/StoreView.h"

namespace tenon::cpu {
using namespace mlir;

/// Strides before a reshape from those after it: axes are grouped so that both sides of a group hold the same number of elements;
/// a group of several axes after the reshape must be dense.
static std::optional<SmallVector<nn::Dim>> beforeReshape(ArrayRef<nn::Dim> before, ArrayRef<nn::Dim> after, ArrayRef<nn::Dim> strides) {
  MLIRContext *ctx = strides.empty() ? nullptr : strides.front().context();
  if (!ctx)
    return std::nullopt;
  nn::Dim one = nn::Dim::constant(ctx, 1);
  SmallVector<nn::Dim> result(before.size());
  int i = before.size() - 1, j = after.size() - 1;
  while (i >= 0 || j >= 0) {
    if (i >= 0 && before[i].isConstant(1)) {
      result[i--] = one;
      continue;
    }
    if (j >= 0 && after[j].isConstant(1)) {
      --j;
      continue;
    }
    if (i < 0 || j < 0)
      return std::nullopt;
    int firstBefore = i, firstAfter = j;
    nn::Dim left = before[i], right = after[j];
    while (left != right) {
      // The side with fewer elements takes one more axis; sizes that cannot be compared take from the side that divides.
      bool takeLeft = right.dividedExactlyBy(left).has_value();
      if (takeLeft && firstBefore > 0)
        left = left * before[--firstBefore];
      else if (!takeLeft && firstAfter > 0)
        right = right * after[--firstAfter];
      else
        return std::nullopt;
    }
    for (int axis = j; axis > firstAfter; --axis)
      if (strides[axis - 1] != strides[axis] * after[axis] && !after[axis - 1].isConstant(1))
        return std::nullopt;
    nn::Dim stride = strides[j];
    for (int axis = i; axis >= firstBefore; --axis) {
      result[axis] = stride;
      stride = stride * before[axis];
    }
    i = firstBefore - 1;
    j = firstAfter - 1;
  }
  return result;
}

std::optional<StoreView> storeViewOf(Value source, kernel::FuncOp func) {
  if (!source.hasOneUse())
    return std::nullopt;
  OpOperand &use = *source.use_begin();
  if (isa<kernel::ReturnOp>(use.getOwner()))
    return StoreView{use.getOperandNumber(), func.resultStrides(use.getOperandNumber())};
  if (!isa<nn::TransposeOp, nn::ReshapeOp>(use.getOwner()))
    return std::nullopt;
  std::optional<StoreView> view = storeViewOf(use.getOwner()->getResult(0), func);
  if (!view)
    return std::nullopt;
  if (auto reshape = dyn_cast<nn::ReshapeOp>(use.getOwner())) {
    auto before = beforeReshape(nn::dimsOf(source.getType()), nn::dimsOf(reshape.getType()), view->strides);
    return before ? std::optional<StoreView>({view->result, *before}) : std::nullopt;
  }
  SmallVector<nn::Dim> before(view->strides.size());
  for (auto [axis, from] : llvm::enumerate(cast<nn::TransposeOp>(use.getOwner()).getPerm()))
    before[from] = view->strides[axis];
  return StoreView{view->result, before};
}

} // namespace tenon::cpu
