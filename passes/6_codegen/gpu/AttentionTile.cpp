// Online softmax over blocks of keys (Dao et al., FlashAttention) with operands that go from memory to registers.
//
// The order of the depth is free, and so is that of the columns of a value. With the orders below each thread reads 16 neighbouring bytes of a query,
// key or value at a time, and the weights of one product are the left operand of the next as they lie in its registers.
#include "passes/6_codegen/gpu/AttentionTile.h"
#include "passes/6_codegen/gpu/AttentionWarp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
class TileEmitter : AttentionWarp {
public:
  TileEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) : AttentionWarp(b, problem, tile) {}

  void emit() {
    Value rowGroup = w.div(thread, t.groupThreads());
    warp = w.div(w.rem(thread, t.groupThreads()), 32);
    shared = w.add(w.shared(), w.mul(rowGroup, t.groupBytes()));
    begin(w.mul(rowGroup, kRows));
    if (!isWide)
      loadQueries();
    Index end = seen(b.min(b.add(firstRow, kRows - 1), b.sub(rows, 1)));
    Values state = b.loop(b.mul(w.wide(warp), t.keys), end, t.keys * t.warps, beginState(),
                          [&](Index first, ValueRange carried) { return step(first, Values(carried)); });
    writeState(state);
    w.barrier();
    for (int64_t first = 0, units = kRows * chunksOfTask(); first < units; first += t.groupThreads()) {
      Value unit = w.add(w.rem(thread, t.groupThreads()), first);
      first + t.groupThreads() <= units ? finishShares(unit, shared, t.warpBytes())
                                        : b.ifThen(w.below(unit, w.i32(units)), [&] { finishShares(unit, shared, t.warpBytes()); });
    }
  }

