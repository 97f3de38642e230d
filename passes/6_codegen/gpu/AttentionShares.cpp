// Attention of few rows and up to 256 keys: the warps of a block share the keys of the same 16 rows.
//
// Each warp copies its keys and values to memory of its own, all at once, and waits for nobody else until it has its sums: registers hold none of
// what is on its way.
#include "passes/6_codegen/gpu/AttentionStages.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
class SharesEmitter : AttentionStages {
public:
  SharesEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) : AttentionStages(b, problem, tile) {}

  void emit() {
    Value warp = w.div(thread, 32), shared = w.shared(), own = w.add(shared, w.mul(warp, t.shareBytes())), values = w.add(own, t.keys * t.depth * 2);
    bool isWhole = knownKeys % t.keys == 0;
    begin(w.i32(0));
    Index first = b.mul(w.wide(warp), t.keys);
    Copiers copiers{lane, 32};
    copyKeys(first, t.keys, isWhole, own, copiers);
    w.commit();
    copyValues(first, t.keys, isWhole, values, copiers);
    w.commit();
    loadQueries();
    Values state = beginState();
    waitForOwn(1);
    SmallVector<Value> weights = logitsOf(own, first, t.keys / 8, !isWhole || p.op.getCausal());
    weigh(weights, state, logitFactor());
    waitForOwn(0);
    addValues(values, weights, state);
    w.joinWarp(); // all of it has read what its sums take the place of
    writeState(own, state);
    w.barrier();
    for (int64_t at = 0, units = kRows * chunksOfTask(); at < units; at += t.threads()) {
      Value unit = w.add(thread, at);
      auto finish = [&] { finishShares(unit, shared, t.shareBytes()); };
      at + t.threads() <= units ? finish() : b.ifThen(w.below(unit, w.i32(units)), finish);
    }
  }

private:
  /// Until at most so many groups of this thread's copies, and of those of its warp, are under way.
  void waitForOwn(int groups) {
    w.waitFor(groups);
    w.joinWarp();
  }

  void writeState(Value at, ArrayRef<Value> state) {
    auto pair = [&](Value first, Value second) -> Value {
      return vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{first, second});
    };
    for (int64_t half = 0; half < 2; ++half) {
      Value own = w.add(group, half * 8), sum = exchanged(state[2 + half], [&](Value x, Value y) { return add(x, y); });
      Value highest = logitFactor() == 1 ? state[half] : mul(state[half], b.constant(logitFactor(), f32));
      b.ifThen(w.below(quad, w.i32(1)), [&] { w.store(w.add(at, w.add(w.mul(own, 8), t.sumsBytes())), pair(highest, sum)); });
      Value to = w.add(at, w.mul(w.add(w.mul(own, t.pitch()), w.mul(quad, 2)), 4));
      for (int64_t c = 0; c < columnTiles; ++c)
        w.store(w.add(to, c * 8 * 4), pair(state[4 + c * 4 + half * 2], state[4 + c * 4 + half * 2 + 1]));
    }
  }
};
} // namespace

void emitAttentionShares(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) {
  SharesEmitter(b, problem, tile).emit();
}

} // namespace tenon::gpu
