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
      columnTiles(tile.slots ? llvm::divideCeil(p.width, 8) : tile.width / 8) {
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
  if (t.passes > 1) {
    firstColumn = b.mul(b.rem(rest, t.passes), t.width);
    rest = b.div(rest, t.passes);
  }
  head = b.rem(rest, heads);
  batch = b.div(rest, heads);
  keyHead = b.div(head, b.dim(p.headsPerKey));
  for (int64_t half = 0; half < 2; ++half)
    row[half] = b.min(b.add(firstRow, w.wide(w.add(group, half * 8))), b.sub(rows, 1));
}

void AttentionWarp::loadQueries() {
  SmallVector<Value> chunks[2];
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t step = 0; step < depthSteps(); ++step)
      chunks[half].push_back(words(query, {batch, head, row[half]}, step));
  for (int64_t step = 0; step < depthSteps(); ++step)
    queries.push_back(queriesOf(step, chunks[0][step], chunks[1][step]));
}

AttentionWarp::StepFactors AttentionWarp::queriesOf(int64_t step, Value upper, Value lower) {
  StepFactors result;
  for (int product = 0; product < (isHalfStep(step) ? 1 : 2); ++product) { // of two words of each row
    auto of = [&](Value all, int word) { return b.extractLane(all, 2 * product + word); };
    result.push_back(factor({of(upper, 0), of(lower, 0), of(upper, 1), of(lower, 1)}));
  }
  return result;
}

Value AttentionWarp::words(const Tensor &from, ArrayRef<Index> row, int64_t step) {
  int64_t lanes = lanesOf(step), first = step * depthStep();
  Value loaded = columnsOf(from, row, b.add(b.mul(w.wide(quad), lanes), first), lanes, p.depth, first + lanes * kQuad <= p.depth);
  return LLVM::BitcastOp::create(ops, VectorType::get({isHalfStep(step) ? 2 : 4}, ops.getI32Type()), loaded);
}

Value AttentionWarp::columnsOf(const Tensor &from, ArrayRef<Index> row, Index column, int64_t lanes, int64_t columns, bool isWhole) {
  auto at = [&](Index own) {
    SmallVector<Index> position(row);
    position.push_back(own);
    return b.at(from, position);
  };
  if (isWhole)
    return b.load(from, at(column), int(lanes));
  auto orZero = [&](Index own, llvm::function_ref<Value(Index)> load) -> Value {
    Value inside = b.lessThan(own, columns), loaded = load(at(b.select(inside, own, Index(0))));
    return arith::SelectOp::create(ops, inside, loaded, b.constant(0, loaded.getType()));
  };
  if (columns % lanes == 0)
    return orZero(column, [&](Index offset) { return b.load(from, offset, int(lanes)); });
  SmallVector<Value> each;
  for (int64_t i = 0; i < lanes; ++i)
    each.push_back(orZero(b.add(column, i), [&](Index offset) { return b.load(from, offset); }));
  return vector::FromElementsOp::create(ops, VectorType::get({lanes}, each[0].getType()), each);
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

void AttentionWarp::multiplyKeys(ArrayRef<Factor> queries, Value words, MutableArrayRef<Value> scores) {
  for (auto [i, query] : llvm::enumerate(queries)) {
    auto of = [&, i = i](int word) { return b.extractLane(words, int(2 * i) + word); };
    multiply(query, factor({of(0), of(1)}), scores);
  }
}

void AttentionWarp::multiplyKeys(ArrayRef<Value> chunks, MutableArrayRef<Value> scores) {
  for (auto [query, words] : llvm::zip_equal(queries, chunks))
    multiplyKeys(query, words, scores);
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
  int64_t chunks = chunksOfTask();
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
    storeChunk(b.convert(all, result.element), at, b.add(firstColumn, from));
  });
}

void AttentionWarp::storeChunk(Value eight, Index ofRow, Index column) {
  auto at = [&](Index own) { return b.at(result, {batch, head, ofRow, own}); };
  if (isWholeChunks())
    return b.store(eight, result, at(column));
  if (p.width % kChunk == 0)
    return b.ifThen(b.lessThan(column, p.width), [&] { b.store(eight, result, at(column)); });
  for (int64_t i = 0; i < kChunk; ++i) {
    Index own = b.add(column, i);
    b.ifThen(b.lessThan(own, p.width), [&] { b.store(b.extractLane(eight, int(i)), result, at(own)); });
  }
}

} // namespace tenon::gpu
