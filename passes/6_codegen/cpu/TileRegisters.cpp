#include "passes/6_codegen/cpu/TileRegisters.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kUnitBytes = 4, kRegisters = 8, kLineBytes = 64;

int64_t TileProduct::stepOf(int64_t depth) {
  for (int64_t steps = llvm::divideCeil(depth, kUnits);; ++steps)
    if (depth % steps == 0)
      return depth / steps;
}

static void call(KernelBuilder &b, StringRef name, ValueRange operands) {
  LLVM::CallIntrinsicOp::create(b.ops(), b.ops().getStringAttr(("llvm.x86." + name).str()), operands);
}

static Value number(KernelBuilder &b, int64_t tileRegister) { return arith::ConstantOp::create(b.ops(), b.ops().getI8IntegerAttr(tileRegister)); }

static Value bytesOf(KernelBuilder &b, Index units) { return b.value(b.mul(units, kUnitBytes)); }

void TileProduct::configure(KernelBuilder &b) const {
  // Intel SDM, LDTILECFG: the palette, then from 16 on the bytes of a row of each register, from 48 on their rows.
  constexpr int kPalette = 0, kRowBytes = 16, kRowCounts = 48;
  SmallVector<int8_t> shapes(kLineBytes, 0);
  shapes[kPalette] = 1;
  auto set = [&](int64_t tileRegister, int64_t rowBytes, int64_t count) {
    shapes[kRowBytes + 2 * tileRegister] = rowBytes;
    shapes[kRowCounts + tileRegister] = count;
  };
  // Of the registers after the sums the first holds the side that has fewer tiles, the others the other side's in turn.
  bool rowsFew = rowTiles <= columnTiles;
  int64_t sums = rowTiles * columnTiles, few = std::min(rowTiles, columnTiles);
  for (int64_t i = 0; i < kRegisters; ++i)
    if (i < sums)
      set(i, kColumns * kUnitBytes, rows);
    else if ((i < sums + few) == rowsFew)
      set(i, units * kUnitBytes, rows);
    else
      set(i, kColumns * kUnitBytes, units);
  Tensor table = b.table(DenseElementsAttr::get(RankedTensorType::get({kLineBytes}, b.ops().getI8Type()), ArrayRef<int8_t>(shapes)));
  call(b, "ldtilecfg", b.address(table, 0));
}

void TileProduct::release(KernelBuilder &b) { call(b, "tilerelease", {}); }

void TileProduct::clear(KernelBuilder &b) const {
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t j = 0; j < used; ++j)
      call(b, "tilezero", number(b, sumOf(i, j)));
}

void TileProduct::multiply(KernelBuilder &b, const Tensor &lhs, Index row, Index rowStride, Index tileStride, const Tensor &rhs, Index column,
                           Index columnStride) const {
  auto loadRows = [&](int64_t to, int64_t tile) {
    call(b, "tileloadd64", {number(b, to), b.address(lhs, b.add(row, b.mul(tileStride, tile))), bytesOf(b, rowStride)});
  };
  auto loadColumns = [&](int64_t to, int64_t tile) { call(b, "tileloadd64", {number(b, to), b.address(rhs, b.add(column, tile * kColumns)), bytesOf(b, columnStride)}); };
  bool rowsFew = rowTiles <= columnTiles;
  int64_t sums = rowTiles * columnTiles, few = std::min(rowTiles, columnTiles), many = rowsFew ? used : rowTiles, turns = kRegisters - sums - few;
  for (int64_t i = 0; i < few; ++i)
    rowsFew ? loadRows(sums + i, i) : loadColumns(sums + i, i);
  for (int64_t j = 0; j < many; ++j) {
    int64_t other = sums + few + j % turns;
    rowsFew ? loadColumns(other, j) : loadRows(other, j);
    for (int64_t i = 0; i < few; ++i) {
      int64_t of = rowsFew ? sumOf(i, j) : sumOf(j, i);
      call(b, bfloat ? "tdpbf16ps" : "tdpbusd", {number(b, of), number(b, rowsFew ? sums + i : other), number(b, rowsFew ? other : sums + i)});
    }
  }
}

void TileProduct::store(KernelBuilder &b, const Tensor &sums) const {
  int64_t width = columnTiles * kColumns;
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t j = 0; j < used; ++j)
      call(b, "tilestored64", {number(b, sumOf(i, j)), b.address(sums, b.add(sums.offset, i * rows * width + j * kColumns)), bytesOf(b, width)});
}

} // namespace tenon::cpu
