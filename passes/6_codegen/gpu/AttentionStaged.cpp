// Attention whose keys and values pass through shared memory: for so many rows that every multiprocessor is busy.
//
// Each warp of a block has 16 query rows of its own and goes through all keys, 64 at a time. All threads copy the blocks to come while one is multiplied;
// where there is room for all of them nothing is copied later. Keys are read in the order that queries have in registers, values as ldmatrix transposes
// them; both lie in shared memory so that no two chunks which are read at once share a bank.
#include "passes/6_codegen/gpu/AttentionTile.h"
#include "passes/6_codegen/gpu/AttentionWarp.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kBlockKeys = AttentionTile::kBlockKeys, kChunkBytes = 16, kFragmentKeys = 16;

class StagedEmitter : AttentionWarp {
public:
  StagedEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile)
      : AttentionWarp(b, problem, tile), knownKeys(*problem.keys.asConstant()), blocks(llvm::divideCeil(knownKeys, kBlockKeys)),
        ahead(tile.slots >= blocks ? blocks : tile.slots - 1), isPlain(!mask.base && !p.op.getCausal() && logitScale() > 0) {}

  void emit() {
    shared = w.shared();
    warp = w.div(thread, 32);
    begin(w.mul(warp, kRows));
    for (int64_t block = 0; block < ahead; ++block) {
      copyBlock(block * kBlockKeys, w.i32(block * t.slotBytes()));
      w.commit();
    }
    loadQueries();
    Values state{w.i32(0), w.i32(ahead * t.slotBytes())}; // where the block lies, and where the next copy goes
    state.append(beginState());
    state = b.loop(0, wholeBlocks(), 1, state, [&](Index number, ValueRange carried) {
      Values values(carried);
      step(number, kBlockKeys, p.op.getCausal(), values);
      return values;
    });
    if (int64_t rest = knownKeys % kBlockKeys; rest && !p.op.getCausal())
      step(blocks - 1, int64_t(llvm::alignTo(rest, kFragmentKeys)), /*isLimited=*/rest % kFragmentKeys != 0, state);
    w.waitFor(0);
    w.barrier(); // the copies' memory is free
    finish(ArrayRef(state).drop_front(2));
  }

