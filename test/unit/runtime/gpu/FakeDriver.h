// A CUDA driver for tests on machines without one: libcuda.so.1 with the functions that the runtime uses, over memory of the host.
//
// Work is done when it is queued, or when a graph is launched; or, where it `defers`, when somebody waits for it, so that what is read too early is seen.
// The kernels `add` and `twice` of TestPlans.h are known, and `below`, which decides. It counts what is alive, notes what an application must not do, and
// fails when it is told to.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tenon::test {

struct FakeDriver {
  int version = 12040, devices = 2, capability = 90;
  size_t memory = size_t(1) << 20; ///< of each device
  size_t pinned = size_t(1) << 20; ///< of the host, that may be pinned
  int failingCall = 0;             ///< counted down by calls that may fail: 1 is the next one, 0 none
  int failure = 2;                 ///< what it gives: CUDA_ERROR_OUT_OF_MEMORY
  std::map<std::string, int> results; ///< what calls give from now on, by the driver's name of them
  int machineCode = 0, ptx = 0;       ///< what loading of such code gives
  int sticky = 0;                  ///< what everything gives from now on

  std::string faulting; ///< a kernel that accesses what is not there

  bool defers = false;             ///< work is done when somebody waits
  int mapsOfLaunch = 0;            ///< tensor maps that each launch is expected to have
  std::vector<uintptr_t> hostEnds; ///< where copies between a device and the host begin or end there
  std::vector<uintptr_t> mapped;   ///< what those of all launches describe

  std::map<std::string, int> alive; ///< objects by kind
  std::vector<std::string> misuses;
  size_t used[2] = {}, usedPinned = 0; ///< bytes
  int earlyLaunches = 0; ///< that may start while the kernel before ends
  int launches = 0, graphLaunches = 0, captures = 0, copiesToHost = 0, copiesOnDevice = 0;
};

} // namespace tenon::test

/// What an application of the library asks it and tells it.
extern "C" tenon::test::FakeDriver *tenonFakeDriver();
/// Memory of a device, as an application has it. Null where there is none left.
extern "C" void *tenonFakeAllocate(size_t bytes, int device);
extern "C" void tenonFakeRelease(void *memory);
/// Makes memory of the test a device's (-1: pinned memory of the host), until it is disowned.
extern "C" void tenonFakeAdopt(void *memory, size_t bytes, int device);
extern "C" void tenonFakeDisown(void *memory);
/// How much is queued that nobody has waited for.
extern "C" size_t tenonFakePending();
/// What a device holds that is at least so large; null where there is no such memory.
extern "C" const void *tenonFakeContents(size_t bytes, int device);
/// Queues work that a library of the application's has a stream do.
void tenonFakeEnqueue(void *stream, std::function<void()> work);
