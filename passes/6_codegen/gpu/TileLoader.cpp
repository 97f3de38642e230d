#include "passes/6_codegen/gpu/TileLoader.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

ProductOperand ProductOperand::left(const MatrixProblem &p) {
  const cpu::ContractionProblem &c = p.contraction;
  int edge = -1;
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes))
    if (map.rowAxis == c.rowAxes() - 1)
      edge = int(axis);
  return {c.lhs, edge, c.lhsChannel};
}

ProductOperand ProductOperand::right(const MatrixProblem &p) {
  return {p.contraction.rhs, p.contraction.rhsColumn, p.contraction.rhsDepth};
}

bool ProductOperand::isAlongEdge() const {
  kernel::View view = kernel::viewOf(value);
  if (!isa<BlockArgument>(view.source))
    return edgeAxis > depthAxis;
  return !view.strides[depthAxis].isConstant(1) && view.strides[edgeAxis].isConstant(1);
}

TileLoader::TileLoader(KernelBuilder &b, Warp &w, const MatrixProblem &p, const MatrixSchedule &s, const ProductOperand &operand, int64_t edge,
                       int64_t start)
    : b(b), w(w), p(p), s(s), operand(operand), edge(edge), start(start), elementBytes(p.isFull() ? 4 : 2), lanes(kChunkBytes / elementBytes),
      stepDepth(p.elements(MatrixSchedule::kStep)), depthEnd(p.elements(p.channels)), across(operand.isAlongEdge()) {
  kernel::View view = kernel::viewOf(operand.value);
  if (isa<BlockArgument>(view.source)) {
    memory = b.tensorOf(operand.value);
    pieceLanes = access(view);
  } else {
    prologue.emplace(b, operand.value);
  }
}

/// Elements that lie together, at a multiple of their size, wherever a chunk begins.
int64_t TileLoader::access(const kernel::View &view) const {
  int along = across ? operand.edgeAxis : operand.depthAxis;
  auto dims = nn::dimsOf(operand.value.getType());
  auto isDivided = [](nn::Dim dim, int64_t by) {
    return dim.isConstant(0) || dim.dividedExactlyBy(nn::Dim::constant(dim.context(), by)).has_value();
  };
  auto fits = [&](int64_t count) {
    if (memory->alignment % (count * elementBytes) || !view.strides[along].isConstant(1) || !isDivided(view.offset, count) ||
        !isDivided(dims[along], count))
      return false;
    for (auto [axis, stride] : llvm::enumerate(view.strides))
      if (int(axis) != along && !dims[axis].isConstant(1) && !isDivided(stride, count))
        return false;
    return true;
  };
  int64_t count = lanes;
  while (count > 1 && !fits(count))
    count /= 2;
  return count;
}

/// Eight rows that ldmatrix reads, or four that a fragment of f32 has, lie in different banks.
Value TileLoader::swizzled(Value number, Value row) {
  constexpr int64_t kBanks = 8; // of 16 bytes
  if (!across)
    return w.bitXor(number, w.rem(row, kBanks));
  if (p.isFull())
    return w.bitXor(number, w.mul(w.rem(row, 4), 2));
  int64_t chunksOfPanel = rowBytes() / kChunkBytes;
  return w.bitXor(number, w.rem(w.div(row, kBanks / chunksOfPanel), chunksOfPanel));
}

Value TileLoader::placeOf(Value swizzled, Value row) {
  int64_t chunksOfPanel = rowBytes() / kChunkBytes;
  Value place = w.mul(row, rowBytes());
  if (!across || edge * elementBytes == rowBytes())
    return w.add(place, w.mul(swizzled, kChunkBytes));
  return w.add(w.add(place, w.mul(w.div(swizzled, chunksOfPanel), panelBytes())), w.mul(w.rem(swizzled, chunksOfPanel), kChunkBytes));
}

