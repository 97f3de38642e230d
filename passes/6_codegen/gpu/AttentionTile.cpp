// Online softmax over blocks of keys (Dao et al., FlashAttention) with operands that go from memory to registers.
//
// The order of the depth is free, and so is that of the columns of a value. With the orders below each thread reads 16 neighbouring bytes of a query,
// key or value at a time, and the weights of one product are the left operand of the next as they lie in its registers.
#include "passes/6_codegen/gpu/AttentionTile.h"
#include "passes/6_codegen/gpu/Warp.h"
#include <limits>

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kRows = AttentionTile::kRows, kKeys = AttentionTile::kKeys;
constexpr int64_t kChunk = 8, kQuad = 4; // elements of 16 bytes; threads that share a row of a fragment
constexpr int64_t kKeyTiles = kKeys / 8, kDepthStep = kChunk * kQuad;
constexpr double kLog2E = 1.4426950408889634;

class TileEmitter {
public:
  TileEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile)
      : b(b), w(b), ops(b.ops()), p(problem), t(tile), query(b.tensorOf(p.op.getQuery())), key(b.tensorOf(p.op.getKey())),
        value(b.tensorOf(p.op.getValue())), result(b.result(0)), f32(b.ops().getF32Type()), bfloat(isa<BFloat16Type>(query.element)),
        columnTiles(p.width / 8) {
    if (p.op.getMask())
      mask = b.tensorOf(p.op.getMask());
    result.strides.clear();
    for (nn::Dim stride : p.stores)
      result.strides.push_back(b.dim(stride));
  }

  void emit() {
    thread = w.thread();
    Value lane = w.rem(thread, 32);
    Value rowGroup = w.div(thread, t.groupThreads());
    warp = w.div(w.rem(thread, t.groupThreads()), 32), group = w.div(lane, kQuad), quad = w.rem(lane, kQuad);
    shared = w.add(w.shared(), w.mul(rowGroup, t.groupBytes()));
    rows = b.dim(p.rows), keys = b.dim(p.keys);
    Index tiles = b.dim(p.rows.ceilDiv(t.rows())), heads = b.dim(p.heads);
    firstRow = b.add(b.mul(b.rem(b.task(), tiles), t.rows()), w.wide(w.mul(rowGroup, kRows)));
    Index rest = b.div(b.task(), tiles);
    head = b.rem(rest, heads);
    batch = b.div(rest, heads);
    keyHead = b.div(head, b.dim(p.headsPerKey));
    for (int64_t half = 0; half < 2; ++half) {
      row[half] = b.min(b.add(firstRow, w.wide(w.add(group, half * 8))), b.sub(rows, 1));
      for (int64_t d = 0; d < p.depth; d += kDepthStep)
        queries[half].push_back(words(query, {batch, head, row[half], chunkOf(d)}));
    }
    Index end = seen(b.min(b.add(firstRow, kRows - 1), b.sub(rows, 1)));
    KernelBuilder::Values state(2, b.constant(std::numeric_limits<float>::lowest(), f32));
    state.append(2 + columnTiles * 4, b.constant(0, f32));
    state = b.loop(b.mul(w.wide(warp), kKeys), end, kKeys * t.warps, state,
                   [&](Index first, ValueRange carried) { return step(first, KernelBuilder::Values(carried)); });
    writeState(state);
    w.barrier();
    for (int64_t first = 0, units = kRows * p.width / kChunk; first < units; first += t.groupThreads()) {
      Value unit = w.add(w.rem(thread, t.groupThreads()), first);
      first + t.groupThreads() <= units ? finish(unit) : b.ifThen(w.below(unit, w.i32(units)), [&] { finish(unit); });
    }
  }