private:
  /// Blocks of keys that are all there; with `causal`, those that some row of the block sees.
  Index wholeBlocks() {
    if (!p.op.getCausal())
      return knownKeys / kBlockKeys;
    Index first = b.mul(b.rem(b.task(), b.dim(p.rows.ceilDiv(t.rows()))), t.rows());
    Index end = seen(b.min(b.add(first, t.rows() - 1), b.sub(rows, 1)));
    return b.div(b.add(end, kBlockKeys - 1), kBlockKeys);
  }

  // --- copies

  /// Where a chunk of a row of keys lies among those of the row. Eight threads read four chunks of two rows.
  Value keyChunk(Value chunk, Value ofRow) {
    return p.depth * 2 % 128 ? chunk : w.bitXor(chunk, w.mul(w.rem(ofRow, 2), kQuad));
  }
  /// The same of values: eight threads read one chunk of eight rows.
  Value valueChunk(Value chunk, Value ofRow) { return w.bitXor(chunk, valueSwizzle(ofRow)); }
  Value valueSwizzle(Value ofRow) { return p.width * 2 % 128 ? w.rem(w.div(ofRow, 2), 4) : w.rem(ofRow, 8); }

  /// Starts to copy the keys and values of a block; zeros where there are none any more.
  void copyBlock(Index first, Value slot) {
    Value to = w.add(shared, slot);
    copyRows(key, p.depth, first, to, [&](Value chunk, Value ofRow) { return keyChunk(chunk, ofRow); });
    copyRows(value, p.width, first, w.add(to, t.keyBytes()), [&](Value chunk, Value ofRow) { return valueChunk(chunk, ofRow); });
  }

  void copyRows(const Tensor &from, int64_t columns, Index first, Value to, function_ref<Value(Value, Value)> place) {
    int64_t chunks = columns / kChunk, units = kBlockKeys * chunks;
    for (int64_t at = 0; at < units; at += t.threads()) {
      Value unit = w.add(thread, at);
      where(b, withinTile(w, unit, at, t.threads(), units), [&] {
        Value ofRow = w.div(unit, chunks), chunk = w.rem(unit, chunks);
        Value target = w.add(to, w.add(w.mul(ofRow, columns * 2), w.mul(place(chunk, ofRow), kChunkBytes)));
        Index own = b.add(first, w.wide(ofRow));
        bool isWhole = knownKeys % kBlockKeys == 0;
        Value inside = isWhole ? Value() : b.lessThan(own, keys);
        Index offset = b.at(from, {batch, keyHead, isWhole ? own : b.select(inside, own, Index(0)), b.mul(w.wide(chunk), kChunk)});
        copyChunk(from, offset, inside, target);
      });
    }
  }

  void copyChunk(const Tensor &from, Index offset, Value inside, Value target) {
    bool isAligned = from.alignment % kChunkBytes == 0 && b.divisorOf(offset) % kChunk == 0;
    if (isAligned)
      return w.copyAsync(target, b.address(from, offset), inside ? w.select(inside, w.i32(kChunkBytes), w.i32(0)) : w.i32(kChunkBytes));
    Value loaded = b.load(from, offset, kChunk);
    w.store(target, inside ? arith::SelectOp::create(ops, inside, loaded, b.constant(0, loaded.getType())).getResult() : loaded);
  }

  // --- products

  /// The next `count` keys.
  void step(Index number, int64_t count, bool isLimited, Values &values) {
    w.waitFor(int(ahead) - 1);
    w.barrier();
    if (ahead < blocks) {
      Index coming = b.add(number, ahead);
      b.ifThen(b.lessThan(coming, blocks), [&] { copyBlock(b.mul(coming, kBlockKeys), values[1]); });
    }
    w.commit(); // a group for each block, so that the same number is waited for
    multiplyBlock(w.add(shared, values[0]), b.mul(number, kBlockKeys), count / 8, isLimited, MutableArrayRef(values).drop_front(2));
    values[0] = next(values[0]);
    values[1] = next(values[1]);
  }

  Value next(Value slot) {
    Value moved = w.add(slot, t.slotBytes());
    Value wraps = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, moved, w.i32(t.slots * t.slotBytes()));
    return w.select(wraps, w.i32(0), moved);
  }

  void multiplyBlock(Value at, Index first, int64_t tiles, bool isLimited, MutableArrayRef<Value> state) {
    SmallVector<Value> logits;
    Value own = w.add(at, w.add(w.mul(group, p.depth * 2), w.mul(quad, kChunkBytes))), odd = w.mul(w.rem(group, 2), kQuad * kChunkBytes);
    for (int64_t n = 0; n < tiles; ++n) {
      SmallVector<Value> scores(4, b.constant(0, f32)), chunks, masks = masksOf(first, n, isLimited);
      for (int64_t d = 0; d < p.depth; d += depthStep()) {
        Value chunk = p.depth * 2 % 128 ? w.i32(d * 2) : w.bitXor(w.i32(d * 2), odd);
        Value loaded = w.loadFloats(w.add(w.add(own, chunk), n * 8 * p.depth * 2));
        chunks.push_back(LLVM::BitcastOp::create(ops, VectorType::get({4}, ops.getI32Type()), loaded));
      }
      multiplyKeys(chunks, scores);
      for (int64_t e = 0; e < 4; ++e) {
        Value x = isPlain ? scores[e] : logit(scores[e], mask.base ? masks[e] : Value());
        logits.push_back(isLimited ? limited(x, row[e / 2], keyOf(first, n, e)) : x);
      }
    }
    weigh(logits, state, isPlain ? logitScale() : 1);
    addValues(w.add(at, t.keyBytes()), logits, state);
  }

  Index keyOf(Index first, int64_t tile, int64_t e) { return b.add(b.add(b.add(first, b.mul(w.wide(quad), 2)), tile * 8), e % 2); }
  Value limited(Value x, Index ofRow, Index ofKey) { return arith::SelectOp::create(ops, b.lessThan(ofKey, seen(ofRow)), x, hidden()); }

  /// What the mask has for each element of a fragment.
  SmallVector<Value> masksOf(Index first, int64_t tile, bool isLimited) {
    SmallVector<Value> masks;
    if (!mask.base)
      return masks;
    const Index &across = mask.sizes.back();
    bool isPair = !isLimited && across.isConstant() && !across.is(1) && mask.strides.back().is(1);
    for (int64_t half = 0; half < 2; ++half) {
      if (half && !isMaskOfRows()) {
        masks.append({masks[0], masks[1]});
        break;
      }
      Value pair = isPair ? maskAt(row[half], keyOf(first, tile, 0), 2) : Value();
      for (int64_t e = 0; e < 2; ++e)
        masks.push_back(isPair ? b.extractLane(pair, int(e)) : maskAt(row[half], keyOf(first, tile, e)));
    }
    return masks;
  }

  /// Sums of values += weights times values.
  void addValues(Value at, ArrayRef<Value> weights, MutableArrayRef<Value> state) {
    Value matrix = w.div(lane, 8), own = w.add(w.mul(w.rem(matrix, 2), 8), w.rem(lane, 8));
    Value chunk = w.mul(w.bitXor(w.div(matrix, 2), valueSwizzle(own)), kChunkBytes);
    Value from = w.add(at, w.mul(own, p.width * 2));
    for (int64_t k = 0; k < int64_t(weights.size()) / 8; ++k) {
      auto pair = [&](int64_t i) { return rounded(weights[k * 8 + i], weights[k * 8 + i + 1]); };
      Factor left = factor({pair(0), pair(2), pair(4), pair(6)});
      for (int64_t c = 0; c < columnTiles; c += 2) {
        Value address = w.add(w.add(from, w.bitXor(w.i32(c * kChunkBytes), chunk)), k * kFragmentKeys * p.width * 2);
        Warp::Fragment right = w.loadMatrices(address, /*transposed=*/true);
        for (int64_t i = 0; i < 2; ++i)
          multiply(left, factor({right[2 * i], right[2 * i + 1]}), state.slice(4 + (c + i) * 4, 4));
      }
    }
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
    int64_t chunks = p.width / kChunk;
    for (int64_t first = 0; first < kRows * chunks; first += 32) {
      Value unit = w.add(lane, first), ofRow = w.div(unit, chunks), chunk = w.rem(unit, chunks);
      Value loaded = w.loadFloats(w.add(own, w.add(w.mul(ofRow, t.resultPitch()), w.mul(chunk, kChunkBytes))));
      Index at = b.add(firstRow, w.wide(ofRow));
      b.ifThen(b.lessThan(at, rows), [&] {
        Value eight = LLVM::BitcastOp::create(ops, VectorType::get({kChunk}, result.element), loaded);
        b.store(eight, result, b.at(result, {batch, head, at, b.mul(w.wide(chunk), kChunk)}));
      });
    }
  }

  const int64_t knownKeys, blocks, ahead; // blocks that are copied before the one that is multiplied
  const bool isPlain;                     // logits are scores times a positive number: their order is known before that is multiplied
  Value warp, shared;
};
} // namespace

void emitAttentionStaged(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) {
  StagedEmitter(b, problem, tile).emit();
}

} // namespace tenon::gpu