void TileLoader::begin(ArrayRef<Index> ofBatch, Index firstOfEdge, Value thread) {
  position.assign(ofBatch.begin(), ofBatch.end());
  edgeEnd = b.dim(nn::dimsOf(operand.value.getType())[operand.edgeAxis]);
  Index base(0);
  if (memory) {
    base = memory->offset;
    for (auto [at, stride] : llvm::zip_equal(position, memory->strides))
      base = b.add(base, b.mul(at, stride));
  }
  int64_t perRow = chunksOfRow(), rowStep = s.threads() / perRow, count = across ? stepDepth : edge;
  chunk = w.rem(thread, perRow);
  Value own = w.div(thread, perRow);
  for (int64_t i = 0; i < count; i += rowStep) {
    Row &row = rows.emplace_back();
    row.number = w.add(own, i);
    row.ofTile = withinTile(w, row.number, i, rowStep, count);
    row.to = w.add(placeOf(swizzled(chunk, row.number), row.number), start);
    row.edge = b.add(firstOfEdge, w.wide(across ? w.mul(chunk, lanes) : row.number));
    if (!across) {
      row.inside = b.lessThan(row.edge, edgeEnd);
      row.edge = b.select(row.inside, row.edge, Index(0));
    }
    if (memory)
      row.offset = b.add(base, b.mul(row.edge, memory->strides[operand.edgeAxis]));
  }
}

/// Whether the element that lies `further` on in the row's chunk is there; `depth` is that of the row's first one.
Value TileLoader::isInside(const Row &row, Value depth, int64_t further) {
  Value ofDepth = w.below(across ? depth : w.add(depth, further), w.i32(depthEnd));
  return arith::AndIOp::create(b.ops(), across ? b.lessThan(b.add(row.edge, further), edgeEnd) : row.inside, ofDepth);
}

Index TileLoader::depthOffset(const Row &row, Value depth) {
  return b.add(row.offset, b.mul(w.wide(depth), memory->strides[operand.depthAxis]));
}

Value TileLoader::depthOf(const Row &row, Value step) {
  return w.add(w.mul(step, stepDepth), across ? row.number : w.mul(chunk, lanes));
}

void TileLoader::load(Value step, Value stage) {
  if (!memory || readsElements())
    return write(read(step), stage);
  for (const Row &row : rows)
    where(b, row.ofTile, [&] { copy(row, depthOf(row, step), stage); });
}

SmallVector<Value> TileLoader::read(Value step) {
  return llvm::map_to_vector(rows, [&](const Row &row) { return gather(row, depthOf(row, step)); });
}

void TileLoader::write(ArrayRef<Value> chunks, Value stage) {
  for (auto [row, vector] : llvm::zip_equal(rows, chunks))
    where(b, row.ofTile, [&, &row = row, &vector = vector] { w.store(w.add(stage, row.to), vector); });
}

void TileLoader::copy(const Row &row, Value depth, Value stage) {
  Index stride = memory->strides[across ? operand.edgeAxis : operand.depthAxis], offset = depthOffset(row, depth);
  int64_t width = pieceLanes * elementBytes;
  for (int64_t lane = 0; lane < lanes; lane += pieceLanes) {
    Value inside = isInside(row, depth, lane);
    Index at = b.select(inside, b.add(offset, b.mul(stride, lane)), memory->offset); // nothing is read where there is nothing
    w.copyAsync(w.add(w.add(stage, row.to), lane * elementBytes), b.address(*memory, at), w.select(inside, w.i32(width), w.i32(0)), width);
  }
}