private:
  Index chunkOf(int64_t depth) { return b.add(b.mul(w.wide(quad), kChunk), depth); }

  /// Eight elements as four words.
  Value words(const Tensor &from, ArrayRef<Index> position) {
    return LLVM::BitcastOp::create(ops, VectorType::get({4}, ops.getI32Type()), b.load(from, b.at(from, position), kChunk));
  }
  Value word(Value first, Value second) { // of two elements
    Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, first.getType()), ValueRange{first, second});
    return LLVM::BitcastOp::create(ops, ops.getI32Type(), pair);
  }
  Value rounded(Value first, Value second) {
    Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{first, second});
    return LLVM::BitcastOp::create(ops, ops.getI32Type(), arith::TruncFOp::create(ops, VectorType::get({2}, query.element), pair));
  }
  Value exchanged(Value x, llvm::function_ref<Value(Value, Value)> combine) { // over the threads of a row
    for (int64_t distance = 1; distance < kQuad; distance *= 2)
      x = combine(x, w.exchange(x, distance));
    return x;
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(ops, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(ops, x, y); }
  Value larger(Value x, Value y) { return arith::MaxNumFOp::create(ops, x, y); }

  /// With `causal`, row i sees the keys up to i + T - S.
  Index seen(Index at) { return p.op.getCausal() ? b.max(b.min(b.add(b.sub(b.add(at, keys), rows), 1), keys), 0) : keys; }

  /// log2 of a weight before normalization: -inf where the row does not see the key.
  Value logit(Value score, Index at, Index ofKey) {
    double scale = p.op.getScale().convertToDouble();
    Value hidden = b.constant(-std::numeric_limits<double>::infinity(), f32), x;
    if (!mask.base || mask.element.isInteger(1)) {
      x = mul(score, b.constant(scale * kLog2E, f32));
    } else {
      Value added = b.convert(maskAt(at, ofKey), f32);
      x = mul(b.fma(score, b.constant(scale, f32), added), b.constant(kLog2E, f32));
    }
    if (mask.base && mask.element.isInteger(1))
      x = arith::SelectOp::create(ops, maskAt(at, ofKey), x, hidden);
    return arith::SelectOp::create(ops, b.lessThan(ofKey, seen(at)), x, hidden);
  }

  Value maskAt(Index at, Index ofKey) {
    Index position[] = {batch, head, at, b.min(ofKey, b.sub(keys, 1))};
    SmallVector<Index> where;
    for (int axis = 0; axis < mask.rank(); ++axis) {
      Index own = position[4 - mask.rank() + axis];
      where.push_back(mask.sizes[axis].isConstant() ? (mask.sizes[axis].is(1) ? Index(0) : own)
                                                    : b.select(b.equal(mask.sizes[axis], 1), Index(0), own));
    }
    return b.load(mask, b.at(mask, where));
  }

  /// The next keys. State: the largest logit so far of both rows, this thread's sums of their weights, sums of weighted values.
  KernelBuilder::Values step(Index first, KernelBuilder::Values state) {
    Index last = b.sub(keys, 1);
    SmallVector<SmallVector<Value>> keyWords(kKeyTiles);
    for (int64_t n = 0; n < kKeyTiles; ++n)
      for (int64_t d = 0; d < p.depth; d += kDepthStep)
        keyWords[n].push_back(words(key, {batch, keyHead, b.min(b.add(first, w.wide(w.add(group, n * 8))), last), chunkOf(d)}));
    SmallVector<Value> valueRows;
    for (int64_t k = 0; k < kKeys; k += 16)
      for (int64_t offset : {0, 1, 8, 9})
        valueRows.push_back(valueRow(b.min(b.add(first, w.wide(w.add(w.mul(quad, 2), k + offset))), last)));

    SmallVector<Value> logits;
    for (int64_t n = 0; n < kKeyTiles; ++n) {
      SmallVector<Value> scores(4, b.constant(0, f32));
      for (auto [d, chunk] : llvm::enumerate(keyWords[n]))
        for (int64_t product = 0; product < 2; ++product) {
          auto of = [&](Value four, int64_t i) { return b.extractLane(four, 2 * product + i); };
          w.multiply(bfloat, {of(queries[0][d], 0), of(queries[1][d], 0), of(queries[0][d], 1), of(queries[1][d], 1)}, {of(chunk, 0), of(chunk, 1)},
                     scores);
        }
      for (int64_t e = 0; e < 4; ++e)
        logits.push_back(logit(scores[e], row[e / 2], b.add(first, w.wide(w.add(w.mul(quad, 2), n * 8 + e % 2)))));
    }
    weigh(logits, state);
    for (int64_t k = 0; k < kKeys / 16; ++k) {
      auto weight = [&](int64_t n, int64_t e) { return rounded(logits[(2 * k + n) * 4 + e], logits[(2 * k + n) * 4 + e + 1]); };
      SmallVector<Value> left{weight(0, 0), weight(0, 2), weight(1, 0), weight(1, 2)};
      for (int64_t c = 0; c < columnTiles; ++c) {
        auto element = [&](int64_t i) { return b.extractLane(valueRows[4 * k + i], c); };
        w.multiply(bfloat, left, {word(element(0), element(1)), word(element(2), element(3))}, MutableArrayRef(state).slice(4 + c * 4, 4));
      }
    }
    return state;
  }

  /// This thread's columns of a value: one of every column tile.
  Value valueRow(Index at) { return b.load(value, b.at(value, {batch, keyHead, at, b.mul(w.wide(group), columnTiles)}), int(columnTiles)); }

  /// Logits become weights; what has been summed is scaled to the new largest logit.
  void weigh(MutableArrayRef<Value> logits, MutableArrayRef<Value> state) {
    for (int64_t half = 0; half < 2; ++half) {
      Value highest = logits[half * 2];
      for (int64_t n = 0; n < kKeyTiles; ++n)
        for (int64_t e = half * 2; e < half * 2 + 2; ++e)
          highest = larger(highest, logits[n * 4 + e]);
      highest = larger(state[half], exchanged(highest, [&](Value x, Value y) { return larger(x, y); }));
      Value correction = w.exp2(arith::SubFOp::create(ops, state[half], highest));
      state[half] = highest;
      state[2 + half] = mul(state[2 + half], correction);
      for (int64_t n = 0; n < kKeyTiles; ++n)
        for (int64_t e = half * 2; e < half * 2 + 2; ++e) {
          Value &weight = logits[n * 4 + e];
          weight = w.exp2(arith::SubFOp::create(ops, weight, highest));
          state[2 + half] = add(state[2 + half], weight);
        }
      for (int64_t c = 0; c < columnTiles; ++c)
        for (int64_t e = half * 2; e < half * 2 + 2; ++e)
          state[4 + c * 4 + e] = mul(state[4 + c * 4 + e], correction);
    }
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
        for (int64_t c = 0; c < columnTiles; c += 4) {
          auto sumOf = [&](int64_t i) { return state[4 + (c + i) * 4 + half * 2 + e]; };
          Value four = vector::FromElementsOp::create(ops, VectorType::get({4}, f32), ValueRange{sumOf(0), sumOf(1), sumOf(2), sumOf(3)});
          w.store(w.add(at, c * 4), four);
        }
      }
    }
  }

  /// Eight columns of a row, from the sums of all warps.
  void finish(Value unit) {
    int64_t chunks = p.width / kChunk;
    Value own = w.div(unit, chunks), column = w.mul(w.rem(unit, chunks), kChunk);
    SmallVector<Value> highest, weights;
    for (int64_t i = 0; i < t.warps; ++i) {
      auto [high, sum] = w.loadPair(w.add(w.add(shared, w.mul(own, 8)), i * t.warpBytes() + t.sumsBytes()));
      highest.push_back(high);
      weights.push_back(sum);
    }
    Value most = highest[0];
    for (Value each : ArrayRef(highest).drop_front())
      most = larger(most, each);
    Value total = b.constant(0, f32);
    Value parts[2];
    for (int64_t i = 0; i < t.warps; ++i) {
      Value factor = w.exp2(arith::SubFOp::create(ops, highest[i], most));
      total = b.fma(factor, weights[i], total);
      Value at = w.add(w.add(shared, w.mul(w.add(w.mul(own, t.pitch()), column), 4)), i * t.warpBytes());
      for (int64_t part = 0; part < 2; ++part) {
        Value scaled = mul(w.loadFloats(w.add(at, part * 16)), b.splat(factor, 4));
        parts[part] = parts[part] ? add(parts[part], scaled) : scaled;
      }
    }
    Value scale = arith::DivFOp::create(ops, b.constant(1, f32), total);
    if (p.op.getSafe()) {
      Value zero = b.constant(0, f32);
      scale = arith::SelectOp::create(ops, arith::CmpFOp::create(ops, arith::CmpFPredicate::OEQ, total, zero), zero, scale);
    }
    SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, kChunk));
    Value all = mul(vector::ShuffleOp::create(ops, parts[0], parts[1], order), b.splat(scale, kChunk));
    Index at = b.add(firstRow, w.wide(own));
    b.ifThen(b.lessThan(at, rows), [&] {
      Index from = b.mul(b.div(w.wide(column), kChunk), kChunk);
      b.store(b.convert(all, result.element), result, b.at(result, {batch, head, at, from}));
    });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  cpu::AttentionProblem p;
  const AttentionTile &t;
  Tensor query, key, value, mask, result;
  Type f32;
  bool bfloat;
  int64_t columnTiles; // of eight columns
  Value thread, warp, group, quad, shared;
  Index batch, head, keyHead, firstRow, rows, keys;
  Index row[2]; // of this thread's fragments
  SmallVector<Value> queries[2];
};
} // namespace

