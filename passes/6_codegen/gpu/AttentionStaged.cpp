// Attention whose keys and values pass through shared memory: for so many rows that every multiprocessor is busy.
//
// Each warp of a block has 16 query rows of its own and goes through all keys, 64 at a time, 32 of the widest. All threads copy the blocks to come
// while one is multiplied; where there is room for all of them nothing is copied later.
#include "passes/6_codegen/gpu/AttentionStages.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
class StagedEmitter : AttentionStages {
public:
  StagedEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile)
      : AttentionStages(b, problem, tile), blockKeys(tile.blockKeys()), blocks(llvm::divideCeil(knownKeys, blockKeys)),
        ahead(tile.slots >= blocks ? blocks : tile.slots - 1) {}

  void emit() {
    shared = w.shared();
    warp = w.div(thread, 32);
    begin(w.mul(warp, kRows));
    for (int64_t block = 0; block < ahead; ++block) {
      copyBlock(block * blockKeys, w.i32(block * t.slotBytes()));
      w.commit();
    }
    loadQueries();
    Values state{w.i32(0), w.i32(ahead * t.slotBytes())}; // where the block lies, and where the next copy goes
    state.append(beginState());
    state = b.loop(0, wholeBlocks(), 1, state, [&](Index number, ValueRange carried) {
      Values values(carried);
      step(number, blockKeys, p.op.getCausal(), values);
      return values;
    });
    if (int64_t rest = knownKeys % blockKeys; rest && !p.op.getCausal())
      step(blocks - 1, int64_t(llvm::alignTo(rest, kFragmentKeys)), /*isLimited=*/rest % kFragmentKeys != 0, state);
    w.waitFor(0);
    w.barrier(); // the copies' memory is free
    finish(ArrayRef(state).drop_front(2));
  }

private:
  /// Blocks of keys that are all there; with `causal`, those that some row of the block sees.
  Index wholeBlocks() {
    if (!p.op.getCausal())
      return knownKeys / blockKeys;
    Index first = b.mul(b.rem(b.task(), b.dim(p.rows.ceilDiv(t.rows()))), t.rows());
    Index end = seen(b.min(b.add(first, t.rows() - 1), b.sub(rows, 1)));
    return b.div(b.add(end, blockKeys - 1), blockKeys);
  }

  // --- copies

  /// Starts to copy the keys and values of a block.
  void copyBlock(Index first, Value slot) {
    Value to = w.add(shared, slot);
    Copiers all{thread, t.threads()};
    bool isWhole = knownKeys % blockKeys == 0;
    copyKeys(first, blockKeys, isWhole, to, all);
    copyValues(first, blockKeys, isWhole, w.add(to, t.keyBytes()), all);
  }

  // --- products

  /// The next `count` keys.
  void step(Index number, int64_t count, bool isLimited, Values &values) {
    w.waitFor(int(ahead) - 1);
    w.barrier();
    if (ahead < blocks) {
      Index coming = b.add(number, ahead);
      b.ifThen(b.lessThan(coming, blocks), [&] { copyBlock(b.mul(coming, blockKeys), values[1]); });
    }
    w.commit(); // a group for each block, so that the same number is waited for
    multiplyBlock(w.add(shared, values[0]), b.mul(number, blockKeys), count / 8, isLimited, MutableArrayRef(values).drop_front(2));
    values[0] = next(values[0]);
    values[1] = next(values[1]);
  }

  Value next(Value slot) {
    Value moved = w.add(slot, t.slotBytes());
    Value wraps = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, moved, w.i32(t.slots * t.slotBytes()));
    return w.select(wraps, w.i32(0), moved);
  }

  void multiplyBlock(Value at, Index first, int64_t tiles, bool isLimited, MutableArrayRef<Value> state) {
    SmallVector<Value> logits = logitsOf(at, first, tiles, isLimited);
    weigh(logits, state, logitFactor());
    addValues(w.add(at, t.keyBytes()), logits, state);
  }

  // --- the result

  /// Through the warp's own memory, so that neighbouring threads store neighbouring chunks.
  void finish(ArrayRef<Value> state) {
    Value own = w.add(shared, w.mul(warp, kRows * t.resultPitch()));
    for (int64_t half = 0; half < 2; ++half) {
      Value scale = normalizer(exchanged(state[2 + half], [&](Value x, Value y) { return add(x, y); }));
      Value at = w.add(own, w.add(w.mul(w.add(group, half * 8), t.resultPitch()), w.mul(quad, 4)));
      for (int64_t c = 0; c < columnTiles; ++c) {
        auto sum = [&](int64_t e) { return mul(state[4 + c * 4 + half * 2 + e], scale); };
        Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{sum(0), sum(1)});
        w.store(w.add(at, c * kChunkBytes), arith::TruncFOp::create(ops, VectorType::get({2}, result.element), pair));
      }
    }
    w.joinWarp();
    int64_t chunks = chunksOfTask();
    for (int64_t first = 0; first < kRows * chunks; first += 32) {
      Value unit = w.add(lane, first), ofRow = w.div(unit, chunks), chunk = w.rem(unit, chunks);
      Value loaded = w.loadFloats(w.add(own, w.add(w.mul(ofRow, t.resultPitch()), w.mul(chunk, kChunkBytes))));
      Index at = b.add(firstRow, w.wide(ofRow));
      Value inside = b.lessThan(at, rows);
      if (Value ofWarp = withinTile(w, unit, first, 32, kRows * chunks)) // what follows is the next warp's
        inside = arith::AndIOp::create(ops, inside, ofWarp);
      b.ifThen(inside, [&] {
        Value eight = LLVM::BitcastOp::create(ops, VectorType::get({kChunk}, result.element), loaded);
        storeChunk(eight, at, b.mul(w.wide(chunk), kChunk));
      });
    }
  }

  const int64_t blockKeys;     // of a block
  const int64_t blocks, ahead; // blocks that are copied before the one that is multiplied
  Value warp, shared;
};
} // namespace

void emitAttentionStaged(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) {
  StagedEmitter(b, problem, tile).emit();
}

} // namespace tenon::gpu
