#include "passes/6_codegen/gpu/AttentionWarp.h"
#include "dialects/kernel/ProductMarks.h"
#include <limits>

namespace tenon::gpu {
using namespace mlir;

static Factors factorsOf(Type element) {
  return element.isF32() ? Factors::TF32 : isa<BFloat16Type>(element) ? Factors::BF16 : Factors::F16;
}

AttentionWarp::AttentionWarp(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile)
    : b(b), w(b), ops(b.ops()), p(problem), t(tile), query(b.tensorOf(p.op.getQuery())), key(b.tensorOf(p.op.getKey())),
      value(b.tensorOf(p.op.getValue())), result(b.result(0)), f32(b.ops().getF32Type()), factors(factorsOf(query.element)),
      inParts(factors == Factors::TF32 && !p.op->hasAttr(kernel::kTf32Attr)), chunk(factors == Factors::TF32 ? kChunk / 2 : kChunk),
      columnTiles(p.width / 8) {
  if (p.op.getMask())
    mask = b.tensorOf(p.op.getMask());
  result.strides.clear();
  for (nn::Dim stride : p.stores)
    result.strides.push_back(b.dim(stride));
  thread = w.thread();
  lane = w.rem(thread, 32);
  group = w.div(lane, kQuad);
  quad = w.rem(lane, kQuad);
}

void AttentionWarp::begin(Value firstOfWarp) {
  rows = b.dim(p.rows), keys = b.dim(p.keys);
  Index tiles = b.dim(p.rows.ceilDiv(t.rows())), heads = b.dim(p.heads);
  firstRow = b.add(b.mul(b.rem(b.task(), tiles), t.rows()), w.wide(firstOfWarp));
  Index rest = b.div(b.task(), tiles);
  head = b.rem(rest, heads);
  batch = b.div(rest, heads);
  keyHead = b.div(head, b.dim(p.headsPerKey));
  for (int64_t half = 0; half < 2; ++half)
    row[half] = b.min(b.add(firstRow, w.wide(w.add(group, half * 8))), b.sub(rows, 1));
}

void AttentionWarp::loadQueries() {
  SmallVector<Value> chunks[2];
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t d = 0; d < p.depth; d += depthStep())
      chunks[half].push_back(words(query, {batch, head, row[half], chunkOf(d)}));
  for (auto [upper, lower] : llvm::zip_equal(chunks[0], chunks[1]))
    for (int product : {0, 1}) { // of two words of each row
      auto of = [&, product = product](Value four, int word) { return b.extractLane(four, 2 * product + word); };
      queries.push_back(factor({of(upper, 0), of(lower, 0), of(upper, 1), of(lower, 1)}));
    }
}

Value AttentionWarp::words(const Tensor &from, ArrayRef<Index> position) {
  return LLVM::BitcastOp::create(ops, VectorType::get({4}, ops.getI32Type()), b.load(from, b.at(from, position), int(chunk)));
}

Value AttentionWarp::rounded(Value first, Value second) {
  Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{first, second});
  return LLVM::BitcastOp::create(ops, ops.getI32Type(), arith::TruncFOp::create(ops, VectorType::get({2}, query.element), pair));
}

Value AttentionWarp::exchanged(Value x, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t distance = 1; distance < kQuad; distance *= 2)
    x = combine(x, w.exchange(x, distance));
  return x;
}

Value AttentionWarp::hidden() {
  return b.constant(-std::numeric_limits<double>::infinity(), f32);
}

AttentionWarp::Factor AttentionWarp::factor(Warp::Fragment words) {
  if (inParts) {
    Warp::Fragment rest = w.splitFull(words);
    return {words, rest};
  }
  return {factors == Factors::TF32 ? w.roundFull(words) : words, {}};
}

void AttentionWarp::multiply(const Factor &left, const Factor &right, MutableArrayRef<Value> sums) {
  if (inParts) {
    w.multiply(factors, left.rest, right.leading, sums);
    w.multiply(factors, left.leading, right.rest, sums);
  }
  w.multiply(factors, left.leading, right.leading, sums);
}

void AttentionWarp::multiplyKeys(ArrayRef<Value> chunks, MutableArrayRef<Value> scores) {
  for (size_t i = 0; i < queries.size(); ++i) {
    auto of = [&](int64_t word) { return b.extractLane(chunks[i / 2], int(2 * (i % 2) + word)); };
    multiply(queries[i], factor({of(0), of(1)}), scores);
  }
}

bool AttentionWarp::isMaskOfRows() const {
  return mask.base && mask.rank() > 1 && !mask.sizes[mask.rank() - 2].is(1);
}

