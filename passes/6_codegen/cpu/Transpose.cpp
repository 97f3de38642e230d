#include "passes/6_codegen/cpu/Transpose.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

bool canTranspose(int64_t lanes) { return lanes >= 2 && lanes <= 16 && llvm::isPowerOf2_64(lanes); }

SmallVector<Value> transposeSquare(KernelBuilder &b, ValueRange rows) {
  // Swaps blocks of half, then a quarter, ... of the lanes between rows that differ in one bit of their number.
  SmallVector<Value> square(rows);
  int64_t lanes = square.size();
  for (int64_t half = 1; half < lanes; half *= 2) {
    SmallVector<int64_t> low(lanes), high(lanes);
    for (int64_t i = 0; i < lanes; ++i) {
      bool odd = i & half;
      low[i] = odd ? lanes + i - half : i;
      high[i] = odd ? lanes + i : i + half;
    }
    for (int64_t i = 0; i < lanes; ++i)
      if (!(i & half)) {
        Value x = square[i], y = square[i + half];
        square[i] = vector::ShuffleOp::create(b.ops(), x, y, low);
        square[i + half] = vector::ShuffleOp::create(b.ops(), x, y, high);
      }
  }
  return square;
}

SmallVector<Value> interleave(KernelBuilder &b, ValueRange planes) {
  auto &ops = b.ops();
  int64_t count = planes.size(), lanes = cast<VectorType>(planes.front().getType()).getDimSize(0);
  SmallVector<Value> woven;
  for (int64_t part = 0; part < count; ++part) {
    // Two planes at a time: a shuffle takes what both of them give to this part, other lanes keep what they have.
    Value sum = planes[0];
    for (int64_t plane = 0; plane < count; ++plane) {
      SmallVector<int64_t> mask(lanes);
      for (int64_t i = 0; i < lanes; ++i) {
        int64_t k = part * lanes + i;
        mask[i] = k % count == plane ? lanes + k / count : (plane == 0 ? 0 : i);
      }
      sum = vector::ShuffleOp::create(ops, plane == 0 ? planes[0] : sum, planes[plane], mask);
    }
    woven.push_back(sum);
  }
  return woven;
}

SmallVector<Value> deinterleave(KernelBuilder &b, ValueRange sequence) {
  int64_t count = sequence.size(), lanes = cast<VectorType>(sequence.front().getType()).getDimSize(0);
  SmallVector<Value> planes;
  for (int64_t plane = 0; plane < count; ++plane) {
    Value sum = sequence[0];
    for (int64_t part = 0; part < count; ++part) {
      SmallVector<int64_t> mask(lanes);
      for (int64_t i = 0; i < lanes; ++i) {
        int64_t k = i * count + plane;
        mask[i] = k / lanes == part ? lanes + k % lanes : (part == 0 ? 0 : i);
      }
      sum = vector::ShuffleOp::create(b.ops(), part == 0 ? sequence[0] : sum, sequence[part], mask);
    }
    planes.push_back(sum);
  }
  return planes;
}

} // namespace tenon::cpu
