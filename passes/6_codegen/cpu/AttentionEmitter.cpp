#include "passes/6_codegen/cpu/AttentionEmitter.h"
#include "passes/6_codegen/cpu/AttentionPack.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

namespace {
constexpr double kLog2E = 1.4426950408889634;
// The running maximum starts here and not at -inf: a block of keys that are all masked then gives exp(-inf) = 0, not NaN.
constexpr double kLowest = -3.4028234663852886e38;
} // namespace

AttentionEmitter::AttentionEmitter(KernelBuilder &b, AttentionProblem p, const AttentionSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), query(b.tensorOf(p.op.getQuery())), key(b.tensorOf(p.op.getKey())),
      value(b.tensorOf(p.op.getValue())), rows(b.dim(p.rows)), keys(b.dim(p.keys)), online(layout.online),
      vector(VectorType::get({layout.lanes}, b.ops().getF32Type())) {
  if (p.op.getMask()) {
    mask = b.tensorOf(p.op.getMask());
    addedMask = !mask.element.isInteger(1);
  }
  result = b.result(0);
  result.strides.clear();
  for (nn::Dim stride : p.stores)
    result.strides.push_back(b.dim(stride));
  scratch = b.workspace(b.ops().getF32Type(), 0, {layout.total});
}

void AttentionEmitter::emit() {
  Index units = b.dim(layout.units), shares = s.tasks == 1 ? Index(1) : b.min(units, s.tasks);
  auto [first, end] = b.share(units, shares, s.tasks == 1 ? Index(0) : b.task());
  b.loop(first, end, 1, [&](Index i) { compute(unit(i)); });
}

AttentionEmitter::Unit AttentionEmitter::unit(Index number) {
  Unit unit;
  unit.firstRow = 0;
  unit.endRow = rows;
  if (s.rowBlock) {
    Index blocks = b.div(b.add(rows, s.rowBlock - 1), s.rowBlock);
    std::tie(unit.firstRow, unit.endRow) = b.share(rows, blocks, b.rem(number, blocks));
    number = b.div(number, blocks);
  }
  Index heads = b.dim(p.heads);
  unit.head = b.rem(number, heads);
  unit.batch = b.div(number, heads);
  unit.keyHead = b.div(unit.head, b.dim(p.headsPerKey));
  return unit;
}

void AttentionEmitter::compute(const Unit &unit) {
  Index count = b.sub(unit.endRow, unit.firstRow);
  Index tiles = b.div(b.add(count, s.rows - 1), s.rows);
  auto block = [&](const KeyBlock &keys) {
    packKeys(unit, keys);
    packValues(unit, keys);
    forRowTiles(b, count, s.rows, 0, tiles, [&](Index first, int64_t rows, Index) {
      tile(unit, keys, {b.add(unit.firstRow, first), rows, first});
    });
  };
  if (!online)
    return block({0, keys});
  b.loop(0, count, 1, [&](Index row) {
    Index state = b.add(layout.stateOffset, b.mul(row, layout.stateStride));
    b.fill(scratch, state, layout.stateStride, b.constant(0.0, b.ops().getF32Type()));
    b.store(b.constant(kLowest, vector), scratch, b.add(state, layout.lanes));
  });
  b.loop(0, keys, layout.keys, [&](Index first) { block({first, b.min(b.sub(keys, first), layout.keys)}); });
  finishRows(unit);
}

void AttentionEmitter::packKeys(const Unit &unit, const KeyBlock &block) {
  Index from = b.at(key, {unit.batch, unit.keyHead, block.first, 0});
  packTransposed(b, {key, from, key.strides[2], key.strides[3]}, block.count, p.depth, scratch, layout.keyOffset, layout.panel);
}

void AttentionEmitter::packValues(const Unit &unit, const KeyBlock &block) {
  Index from = b.at(value, {unit.batch, unit.keyHead, block.first, 0});
  packColumns(b, {value, from, value.strides[2], value.strides[3]}, block.count, p.width, scratch, layout.valueOffset, layout.panel,
              layout.keys);
}

Index AttentionEmitter::scoreAt(int64_t row, Index column) { return b.sum(column, layout.scoreOffset, row * layout.scoreStride); }

Index AttentionEmitter::stateAt(const Tile &tile, int64_t row, Index element) {
  return b.sum(b.mul(tile.state, layout.stateStride), element, layout.stateOffset + row * layout.stateStride);
}

/// The last key that a row may look at; keys from 0.
Index AttentionEmitter::lastKey(const Index &row) {
  if (!p.op.getCausal())
    return b.sub(keys, 1);
  return b.add(row, b.sub(keys, rows));
}

