// A GPU for tests on machines without one: a library that stands for the driver (its soname is libcuda.so.1) and runs the kernels of the test plans on the
// processor. What is queued runs when somebody waits for it, all of a stream in order, and memory of the device cannot be touched in between: a value that is
// read too early, or without a copy, is seen.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon::test {

struct FakeCuda {
  // What happened since reset().
  uint32_t launches = 0, graphLaunches = 0, waits = 0, copiesToHost = 0, largestGrid = 0;
  // What is there now.
  uint32_t allocations = 0;
  size_t bytesInUse = 0;
  size_t capacity = 0; ///< bytes that may be allocated

  void reset() { launches = graphLaunches = waits = copiesToHost = largestGrid = 0; }
};

constexpr size_t kFakeMemory = size_t(64) << 20;

/// The state of the GPU, for tests to look at.
__attribute__((visibility("default"))) FakeCuda &fakeCuda();
/// Memory of the GPU as an application allocates it.
__attribute__((visibility("default"))) void *fakeAllocate(size_t bytes);
__attribute__((visibility("default"))) void fakeRelease(void *memory);
/// Copies between memory of the GPU and the test's, after all that is queued.
__attribute__((visibility("default"))) void fakeCopy(void *to, const void *from, size_t bytes);

} // namespace tenon::test
