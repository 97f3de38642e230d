#include "passes/6_codegen/cpu/AttentionPack.h"
#include "passes/6_codegen/cpu/Transpose.h"

namespace tenon::cpu {
using namespace mlir;

void packTransposed(KernelBuilder &b, const MatrixView &source, Index count, int64_t depth, const Tensor &target, Index offset, int64_t width) {
  Type element = target.element;
  int64_t lanes = b.target().lanes(element.getIntOrFloatBitWidth());
  auto from = [&](Index row, Index k) { return b.sum(source.offset, b.mul(row, source.row), b.mul(k, source.column)); };
  auto to = [&](Index row, Index k) {
    return b.sum(offset, b.mul(b.div(row, width), depth * width), b.rem(row, width), b.mul(k, width));
  };
  auto one = [&](Index row, Index k) { b.store(b.convert(b.load(source.memory, from(row, k)), element), target, to(row, k)); };
  int64_t square = canTranspose(lanes) && source.column.is(1) ? depth / lanes * lanes : 0;
  Index whole = b.sub(count, b.rem(count, lanes));
  b.loop(0, whole, lanes, [&](Index row) {
    Index base = to(row, 0);
    b.loop(0, square, lanes, [&](Index k) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < lanes; ++i)
        rows.push_back(b.convert(b.load(source.memory, from(b.add(row, i), k), lanes), element));
      for (auto [i, vector] : llvm::enumerate(transposeSquare(b, rows)))
        b.store(vector, target, b.sum(base, b.mul(k, width), i * width));
    });
    b.loop(square, depth, 1, [&](Index k) {
      Value vector = b.loadStrided(source.memory, from(row, k), source.row, lanes);
      b.store(b.convert(vector, element), target, b.add(base, b.mul(k, width)));
    });
  });
  // The last rows one by one, then zeros up to the end of their panel.
  Index end = b.mul(b.div(b.add(count, width - 1), width), width);
  b.loop(whole, count, 1, [&](Index row) { b.loop(0, depth, 1, [&](Index k) { one(row, k); }); });
  b.loop(count, end, 1, [&](Index row) {
    b.loop(0, depth, 1, [&](Index k) { b.store(b.constant(0.0, element), target, to(row, k)); });
  });
}

void packColumns(KernelBuilder &b, const MatrixView &source, Index count, int64_t columns, const Tensor &target, Index offset, int64_t width,
                 int64_t capacity) {
  Type element = target.element;
  int64_t lanes = b.target().lanes(element.getIntOrFloatBitWidth());
  b.loop(0, count, 1, [&](Index row) {
    for (int64_t column = 0; column < static_cast<int64_t>(llvm::alignTo(columns, width)); column += lanes) {
      int64_t left = columns - column;
      Index from = b.sum(source.offset, b.mul(row, source.row), b.mul(source.column, column));
      Index to = b.sum(offset, b.mul(row, width), column / width * capacity * width + column % width);
      Value vector = b.constant(0.0, VectorType::get({lanes}, element));
      if (left > 0)
        vector = b.convert(b.loadStrided(source.memory, from, source.column, lanes, left < lanes ? b.tailMask(left, lanes) : Value()), element);
      b.store(vector, target, to);
    }
  });
}

} // namespace tenon::cpu