void AttentionEmitter::tile(const Unit &unit, const KeyBlock &block, const Tile &tile) {
  Registers r{b};
  int64_t panel = layout.panel;
  // Panels whose keys every row sees, then those that need a mask, counted from the first key of the block.
  Index seenByAll = b.max(b.min(b.sub(b.add(lastKey(tile.row), 1), block.first), block.count), 0);
  Index seenByAny = b.max(b.min(b.sub(b.add(lastKey(b.add(tile.row, tile.rows - 1)), 1), block.first), block.count), 0);
  Index full = b.div(seenByAll, panel), end = b.div(b.add(seenByAny, panel - 1), panel), columns = b.mul(end, panel);
  b.loop(0, full, 1, [&](Index i) { scores(unit, block, tile, i, s.vectors, false); });
  if (seenByAny.isConstant() && end.get() > 0) { // a last panel of few keys needs few vectors
    int64_t last = end.get() - 1, vectors = llvm::divideCeil(seenByAny.get() - last * panel, layout.lanes);
    columns = last * panel + vectors * layout.lanes;
    b.loop(full, last, 1, [&](Index i) { scores(unit, block, tile, i, s.vectors, true); });
    b.loop(b.max(full, last), end, 1, [&](Index i) { scores(unit, block, tile, i, vectors, true); });
  } else {
    b.loop(full, end, 1, [&](Index i) { scores(unit, block, tile, i, s.vectors, true); });
  }

  Values highest(tile.rows, b.constant(kLowest, vector));
  highest = b.loop(0, columns, layout.lanes, highest, [&](Index t, ValueRange in) {
    Values out;
    for (int64_t i = 0; i < tile.rows; ++i)
      out.push_back(r.atLeast(in[i], b.load(scratch, scoreAt(i, t), layout.lanes)));
    return out;
  });
  Values sums(tile.rows, b.constant(0.0, vector)), corrections;
  for (int64_t i = 0; i < tile.rows; ++i) {
    highest[i] = b.splat(b.reduceMax(highest[i]), layout.lanes);
    if (!online)
      continue;
    Value before = b.load(scratch, stateAt(tile, i, layout.lanes), layout.lanes);
    highest[i] = r.atLeast(highest[i], before);
    b.store(highest[i], scratch, stateAt(tile, i, layout.lanes));
    Value distance = r.sub(before, highest[i]);
    corrections.push_back(emitExp2(b, addedMask ? r.mul(distance, kLog2E) : distance));
  }
  sums = b.loop(0, columns, layout.lanes, sums, [&](Index t, ValueRange in) {
    Values out;
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value distance = r.sub(b.load(scratch, scoreAt(i, t), layout.lanes), highest[i]);
      Value weight = emitExp2(b, addedMask ? r.mul(distance, kLog2E) : distance);
      b.store(weight, scratch, scoreAt(i, t));
      out.push_back(r.add(in[i], weight));
    }
    return out;
  });
  Values scales;
  for (int64_t i = 0; i < tile.rows; ++i) {
    Value sum = b.splat(b.reduceAdd(sums[i]), layout.lanes);
    if (online) {
      Value before = b.load(scratch, stateAt(tile, i, 0), layout.lanes);
      b.store(r.fma(before, corrections[i], sum), scratch, stateAt(tile, i, 0));
      scales.push_back(corrections[i]);
    } else {
      scales.push_back(inverse(sum));
    }
  }

  TileShape shape{tile.rows, s.vectors, layout.lanes, {}, {}, b.min(columns, block.count), 2, b.ops().getF32Type()};
  LhsAddress left{scratch, layout.scoreOffset, {}, {}, 1, 1};
  for (int64_t i = 0; i < tile.rows; ++i)
    left.rows.push_back(i * layout.scoreStride);
  b.loop(0, layout.valuePanels, 1, [&](Index number) {
    RhsAddress right{scratch, b.add(layout.valueOffset, b.mul(number, layout.keys * panel)), {}, panel, 1, {}};
    Values zero(tile.rows * s.vectors, b.constant(0.0, vector));
    Values output = emitTile(b, shape, left, right, {}, zero);
    if (!online)
      return storeOutput(unit, tile, number, output, scales);
    for (int64_t i = 0; i < tile.rows; ++i)
      for (int64_t x = 0; x < s.vectors; ++x) {
        Index at = b.add(stateAt(tile, i, 2 * layout.lanes + x * layout.lanes), b.mul(number, panel));
        b.store(r.fma(b.load(scratch, at, layout.lanes), scales[i], output[i * s.vectors + x]), scratch, at);
      }
  });
}

