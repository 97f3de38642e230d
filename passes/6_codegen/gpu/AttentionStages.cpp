#include "passes/6_codegen/gpu/AttentionStages.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

AttentionStages::AttentionStages(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile)
    : AttentionWarp(b, problem, tile), knownKeys(*problem.keys.asConstant()), isPlain(!mask.base && !p.op.getCausal() && logitScale() > 0) {}

// --- copies

/// Where a chunk of a row of keys lies among those of the row: eight threads read four chunks of two rows.
void AttentionStages::copyKeys(Index first, int64_t count, bool isWhole, Value to, Copiers copiers) {
  int64_t chunks = (p.depth + 2 * kChunk - 1) / (2 * kChunk) * 2; // as many as are multiplied
  copyRows(key, {p.depth, chunks, t.depth}, first, count, isWhole, to, copiers,
           [&](Value chunk, Value ofRow) { return t.depth * 2 % 128 ? chunk : w.bitXor(chunk, w.mul(w.rem(ofRow, 2), kQuad)); });
}

/// The same of values: eight threads read one chunk of eight rows.
void AttentionStages::copyValues(Index first, int64_t count, bool isWhole, Value to, Copiers copiers) {
  RowOfMemory values{p.width, int64_t(llvm::divideCeil(p.width, kChunk)), t.width};
  copyRows(value, values, first, count, isWhole, to, copiers, [&](Value chunk, Value ofRow) { return w.bitXor(chunk, valueSwizzle(ofRow)); });
}

void AttentionStages::copyRows(const Tensor &from, const RowOfMemory &ofMemory, Index first, int64_t count, bool isWhole, Value to, Copiers copiers,
                               Place place) {
  auto [columns, chunks, pitch] = ofMemory;
  int64_t units = count * chunks;
  for (int64_t at = 0; at < units; at += copiers.count) {
    Value unit = w.add(copiers.own, at);
    where(b, withinTile(w, unit, at, copiers.count, units), [&] {
      Value ofRow = w.div(unit, chunks), chunk = w.rem(unit, chunks);
      Value target = w.add(to, w.add(w.mul(ofRow, pitch * 2), w.mul(place(chunk, ofRow), kChunkBytes)));
      Index own = b.add(first, w.wide(ofRow));
      Value inside = isWhole ? Value() : b.lessThan(own, keys);
      if (!isWhole)
        own = b.select(inside, own, Index(0));
      copyChunk(from, own, b.mul(w.wide(chunk), kChunk), columns, chunks, inside, target);
    });
  }
}

void AttentionStages::copyChunk(const Tensor &from, Index ofRow, Index column, int64_t columns, int64_t chunks, Value inside, Value target) {
  if (columns % kChunk) {
    Value loaded = columnsOf(from, {batch, keyHead, ofRow}, column, kChunk, columns, /*isWhole=*/false);
    return w.store(target, inside ? arith::SelectOp::create(ops, inside, loaded, b.constant(0, loaded.getType())).getResult() : loaded);
  }
  if (columns < chunks * kChunk) { // zeros after the last one
    Value exists = b.lessThan(column, columns);
    column = b.select(exists, column, Index(0));
    inside = inside ? arith::AndIOp::create(ops, inside, exists).getResult() : exists;
  }
  Index offset = b.at(from, {batch, keyHead, ofRow, column});
  bool isAligned = from.alignment % kChunkBytes == 0 && b.divisorOf(offset) % kChunk == 0;
  if (isAligned)
    return w.copyAsync(target, b.address(from, offset), inside ? w.select(inside, w.i32(kChunkBytes), w.i32(0)) : w.i32(kChunkBytes));
  Value loaded = b.load(from, offset, kChunk);
  w.store(target, inside ? arith::SelectOp::create(ops, inside, loaded, b.constant(0, loaded.getType())).getResult() : loaded);
}

// --- products

/// This thread's words of a key, four of 16 bytes or two of eight.
Value AttentionStages::wordsAt(Value address, int64_t step) {
  auto type = VectorType::get({isHalfStep(step) ? 2 : 4}, ops.getI32Type());
  if (!isHalfStep(step))
    return LLVM::BitcastOp::create(ops, type, w.loadFloats(address));
  auto [first, second] = w.loadPair(address);
  return LLVM::BitcastOp::create(ops, type, vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{first, second}));
}

SmallVector<Value> AttentionStages::logitsOf(Value at, Index first, int64_t tiles, bool isLimited) {
  SmallVector<Value> logits;
  auto ownOf = [&](int64_t bytes) { return w.add(at, w.add(w.mul(group, t.depth * 2), w.mul(quad, bytes))); };
  Value own = ownOf(kChunkBytes), ownOfHalf = isHalfStep(depthSteps() - 1) ? ownOf(kChunkBytes / 2) : Value(),
        odd = w.mul(w.rem(group, 2), kQuad * kChunkBytes);
  for (int64_t n = 0; n < tiles; ++n) {
    SmallVector<Value> scores(4, b.constant(0, f32)), chunks, masks = masksOf(first, n, isLimited);
    for (int64_t step = 0; step < depthSteps(); ++step) {
      Value chunk = w.i32(step * depthStep() * 2);
      if (t.depth * 2 % 128 == 0)
        chunk = w.bitXor(chunk, odd);
      chunks.push_back(wordsAt(w.add(w.add(isHalfStep(step) ? ownOfHalf : own, chunk), n * 8 * t.depth * 2), step));
    }
    multiplyKeys(chunks, scores);
    for (int64_t e = 0; e < 4; ++e) {
      Value x = isPlain ? scores[e] : logit(scores[e], mask.base ? masks[e] : Value());
      logits.push_back(isLimited ? limited(x, row[e / 2], keyOf(first, n, e)) : x);
    }
  }
  return logits;
}

Value AttentionStages::limited(Value x, Index ofRow, Index ofKey) {
  return arith::SelectOp::create(ops, b.lessThan(ofKey, seen(ofRow)), x, hidden());
}

/// What the mask has for each element of a fragment.
SmallVector<Value> AttentionStages::masksOf(Index first, int64_t tile, bool isLimited) {
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

void AttentionStages::addValues(Value at, ArrayRef<Value> weights, MutableArrayRef<Value> state) {
  Value matrix = w.div(lane, 8), own = w.add(w.mul(w.rem(matrix, 2), 8), w.rem(lane, 8));
  Value chunk = w.mul(w.bitXor(w.div(matrix, 2), valueSwizzle(own)), kChunkBytes);
  Value from = w.add(at, w.mul(own, t.width * 2));
  for (int64_t k = 0; k < int64_t(weights.size()) / 8; ++k) {
    auto pair = [&](int64_t i) { return rounded(weights[k * 8 + i], weights[k * 8 + i + 1]); };
    Factor left = factor({pair(0), pair(2), pair(4), pair(6)});
    for (int64_t c = 0; c < columnTiles; c += 2) {
      Value address = w.add(w.add(from, w.bitXor(w.i32(c * kChunkBytes), chunk)), k * kFragmentKeys * t.width * 2);
      Warp::Fragment right = w.loadMatrices(address, /*transposed=*/true);
      for (int64_t i = 0; i < std::min<int64_t>(2, columnTiles - c); ++i)
        multiply(left, factor({right[2 * i], right[2 * i + 1]}), state.slice(4 + (c + i) * 4, 4));
    }
  }
}

} // namespace tenon::gpu
