#include "passes/6_codegen/gpu/PixelSums.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kFloatBytes = 4, kVectorLanes = 4;
constexpr int64_t kFew = 16; // places that one thread sums up for all
} // namespace

int64_t RowOfThreads::shares() const {
  return places <= kFew ? 1 : threads() / channels();
}

Value PixelSums::sumOf(Value address, Value first, int64_t step, int64_t count) {
  Type f32 = b.ops().getF32Type();
  Value sum;
  for (int64_t i = 0; i < count; i += step) {
    Value at = w.add(address, w.mul(w.add(first, i), row.channels() * kFloatBytes));
    bool isEverywhere = i + step <= count || step == 1;
    Value x = isEverywhere ? w.loadElement(at, f32)
                           : Value(LLVM::BitcastOp::create(b.ops(), f32, w.loadWordIf(w.below(w.add(first, i), w.i32(count)), at)));
    sum = sum ? Value(arith::AddFOp::create(b.ops(), sum, x)) : x;
  }
  return sum;
}

void PixelSums::emit(Value sums, llvm::function_ref<void(Value channel, Value sum)> store) {
  Value thread = w.thread(), shared = w.shared(), own = w.add(shared, w.mul(thread, row.lanes * kFloatBytes));
  int64_t width = std::min(kVectorLanes, row.lanes);
  for (int64_t first = 0; first < row.lanes; first += width)
    w.store(w.add(own, first * kFloatBytes), vector::ExtractStridedSliceOp::create(b.ops(), sums, first, width, 1));
  w.barrier();
  int64_t shares = row.shares(), channels = row.channels();
  Value read = shared;
  if (shares > 1) {
    read = w.add(shared, row.threads() * row.lanes * kFloatBytes);
    Value channel = w.rem(thread, channels), share = w.div(thread, channels);
    b.ifThen(w.below(share, w.i32(shares)), [&] {
      Value sum = sumOf(w.add(shared, w.mul(channel, kFloatBytes)), share, shares, row.places);
      w.store(w.add(read, w.mul(thread, kFloatBytes)), vector::FromElementsOp::create(b.ops(), VectorType::get({1}, sum.getType()), sum));
    });
    w.barrier();
  }
  for (int64_t first = 0; first < channels; first += row.threads()) {
    Value channel = w.add(thread, first);
    auto finish = [&] { store(channel, sumOf(w.add(read, w.mul(channel, kFloatBytes)), w.i32(0), 1, shares > 1 ? shares : row.places)); };
    first + row.threads() <= channels ? finish() : b.ifThen(w.below(channel, w.i32(channels)), finish);
  }
}

} // namespace tenon::gpu