Value AttentionWarp::maskAt(Index at, Index ofKey, int lanes) {
  Index position[] = {batch, head, at, lanes > 1 ? ofKey : b.min(ofKey, b.sub(keys, 1))};
  SmallVector<Index> where;
  for (int axis = 0; axis < mask.rank(); ++axis) {
    Index own = position[4 - mask.rank() + axis];
    where.push_back(mask.sizes[axis].isConstant() ? (mask.sizes[axis].is(1) ? Index(0) : own)
                                                  : b.select(b.equal(mask.sizes[axis], 1), Index(0), own));
  }
  Index offset = b.at(mask, where);
  return lanes > 1 ? b.load(mask, offset, lanes) : b.load(mask, offset);
}

Value AttentionWarp::logit(Value score, Value ofMask) {
  if (!ofMask)
    return mul(score, b.constant(logitScale(), f32));
  if (ofMask.getType().isInteger(1))
    return arith::SelectOp::create(ops, ofMask, mul(score, b.constant(logitScale(), f32)), hidden());
  return b.fma(score, b.constant(logitScale(), f32), mul(b.convert(ofMask, f32), b.constant(kLog2E, f32)));
}

KernelBuilder::Values AttentionWarp::beginState() {
  Values state(2, b.constant(std::numeric_limits<float>::lowest(), f32));
  state.append(2 + columnTiles * 4, b.constant(0, f32));
  return state;
}

void AttentionWarp::weigh(MutableArrayRef<Value> logits, MutableArrayRef<Value> state, double factor) {
  int64_t tiles = int64_t(logits.size()) / 4;
  Value times = b.constant(factor, f32);
  auto scaled = [&](Value x) { return factor == 1 ? x : mul(x, times); };
  for (int64_t half = 0; half < 2; ++half) {
    Value highest = logits[half * 2];
    for (int64_t n = 0; n < tiles; ++n)
      for (int64_t e = half * 2; e < half * 2 + 2; ++e)
        highest = larger(highest, logits[n * 4 + e]);
    highest = larger(state[half], exchanged(highest, [&](Value x, Value y) { return larger(x, y); }));
    Value correction = w.exp2(scaled(arith::SubFOp::create(ops, state[half], highest)));
    Value least = scaled(arith::NegFOp::create(ops, highest));
    state[half] = highest;
    state[2 + half] = mul(state[2 + half], correction);
    for (int64_t n = 0; n < tiles; ++n)
      for (int64_t e = half * 2; e < half * 2 + 2; ++e) {
        Value &weight = logits[n * 4 + e];
        weight = w.exp2(factor == 1 ? add(weight, least) : b.fma(weight, times, least));
        state[2 + half] = add(state[2 + half], weight);
      }
    for (int64_t c = 0; c < columnTiles; ++c)
      for (int64_t e = half * 2; e < half * 2 + 2; ++e)
        state[4 + c * 4 + e] = mul(state[4 + c * 4 + e], correction);
  }
}

Value AttentionWarp::normalizer(Value total) {
  Value scale = arith::DivFOp::create(ops, b.constant(1, f32), total);
  if (!p.op.getSafe())
    return scale;
  Value zero = b.constant(0, f32);
  return arith::SelectOp::create(ops, arith::CmpFOp::create(ops, arith::CmpFPredicate::OEQ, total, zero), zero, scale);
}

void AttentionWarp::finishShares(Value unit, Value shared, int64_t distance) {
  int64_t chunks = p.width / kChunk;
  Value own = w.div(unit, chunks), column = w.mul(w.rem(unit, chunks), kChunk);
  SmallVector<Value> highest, weights;
  for (int64_t i = 0; i < t.warps; ++i) {
    auto [high, sum] = w.loadPair(w.add(w.add(shared, w.mul(own, 8)), i * distance + t.sumsBytes()));
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
    Value at = w.add(w.add(shared, w.mul(w.add(w.mul(own, t.pitch()), column), 4)), i * distance);
    for (int64_t part = 0; part < 2; ++part) {
      Value scaled = mul(w.loadFloats(w.add(at, part * 16)), b.splat(factor, 4));
      parts[part] = parts[part] ? add(parts[part], scaled) : scaled;
    }
  }
  Value scale = normalizer(total);
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, kChunk));
  Value all = mul(vector::ShuffleOp::create(ops, parts[0], parts[1], order), b.splat(scale, kChunk));
  Index at = b.add(firstRow, w.wide(own));
  b.ifThen(b.lessThan(at, rows), [&] {
    Index from = b.mul(b.div(w.wide(column), kChunk), kChunk);
    b.store(b.convert(all, result.element), result, b.at(result, {batch, head, at, from}));
  });
}

} // namespace tenon::gpu