std::optional<AttentionTile> AttentionTile::of(const cpu::AttentionProblem &p, const Target &target) {
  constexpr int kFirstWithBFloat = 80;
  constexpr int64_t kStep = 32, kMost = 128;
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  nn::AttentionOp op = p.op;
  Type element = elementOf(op.getQuery());
  auto fits = [](int64_t size) { return size % kStep == 0 && size <= kMost; };
  if (target.computeCapability < kFirstWithBFloat || !isa<Float16Type, BFloat16Type>(element) || !fits(p.depth) || !fits(p.width))
    return std::nullopt;
  for (Value operand : {Value(op.getQuery()), Value(op.getKey()), Value(op.getValue())})
    if (kernel::View view = kernel::viewOf(operand); elementOf(operand) != element || (!view.strides.empty() && !view.strides.back().isConstant(1)))
      return std::nullopt;
  AttentionTile tile;
  tile.width = p.width;
  // So few keys are one step of each warp: their loads are all on their way at once.
  constexpr int64_t kMostTogether = 8;
  int64_t known = p.keys.asConstant().value_or(tile.warps * kKeys);
  if (known > tile.warps * kKeys && known <= kMostTogether * kKeys)
    tile.warps = kMostTogether;
  while (tile.warps > 1 && known <= (tile.warps / 2) * kKeys)
    tile.warps /= 2;
  // With so many rows every multiprocessor is busy without sharing.
  constexpr int64_t kMostRowWarps = 8, kBusyWarps = 8;
  int64_t tiles = p.rows.ceilDiv(kRows).asConstant().value_or(1), all = (p.batch * p.heads).asConstant().value_or(1) * tiles;
  if (tiles > 1 && all >= target.cores * kBusyWarps) {
    tile.warps = 1;
    tile.rowWarps = llvm::divideCeil(tiles, llvm::divideCeil(tiles, kMostRowWarps));
  }
  return tile;
}

void emitAttentionTile(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile) {
  TileEmitter(b, problem, tile).emit();
}

} // namespace tenon::gpu
