// One GPU, and what a plan keeps on it: its weights and its loaded code.
#pragma once

#include "runtime/cuda/Driver.h"
#include "runtime/cuda/SharedMemory.h"
#include "runtime/support/Memory.h"

struct tn_plan;

namespace tenon::cuda {

constexpr size_t kSlotAlignment = 256;  // of device memory, as cuMemAlloc gives it
constexpr size_t kTensorAlignment = 16; // what kernels expect of the caller's tensors

inline size_t roundUp(size_t bytes) {
  return (bytes + kSlotAlignment - 1) & ~(kSlotAlignment - 1);
}

/// Makes a device's primary context current for a scope, the one that other libraries of the process use too.
class CurrentContext {
public:
  CurrentContext(const Driver &driver, ContextHandle context) : driver(driver) { driver.contextPush(context); }
  ~CurrentContext() {
    ContextHandle ignored;
    driver.contextPop(&ignored);
  }
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;

private:
  const Driver &driver;
};

/// Memory of a device. Errors say how much was wanted for what, and how much there is.
tn_status allocateOnDevice(const Driver &driver, size_t bytes, const char *what, DevicePointer *memory, Message &message);

constexpr int kFirstWithDependentLaunch = 90; // kernels for these GPUs wait themselves for the one before (griddepcontrol)

struct Gpu {
  int ordinal = 0;
  DeviceId device = 0;
  char name[96] = "";
  int capability = 0; ///< 10 * major + minor
};

/// A plan and those that it calls on one device, shared by the contexts there. Lives as long as the plan.
struct DevicePlan : Gpu {
  const Driver *driver = nullptr;
  ContextHandle context = nullptr;
  ModuleHandle module = nullptr;
  DevicePointer weights = 0;
  Array<uint64_t> offsets; ///< of the program's constants in `weights`, where they are not those of the file
  Array<FunctionHandle> functions; ///< of the program's kernels
  SharedLimits shared;             ///< of GPUs whose kernels overlap; zeros on others
  DevicePlan *next = nullptr;

  ~DevicePlan();
};

/// The plan on GPU number `ordinal`, uploaded by the first call. Thread safe.
/// Errors: TN_DEVICE (no driver, no such GPU), TN_WRONG_TARGET (no code for it), TN_OUT_OF_MEMORY.
tn_status devicePlan(tn_plan &plan, int ordinal, DevicePlan **result, Message &message);

} // namespace tenon::cuda