Value TileLoader::gather(const Row &row, Value depth) {
  Type storage = p.isFull() ? Type(b.ops().getF32Type()) : p.unit();
  auto type = VectorType::get({lanes}, storage);
  Value zero = b.constant(0, storage);
  auto within = [&](Value inside) { return row.ofTile ? arith::AndIOp::create(b.ops(), inside, row.ofTile).getResult() : inside; };
  if (memory) {
    Index stride = memory->strides[across ? operand.edgeAxis : operand.depthAxis], offset = depthOffset(row, depth);
    SmallVector<Value> loaded;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Value inside = within(isInside(row, depth, lane));
      Value one =
          w.loadIf(inside, b.address(*memory, b.select(inside, b.add(offset, b.mul(stride, lane)), memory->offset)), VectorType::get({1}, storage));
      loaded.push_back(b.extractLane(one, 0));
    }
    return vector::FromElementsOp::create(b.ops(), type, loaded);
  }
  auto dims = nn::dimsOf(operand.value.getType());
  nn::Dim along = dims[across ? operand.edgeAxis : operand.depthAxis];
  if (along.dividedExactlyBy(nn::Dim::constant(along.context(), lanes)))
    return b.ifElse(
        within(isInside(row, depth, 0)), type, [&] { return KernelBuilder::Values{b.convert(elements(row, depth, 0, int(lanes)), storage)}; },
        [&] { return KernelBuilder::Values{b.constant(0, type)}; })[0];
  Value vector = b.constant(0, type);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    Value one = b.ifElse(
        within(isInside(row, depth, lane)), storage, [&] { return KernelBuilder::Values{b.convert(elements(row, depth, lane, 1), storage)}; },
        [&] { return KernelBuilder::Values{zero}; })[0];
    vector = b.insertLane(vector, one, int(lane));
  }
  return vector;
}

/// Through the prologue: a chunk begins at a multiple of its lanes, as the alignment of loads sees.
Value TileLoader::elements(const Row &row, Value depth, int64_t further, int count) {
  SmallVector<Index> at(position);
  Index &along = at[across ? operand.edgeAxis : operand.depthAxis];
  at[operand.edgeAxis] = row.edge;
  at[operand.depthAxis] = w.wide(depth);
  along = count > 1 ? b.mul(b.div(along, count), count) : b.add(along, further);
  return prologue->load(at, count, across ? operand.edgeAxis : operand.depthAxis);
}

Warp::Fragment TileLoader::fragment(Value stage, Value first, int64_t further, Value k, bool isRight) {
  constexpr int64_t kHalf = 8, kQuad = 4, kWord = 4;
  Value lane = w.rem(w.thread(), 32), begin = w.add(stage, start);
  if (!p.isFull()) { // the lane's address is that of a row of matrix lane / 8
    Value matrix = w.div(lane, 8), ofEdge = isRight ? w.div(matrix, 2) : w.rem(matrix, 2), ofDepth = isRight ? w.rem(matrix, 2) : w.div(matrix, 2);
    Value row = w.add(w.mul(ofDepth, kHalf), w.rem(lane, 8));
    Value own = w.bitXor(swizzled(w.add(w.div(first, kHalf), ofEdge), row), w.i32(further / kHalf));
    return w.loadMatrices(w.add(begin, placeOf(own, w.add(w.mul(k, 2 * kHalf), row))), /*transposed=*/true);
  }
  Warp::Fragment words;
  Value ofQuad = w.rem(lane, kQuad), column = w.div(lane, kQuad);
  Value word = w.mul(w.rem(column, kQuad), kWord), row = w.add(w.mul(k, kHalf), ofQuad);
  for (int64_t i = 0; i < 4; ++i) {
    int64_t ofEdge = isRight ? i / 2 : i % 2, ofDepth = isRight ? i % 2 : i / 2;
    Value own = swizzled(w.add(w.div(first, kQuad), w.div(column, kQuad)), ofQuad);
    own = w.bitXor(own, w.i32((further + ofEdge * kHalf) / kQuad));
    Value at = w.add(w.add(placeOf(own, row), word), ofDepth * kQuad * rowBytes());
    words.push_back(w.loadElement(w.add(begin, at), b.ops().getI32Type()));
  }
  return words;
}

} // namespace tenon::gpu