/// One panel of scores: query times keys, scaled, masked, in base 2 unless a mask is added.
void AttentionEmitter::scores(const Unit &unit, const KeyBlock &block, const Tile &tile, Index panel, int64_t vectors, bool partly) {
  Registers r{b};
  TileShape shape{tile.rows, vectors, layout.lanes, {}, {}, p.depth, p.depth % 4 == 0 ? 4 : p.depth % 2 == 0 ? 2 : 1, b.ops().getF32Type(),
                  s.vectors};
  LhsAddress left{query, b.at(query, {unit.batch, unit.head, tile.row, 0}), {}, {}, query.strides[3], query.strides[3]};
  for (int64_t i = 0; i < tile.rows; ++i)
    left.rows.push_back(b.mul(query.strides[2], i));
  RhsAddress right{scratch, b.add(layout.keyOffset, b.mul(panel, p.depth * layout.panel)), {}, layout.panel, 1, {}};
  Values zero(tile.rows * vectors, b.constant(0.0, vector));
  Values output = emitTile(b, shape, left, right, {}, zero);
  double scale = p.op.getScale().convertToDouble() * (addedMask ? 1.0 : kLog2E);
  Index column = b.mul(panel, layout.panel);
  for (int64_t i = 0; i < tile.rows; ++i)
    for (int64_t x = 0; x < vectors; ++x) {
      Index at = b.add(column, x * layout.lanes);
      Value score = r.mul(output[i * vectors + x], scale);
      score = masked(unit, block, b.add(tile.row, i), at, score, partly);
      b.store(score, scratch, scoreAt(i, at));
    }
}

/// Applies the mask operand; where `partly`, also hides the keys after the last one that the row sees.
Value AttentionEmitter::masked(const Unit &unit, const KeyBlock &block, Index row, Index column, Value score, bool partly) {
  Registers r{b};
  Value hidden = b.constant(-std::numeric_limits<double>::infinity(), vector);
  Value seen = partly ? b.tailMask(b.max(b.sub(b.add(lastKey(row), 1), b.add(block.first, column)), 0), layout.lanes) : Value();
  if (mask.base) {
    int rank = mask.rank();
    Index position[] = {unit.batch, unit.head, row, b.add(block.first, column)};
    SmallVector<Index> at;
    for (int axis = 0; axis < rank; ++axis)
      at.push_back(mask.sizes[axis].is(1) ? Index(0) : position[4 - rank + axis]);
    Index stride = mask.sizes.back().is(1) ? Index(0) : mask.strides.back();
    // Not even a key that the row does not see may be read past the end of the mask.
    Value exists = partly ? b.tailMask(b.max(b.sub(block.count, column), 0), layout.lanes) : Value();
    Value loaded = b.loadStrided(mask, b.at(mask, at), stride, layout.lanes, exists);
    score = addedMask ? r.add(score, b.convert(loaded, vector.getElementType())) : r.select(loaded, score, hidden);
  }
  return seen ? r.select(seen, score, hidden) : score;
}

/// 1 / sum; 0 for a row that sees nothing where the operation asks for that.
Value AttentionEmitter::inverse(Value sum) {
  Registers r{b};
  Value quotient = r.div(b.constant(1.0, vector), sum), zero = b.constant(0.0, vector);
  return p.op.getSafe() ? r.select(r.cmp(arith::CmpFPredicate::OEQ, sum, zero), zero, quotient) : quotient;
}

void AttentionEmitter::storeOutput(const Unit &unit, const Tile &tile, Index panel, ArrayRef<Value> sums, ArrayRef<Value> scales) {
  Registers r{b};
  Index column = b.mul(panel, layout.panel);
  auto store = [&](int64_t i, int64_t x, Value tail) {
    Value value = r.mul(sums[i * s.vectors + x], scales[i]);
    Index at = b.at(result, {unit.batch, unit.head, b.add(tile.row, i), b.add(column, x * layout.lanes)});
    b.storeMasked(b.convert(value, result.element), result, at, tail);
  };
  for (int64_t x = 0; x < s.vectors; ++x) {
    // Only the last panel can end before the vector does.
    if (p.width % layout.panel == 0) {
      for (int64_t i = 0; i < tile.rows; ++i)
        store(i, x, {});
      continue;
    }
    Index left = b.sub(p.width, b.add(column, x * layout.lanes));
    b.ifThen(
        b.lessThan(left, layout.lanes), [&] {
          for (int64_t i = 0; i < tile.rows; ++i)
            store(i, x, b.tailMask(b.max(left, 0), layout.lanes));
        },
        [&] {
          for (int64_t i = 0; i < tile.rows; ++i)
            store(i, x, {});
        });
  }
}

/// The division that ends an online softmax.
void AttentionEmitter::finishRows(const Unit &unit) {
  b.loop(0, b.sub(unit.endRow, unit.firstRow), 1, [&](Index row) {
    Tile tile{b.add(unit.firstRow, row), 1, row};
    Value scale = inverse(b.load(scratch, stateAt(tile, 0, 0), layout.lanes));
    b.loop(0, layout.valuePanels, 1, [&](Index number) {
      Values sums;
      for (int64_t x = 0; x < s.vectors; ++x)
        sums.push_back(b.load(scratch, b.add(stateAt(tile, 0, 2 * layout.lanes + x * layout.lanes), b.mul(number, layout.panel)), layout.lanes));
      storeOutput(unit, tile, number, sums, scale);
    });
  });
}

} // namespace tenon::cpu
