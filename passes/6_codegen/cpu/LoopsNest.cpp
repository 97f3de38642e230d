#include "passes/6_codegen/cpu/LoopsNest.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace tenon::cpu {

/// Elements of the lane axis in one shared block: long enough to hide the loop's ends, short enough to balance.
constexpr int64_t kBlock = 2048;

nn::Dim tasksFor(nn::Dim work, int64_t limit) {
  MLIRContext *ctx = work.context();
  if (work.isOverflow()) // too many terms to say
    return nn::Dim::constant(ctx, 1);
  return work.ceilDiv(kTaskWork).min(nn::Dim::constant(ctx, limit)).max(nn::Dim::constant(ctx, 1));
}

LoopNest chooseNest(KernelBuilder &b, ArrayRef<nn::Dim> dims, ArrayRef<int> inner, int64_t tasks, int lanes, bool reduces) {
  LoopNest nest;
  for (nn::Dim dim : dims)
    nest.sizes.push_back(b.dim(dim));
  for (unsigned axis = 0; axis < dims.size(); ++axis)
    if (!dims[axis].isConstant(1))
      nest.order.push_back(axis);
  if (nest.order.empty())
    return nest;
  nest.laneAxis = nest.order.back();
  llvm::sort(nest.order, [&](unsigned x, unsigned y) { return std::pair(inner[x], x) < std::pair(inner[y], y); });

  nest.lanes = lanes;
  auto laneSize = dims[nest.laneAxis].asConstant();
  if (laneSize && nest.lanes) {
    while (nest.lanes > *laneSize)
      nest.lanes /= 2;
    // Several vectors side by side read what is reduced in longer runs.
    bool isWider = reduces && nest.lanes > 0; // no lanes of an axis without elements
    if (isWider && *laneSize % (4 * nest.lanes) == 0)
      nest.lanes *= 4;
    else if (isWider && *laneSize % (2 * nest.lanes) == 0)
      nest.lanes *= 2;
  }
  if (nest.lanes < 2)
    nest.laneAxis = -1, nest.lanes = 0;

  // Share as few loops as give every task a few iterations, so that what is hoisted out of inner loops stays hoisted.
  int64_t iterations = 1;
  for (unsigned axis : nest.order) {
    bool isLast = &axis == &nest.order.back();
    if (inner[axis] || iterations >= 4 * tasks)
      break;
    if (isLast && int(axis) == nest.laneAxis) {
      nest.block = kBlock;
      if (reduces && laneSize && nest.lanes && *laneSize % nest.lanes == 0)
        nest.block = llvm::alignTo(llvm::divideCeil(*laneSize, std::max<int64_t>(tasks, 1)), nest.lanes);
      nest.blocks = !laneSize || *laneSize > nest.block;
      break;
    }
    if (int(axis) == nest.laneAxis)
      break;
    ++nest.shared;
    iterations *= dims[axis].asConstant().value_or(1);
  }
  return nest;
}

void LoopNest::emit(KernelBuilder &b, Evaluator &scopes, function_ref<void(const Place &)> enter, function_ref<void(const Place &)> body) const {
  Place place;
  place.index.assign(sizes.size(), Index(0));
  for (unsigned axis : order)
    place.index[axis] = Evaluator::unknown();
  Range lanesRange{0, laneAxis < 0 ? Index(0) : sizes[laneAxis]};

  std::function<void(unsigned)> level = [&](unsigned depth) {
    if (depth == order.size()) {
      body(place);
      return;
    }
    enter(place);
    unsigned axis = order[depth];
    auto loop = [&](Index low, Index high, int64_t step) {
      b.loop(low, high, step, [&](Index i) {
        Evaluator::Scope scope(scopes);
        place.index[axis] = i;
        level(depth + 1);
        place.index[axis] = Evaluator::unknown();
      });
    };
    if (int(axis) != laneAxis) {
      loop(0, sizes[axis], 1);
      return;
    }
    Index count = b.sub(lanesRange.high, lanesRange.low);
    Index vectors = b.add(lanesRange.low, b.mul(b.div(count, lanes), lanes));
    place.lanes = lanes, place.axis = laneAxis;
    loop(lanesRange.low, vectors, lanes);
    if (overlaps && !blocks && count.isConstant() && count.get() % lanes) {
      Index last = b.sub(lanesRange.high, lanes);
      loop(last, b.add(last, 1), lanes);
      place.lanes = 0, place.axis = -1;
      return;
    }
    place.lanes = 0, place.axis = -1;
    loop(vectors, lanesRange.high, 1);
  };

  if (!shared && !blocks) {
    // Nothing to share: the first task does it all.
    if (b.tasks().is(1))
      level(0);
    else
      b.ifThen(b.equal(b.task(), 0), [&] {
        Evaluator::Scope scope(scopes);
        level(0);
      });
    return;
  }
  Index units = blocks ? b.div(b.add(sizes[laneAxis], block - 1), block) : Index(1);
  for (unsigned k = 0; k < shared; ++k)
    units = b.mul(units, sizes[order[k]]);
  if (shared)
    enter(place);
  auto [low, high] = b.share(units, b.tasks(), b.task());
  b.loop(low, high, 1, [&](Index unit) {
    Evaluator::Scope scope(scopes);
    if (blocks) {
      Index count = b.div(b.add(sizes[laneAxis], block - 1), block), number = shared ? b.rem(unit, count) : unit;
      unit = shared ? b.div(unit, count) : unit;
      lanesRange.low = b.mul(number, block);
      lanesRange.high = b.min(b.add(lanesRange.low, block), sizes[laneAxis]);
    }
    for (unsigned k = shared; k-- > 0;) {
      place.index[order[k]] = k ? b.rem(unit, sizes[order[k]]) : unit;
      unit = k ? b.div(unit, sizes[order[k]]) : unit;
    }
    level(shared);
  });
}

} // namespace tenon::cpu
