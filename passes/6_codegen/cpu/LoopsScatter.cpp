#include "passes/6_codegen/cpu/LoopsScatter.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"

using namespace mlir;

namespace tenon::cpu {

bool isScatter(Operation *op) { return isa<nn::ScatterElementsOp, nn::ScatterNDOp>(op); }

static std::optional<nn::ReduceKind> reductionOf(Operation *op) {
  if (auto elements = dyn_cast<nn::ScatterElementsOp>(op))
    return elements.getReduction();
  return cast<nn::ScatterNDOp>(op).getReduction();
}

static std::optional<Fold> foldOf(nn::ReduceKind kind, Type element) {
  bool isUnsigned = element.isUnsignedInteger();
  switch (kind) {
  case nn::ReduceKind::Sum:
    return Fold::Add;
  case nn::ReduceKind::Prod:
    return Fold::Multiply;
  case nn::ReduceKind::Max:
    return isUnsigned ? Fold::MaxUnsigned : Fold::Max;
  case nn::ReduceKind::Min:
    return isUnsigned ? Fold::MinUnsigned : Fold::Min;
  default:
    return std::nullopt;
  }
}

bool canEmitScatter(Operation *op) {
  return !reductionOf(op) || scatterFold(op);
}

std::optional<Fold> scatterFold(Operation *op) {
  std::optional<nn::ReduceKind> reduction = reductionOf(op);
  return reduction ? foldOf(*reduction, cast<ShapedType>(op->getResult(0).getType()).getElementType()) : std::nullopt;
}

SmallVector<Index> scatterTarget(KernelBuilder &b, Evaluator &evaluator, Operation *op, ArrayRef<Index> index) {
  Value indices = op->getOperand(1);
  auto dims = nn::dimsOf(op->getOperand(0).getType());
  SmallVector<Index> where;
  if (auto elements = dyn_cast<nn::ScatterElementsOp>(op)) {
    unsigned axis = elements.getAxis();
    where.assign(index.begin(), index.end());
    where[axis] = evaluator.wrapped(evaluator.indexAt(indices, index), b.dim(dims[axis]));
    return where;
  }
  // scatter_nd: the last axis of `indices` holds coordinates of the leading axes, the updates' last axes are the slices.
  unsigned outer = cast<ShapedType>(indices.getType()).getRank() - 1;
  int64_t coordinates = *nn::dimsOf(indices.getType()).back().asConstant();
  SmallVector<Index> at(index.take_front(outer));
  at.push_back(0);
  for (int64_t k = 0; k < coordinates; ++k) {
    at.back() = k;
    where.push_back(evaluator.wrapped(evaluator.indexAt(indices, at), b.dim(dims[k])));
  }
  where.append(index.begin() + outer, index.end());
  return where;
}

void emitScatter(KernelBuilder &b, Evaluator &evaluator, Operation *op, const Tensor &result) {
  Value input = op->getOperand(0), updates = op->getOperand(2);
  auto dims = nn::dimsOf(input.getType());
  auto store = [&](Value x, Index offset) {
    b.store(computeType(result.element) == result.element ? x : b.convert(x, result.element), result, offset);
  };
  int last = int(dims.size()) - 1;
  LoopNest copy = chooseNest(b, dims, SmallVector<int>(dims.size(), 0), 1, evaluator.lanesAllowed(input, last) ? evaluator.preferredLanes() : 0);
  copy.emit(b, evaluator, [&](const Place &place) { evaluator.hoist(input, place); },
            [&](const Place &place) { store(evaluator.at(input, place), b.at(result, place.index)); });

  auto updateDims = nn::dimsOf(updates.getType());
  LoopNest nest = chooseNest(b, updateDims, SmallVector<int>(updateDims.size(), 0), 1, 0);
  std::optional<Fold> fold = scatterFold(op);
  nest.emit(
      b, evaluator, [](const Place &) {},
      [&](const Place &place) {
        Index offset = b.at(result, scatterTarget(b, evaluator, op, place.index));
        Value x = evaluator.at(updates, place);
        if (fold) {
          Value old = b.load(result, offset);
          if (computeType(result.element) != result.element)
            old = b.convert(old, computeType(result.element));
          x = evaluator.combine(*fold, old, x);
        }
        store(x, offset);
      });
}

} // namespace tenon::cpu
