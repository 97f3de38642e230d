#include "passes/6_codegen/cpu/LoopsAnalysis.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numeric>
#include <set>

using namespace mlir;

namespace tenon::cpu {

namespace {

constexpr int kConstant = Evaluator::kConstant;

bool isRead(Value v) { return !v.getDefiningOp() || isa<BlockArgument>(kernel::viewOf(v).source); }

/// The axes over which `op` folds operand 0, or (softmax, norms) takes the statistics of a row.
SmallVector<int64_t> foldedAxes(Operation *op) {
  auto from = [&](int64_t first) { return llvm::to_vector(llvm::seq<int64_t>(first, cast<ShapedType>(op->getOperand(0).getType()).getRank())); };
  return llvm::TypeSwitch<Operation *, SmallVector<int64_t>>(op)
      .Case([](nn::ReduceOp reduce) { return llvm::to_vector(reduce.getAxes()); })
      .Case<nn::ArgReduceOp, nn::SoftmaxOp>([](auto fold) { return SmallVector<int64_t>{int64_t(fold.getAxis())}; })
      .Case<nn::LayerNormOp, nn::RMSNormOp>([&](auto norm) { return from(norm.getAxis()); })
      .Case([&](nn::GroupNormOp) { return from(2); })
      .Default([&](Operation *) { return from(0); });
}

bool keepsStatistics(Operation *op) { return isa<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp, nn::GroupNormOp>(op); }

/// Where the loop over one axis of a value lies in another value that is computed from it.
int step(Operation *op, unsigned operand, int axis) { return axis < 0 ? axis : Evaluator::operandAxis(op, operand, axis); }

} // namespace

SmallVector<int> invariantAxes(Value result) {
  unsigned rank = cast<ShapedType>(result.getType()).getRank();
  SmallVector<int> counts(rank, 0);
  std::set<std::pair<void *, std::vector<int>>> seen;
  std::function<void(Value, std::vector<int>)> visit = [&](Value v, std::vector<int> axes) {
    if (isRead(v) || !seen.insert({v.getAsOpaquePointer(), axes}).second)
      return;
    Operation *op = v.getDefiningOp();
    auto row = keepsStatistics(op) ? foldedAxes(op) : SmallVector<int64_t>();
    if (Evaluator::hasLoop(op))
      for (unsigned axis = 0; axis < rank; ++axis)
        counts[axis] += axes[axis] == kConstant || llvm::is_contained(row, axes[axis]);
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      std::vector<int> there;
      for (int axis : axes)
        there.push_back(step(op, i, axis));
      visit(op->getOperand(i), std::move(there));
    }
  };
  std::vector<int> all(rank);
  std::iota(all.begin(), all.end(), 0);
  visit(result, all);
  return counts;
}

/// Whether a loop at `v` or above runs again for every step along the axes in `axes`.
static bool loopDependsOn(Value v, std::vector<int> axes, std::set<std::pair<void *, std::vector<int>>> &seen) {
  if (isRead(v) || llvm::all_of(axes, [](int axis) { return axis == kConstant; }) || !seen.insert({v.getAsOpaquePointer(), axes}).second)
    return false;
  Operation *op = v.getDefiningOp();
  if (Evaluator::hasLoop(op)) {
    auto row = keepsStatistics(op) ? foldedAxes(op) : SmallVector<int64_t>();
    if (llvm::any_of(axes, [&](int axis) { return axis != kConstant && !llvm::is_contained(row, axis); }))
      return true;
  }
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    std::vector<int> there;
    for (int axis : axes)
      there.push_back(step(op, i, axis));
    if (loopDependsOn(op->getOperand(i), std::move(there), seen))
      return true;
  }
  return false;
}

bool isBounded(Value result) {
  constexpr size_t kMostPlaces = 512;
  // A place class stands for the index at which a value is evaluated; ops that change the index make a new one.
  std::set<std::pair<void *, size_t>> places;
  bool bounded = true;
  std::function<void(Value, size_t)> visit = [&](Value v, size_t place) {
    if (!bounded || isRead(v) || !places.insert({v.getAsOpaquePointer(), place}).second)
      return;
    if (places.size() > kMostPlaces) {
      bounded = false;
      return;
    }
    Operation *op = v.getDefiningOp();
    if (Evaluator::hasLoop(op)) {
      auto folded = foldedAxes(op);
      for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
        std::set<std::pair<void *, std::vector<int>>> seen;
        std::vector<int> axes(folded.begin(), folded.end());
        if (i > 0) { // parameters: nothing in them may loop
          axes.resize(cast<ShapedType>(operand.getType()).getRank());
          std::iota(axes.begin(), axes.end(), 0);
        }
        bounded &= !loopDependsOn(operand, std::move(axes), seen);
      }
    }
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      bool same = op->hasTrait<nn::Elementwise>() && operand.getType() == result.getType();
      visit(operand, same ? place : size_t(llvm::hash_combine(place, op, i)));
    }
  };
  visit(result, 0);
  return bounded;
}

nn::Dim workPerElement(Value v) {
  MLIRContext *ctx = v.getContext();
  nn::Dim one = nn::Dim::constant(ctx, 1);
  Operation *op = v.getDefiningOp();
  if (!op)
    return one;
  return llvm::TypeSwitch<Operation *, nn::Dim>(op)
      .Case([&](nn::ReduceOp reduce) {
        nn::Dim work = one;
        for (int64_t axis : reduce.getAxes())
          work = work * nn::dimOf(reduce.getInput().getType(), axis);
        return work;
      })
      .Case([&](nn::ArgReduceOp fold) { return nn::dimOf(fold.getInput().getType(), fold.getAxis()); })
      .Case([&](nn::MatMulOp matmul) {
        auto lhs = nn::dimsOf(matmul.getLhs().getType());
        return lhs[lhs.size() - (matmul.getTransposeLhs() ? 2 : 1)];
      })
      .Case([&](nn::ConvOp conv) {
        return nn::product(ctx, ArrayRef(nn::dimsOf(conv.getWeight().getType())).drop_front());
      })
      .Case([&](nn::ConvTransposeOp conv) {
        auto weight = nn::dimsOf(conv.getWeight().getType());
        return weight[0].floorDiv(int64_t(conv.getGroups())) * nn::product(ctx, ArrayRef(weight).drop_front(2));
      })
      .Case<nn::PoolOp, nn::ArgPoolOp>([&](auto pool) {
        int64_t taps = 1;
        for (int64_t size : pool.getWindow())
          taps *= size;
        return nn::Dim::constant(ctx, taps);
      })
      .Case([&](nn::LRNOp norm) { return nn::Dim::constant(ctx, norm.getSize()); })
      .Case<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp, nn::GroupNormOp, nn::ResizeOp, nn::GridSampleOp, nn::RoiAlignOp>(
          [&](auto) { return nn::Dim::constant(ctx, 16); })
      .Default([&](Operation *) { return one; });
}

} // namespace tenon::cpu
