#include "passes/6_codegen/gpu/StageRing.h"
#include "passes/6_codegen/gpu/Directions.h"

namespace tenon::gpu {
using namespace mlir;

void StageRing::begin(Value thread, int64_t copiers) {
  shared = w.shared();
  b.ifThen(w.below(thread, w.i32(1)), [&] {
    for (int64_t stage = 0; stage < s.stages; ++stage) {
      w.beginBarrier(full(w.i32(stage)), copiers);
      w.beginBarrier(empty(w.i32(stage)), s.warpRows);
    }
    w.showBarriers();
  });
  w.barrier();
}

StageRing::Slot StageRing::next(Slot slot) {
  Value moved = w.add(slot.stage, 1);
  Value wraps = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::eq, moved, w.i32(s.stages));
  return {w.select(wraps, w.i32(0), moved), w.bitXor(slot.phase, w.select(wraps, w.i32(1), w.i32(0)))};
}

StageRing::Values StageRing::forTiles(ValueRange init, llvm::function_ref<Values(Index, Index, ValueRange)> body) {
  Index tiles = b.dim(tilesOf(p, s)), blocks = b.tasks();
  auto one = [&](Index number, ValueRange carried) {
    Index tile = s.splits > 1 ? number : tileInOrder(b, number, tiles);
    return body(b.mul(b.div(tile, tilesAcross()), s.tileRows), firstColumnOf(tile), carried);
  };
  if (s.splits > 1)
    return one(b.div(b.task(), s.splits), init);
  bool isOne = !tiles.isConstant() || !blocks.isConstant() || tiles.get() <= blocks.get();
  return isOne ? one(b.task(), init) : b.loop(b.task(), tiles, blocks.get(), init, one);
}

StageRing::Values StageRing::multiply(ValueRange slot, int64_t count, Value lane, llvm::function_ref<void(Slot, MutableArrayRef<Value>)> step) {
  Values init(slot);
  init.append(count, b.constant(0, p.sum()));
  return b.loop(0, steps(), 1, init, [&](Index, ValueRange carried) {
    Values values(carried);
    Slot from{values[0], values[1]};
    w.waitForPhase(full(from.stage), from.phase);
    step(from, MutableArrayRef(values).drop_front(2));
    b.ifThen(w.below(lane, w.i32(1)), [&] { w.arrive(empty(from.stage)); });
    from = next(from);
    values[0] = from.stage;
    values[1] = from.phase;
    return values;
  });
}

} // namespace tenon::gpu