private:
  Value word(Value first, Value second) { // of two elements
    Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, first.getType()), ValueRange{first, second});
    return LLVM::BitcastOp::create(ops, ops.getI32Type(), pair);
  }

  /// The logit of row `at` and key `ofKey`: -inf where the row does not see the key.
  Value logitAt(Value score, Index at, Index ofKey) {
    Value x = logit(score, mask.base ? maskAt(at, ofKey) : Value());
    return arith::SelectOp::create(ops, b.lessThan(ofKey, seen(at)), x, hidden());
  }

  /// The next keys.
  Values step(Index first, Values state) {
    Index last = b.sub(keys, 1);
    int64_t keyTiles = t.keys / 8;
    SmallVector<SmallVector<Value>> keyWords(keyTiles);
    for (int64_t n = 0; n < keyTiles; ++n)
      for (int64_t step = 0; step < depthSteps(); ++step)
        keyWords[n].push_back(words(key, {batch, keyHead, b.min(b.add(first, w.wide(w.add(group, n * 8))), last)}, step));
    SmallVector<Value> valueRows;
    for (int64_t n = 0; n < keyTiles; ++n)
      for (int64_t offset : {0, 1})
        valueRows.push_back(valueRow(b.min(b.add(first, w.wide(w.add(w.mul(quad, 2), n * 8 + offset))), last)));

    SmallVector<Value> scores = isWide ? scoresOfWide(keyWords) : SmallVector<Value>(keyTiles * 4, b.constant(0, f32)), logits;
    for (int64_t n = 0; n < keyTiles; ++n) {
      if (!isWide)
        multiplyKeys(keyWords[n], MutableArrayRef(scores).slice(n * 4, 4));
      for (int64_t e = 0; e < 4; ++e)
        logits.push_back(logitAt(scores[n * 4 + e], row[e / 2], b.add(first, w.wide(w.add(w.mul(quad, 2), n * 8 + e % 2)))));
    }
    weigh(logits, state);
    factors == Factors::TF32 ? addFull(logits, valueRows, state) : addHalves(logits, valueRows, state);
    return state;
  }

  /// Of queries that registers have no room for: each step of the depth is read again, from the first-level cache.
  SmallVector<Value> scoresOfWide(ArrayRef<SmallVector<Value>> keyWords) {
    SmallVector<Value> scores(keyWords.size() * 4, b.constant(0, f32));
    for (int64_t step = 0; step < depthSteps(); ++step) {
      StepFactors own = queriesOf(step, queryWords(0, step), queryWords(1, step));
      for (auto [n, ofTile] : llvm::enumerate(keyWords))
        multiplyKeys(own, ofTile[step], MutableArrayRef(scores).slice(n * 4, 4));
    }
    return scores;
  }

  /// By an instruction that stays in the loop, where alignment allows it.
  Value queryWords(int64_t half, int64_t step) {
    int64_t lanes = lanesOf(step), first = step * depthStep();
    Index column = b.add(b.mul(w.wide(quad), lanes), first), offset = b.at(query, {batch, head, row[half], column});
    if (p.depth % lanes || b.divisorOf(offset) % lanes || query.alignment % kChunkBytes)
      return words(query, {batch, head, row[half]}, step);
    auto type = VectorType::get({isHalfStep(step) ? 2 : 4}, ops.getI32Type());
    return w.loadIf(b.lessThan(column, p.depth), b.address(query, offset), type);
  }

  /// Sums of values += weights times values, of 16 keys at a time.
  void addHalves(ArrayRef<Value> logits, ArrayRef<Value> valueRows, MutableArrayRef<Value> state) {
    for (int64_t k = 0; k < t.keys / 16; ++k) {
      auto weight = [&](int64_t n, int64_t e) { return rounded(logits[(2 * k + n) * 4 + e], logits[(2 * k + n) * 4 + e + 1]); };
      Factor left = factor({weight(0, 0), weight(0, 2), weight(1, 0), weight(1, 2)});
      for (int64_t c = 0; c < columnTiles; ++c) {
        auto element = [&](int64_t i) { return b.extractLane(valueRows[4 * k + i], c); };
        multiply(left, factor({word(element(0), element(1)), word(element(2), element(3))}), state.slice(4 + c * 4, 4));
      }
    }
  }

  /// The same of eight f32: a thread's two neighbouring keys are the four threads' first and second ones.
  void addFull(ArrayRef<Value> logits, ArrayRef<Value> valueRows, MutableArrayRef<Value> state) {
    auto bits = [&](Value x) -> Value { return LLVM::BitcastOp::create(ops, ops.getI32Type(), x); };
    for (int64_t n = 0; n < t.keys / 8; ++n) {
      auto weight = [&](int64_t e) { return bits(logits[n * 4 + e]); };
      Factor left = factor({weight(0), weight(2), weight(1), weight(3)});
      for (int64_t c = 0; c < columnTiles; ++c) {
        auto element = [&](int64_t i) { return bits(b.extractLane(valueRows[2 * n + i], c)); };
        multiply(left, factor({element(0), element(1)}), state.slice(4 + c * 4, 4));
      }
    }
  }

  /// This thread's columns of a value: one of every column tile.
  Value valueRow(Index at) {
    Index column = b.add(firstColumn, b.mul(w.wide(group), columnTiles));
    if (t.passes * t.width == p.width)
      return b.load(value, b.at(value, {batch, keyHead, at, column}), int(columnTiles));
    SmallVector<Value> all;
    for (int64_t c = 0; c < columnTiles; c += kColumns) {
      Value few = columnsOf(value, {batch, keyHead, at}, b.add(column, c), kColumns, p.width, /*isWhole=*/false);
      for (int64_t i = 0; i < kColumns; ++i)
        all.push_back(b.extractLane(few, int(i)));
    }
    return vector::FromElementsOp::create(ops, VectorType::get({columnTiles}, value.element), all);
  }

  void writeState(ArrayRef<Value> state) {
    Value base = w.add(shared, w.mul(warp, t.warpBytes()));
    for (int64_t half = 0; half < 2; ++half) {
      Value own = w.add(group, half * 8), sum = exchanged(state[2 + half], [&](Value x, Value y) { return add(x, y); });
      Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{state[half], sum});
      b.ifThen(w.below(quad, w.i32(1)), [&] { w.store(w.add(base, w.add(w.mul(own, 8), t.sumsBytes())), pair); });
      for (int64_t e = 0; e < 2; ++e) { // of its columns this thread has those of two groups, in a row each
        Value column = w.mul(w.add(w.mul(quad, 2), e), columnTiles);
        Value at = w.add(base, w.mul(w.add(w.mul(own, t.pitch()), column), 4));
        for (int64_t c = 0; c < columnTiles; c += kColumns) {
          auto sumOf = [&](int64_t i) { return state[4 + (c + i) * 4 + half * 2 + e]; };
          Value four = vector::FromElementsOp::create(ops, VectorType::get({4}, f32), ValueRange{sumOf(0), sumOf(1), sumOf(2), sumOf(3)});
          w.store(w.add(at, c * 4), four);
        }
      }
    }
  }

  static constexpr int64_t kColumns = 4, kMostDepth = 128, kChunkBytes = 16; // kColumns: neighbours of a thread; a tile's are multiples of them
  const bool isWide = p.depth > kMostDepth;
  Value warp, shared;
};
} // namespace

void emitAttentionTile(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) {
  TileEmitter(b, problem, tile).emit();
}

} // namespace tenon::gpu
