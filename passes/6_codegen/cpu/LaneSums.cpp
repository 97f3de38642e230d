#include "passes/6_codegen/cpu/LaneSums.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {

/// Of `total` lanes in segments of `length` those in the first, or the second, half of their segment.
static SmallVector<int64_t> halves(int64_t total, int64_t length, bool second) {
  SmallVector<int64_t> picked;
  for (int64_t segment = 0; segment < total; segment += length)
    for (int64_t lane = 0; lane < length / 2; ++lane)
      picked.push_back(segment + lane + (second ? length / 2 : 0));
  return picked;
}

Value laneSums(KernelBuilder &b, ValueRange vectors) {
  Registers r{b};
  auto type = cast<VectorType>(vectors.front().getType());
  int64_t lanes = type.getNumElements(), length = lanes;
  KernelBuilder::Values sums(vectors);
  sums.resize(llvm::PowerOf2Ceil(sums.size()), b.constant(0, type));
  auto fold = [&](Value x, Value y, int64_t total) -> Value {
    Value low = vector::ShuffleOp::create(b.ops(), x, y, halves(total, length, false));
    return r.add(low, vector::ShuffleOp::create(b.ops(), x, y, halves(total, length, true)));
  };
  // Each vector holds one segment for each of the vectors joined in it.
  for (; sums.size() > 1; length /= 2)
    for (size_t i = 0, n = sums.size() / 2; i < n; ++i) {
      sums[i] = fold(sums[2 * i], sums[2 * i + 1], 2 * lanes);
      if (i + 1 == n)
        sums.resize(n);
    }
  Value sum = sums.front();
  for (; length > 1; length /= 2, lanes /= 2)
    sum = fold(sum, sum, lanes);
  return sum;
}

} // namespace tenon::cpu
