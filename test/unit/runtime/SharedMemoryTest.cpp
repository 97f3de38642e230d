#include "runtime/cuda/SharedMemory.h"
#include <gtest/gtest.h>

namespace tenon::cuda {
namespace {

constexpr SharedLimits kH100{132, 228 << 10, 227 << 10};

TEST(SharedMemory, SpreadsBlocksOverMultiprocessors) {
  for (uint32_t share = 1; share <= 8; ++share) {
    uint32_t bytes = spreadShared(kH100, 1024, uint64_t(share) * kH100.multiprocessors);
    uint32_t taken = bytes + 1024; // the driver's
    EXPECT_LE(share * taken, kH100.ofMultiprocessor) << share;       // its share fits
    EXPECT_GT((share + 1) * taken, kH100.ofMultiprocessor) << share; // and no more
  }
}

TEST(SharedMemory, AsksForNoLessThanIsNeeded) {
  EXPECT_EQ(spreadShared(kH100, 220 << 10, 1), uint32_t(220 << 10));
  EXPECT_EQ(spreadShared(kH100, 48 << 10, 100'000), uint32_t(48 << 10));
  EXPECT_LE(spreadShared(kH100, 1, 1), kH100.ofBlock);
}

TEST(SharedMemory, LeavesOthersAlone) {
  EXPECT_EQ(spreadShared(kH100, 0, 10), 0u);              // a kernel without shared memory
  EXPECT_EQ(spreadShared(SharedLimits{}, 4096, 10), 4096u); // a GPU whose kernels do not overlap
  EXPECT_EQ(spreadShared(kH100, 4096, 0), 4096u);
}

} // namespace
} // namespace tenon::cuda
