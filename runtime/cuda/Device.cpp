#include "runtime/cuda/Device.h"

#include "runtime/cuda/GpuContext.h"
#include "runtime/plan/Plan.h"

#include <pthread.h>

namespace tenon::cuda {
namespace {

pthread_mutex_t uploads = PTHREAD_MUTEX_INITIALIZER;

struct Locked {
  Locked() { pthread_mutex_lock(&uploads); }
  ~Locked() { pthread_mutex_unlock(&uploads); }
};

tn_status findDevice(DevicePlan &on, Message &message) {
  const Driver &driver = *on.driver;
  int count = 0, major = 0, minor = 0;
  Result result = driver.deviceGetCount(&count);
  if (result == kNoDevice || (!result && count == 0))
    return message.fail(TN_DEVICE, "the driver shows no GPU (is CUDA_VISIBLE_DEVICES empty?)");
  if (result)
    return driver.fail(result, "counting the GPUs", message);
  if (on.ordinal >= count)
    return message.fail(TN_DEVICE, "GPU %d does not exist; the driver shows %d", on.ordinal, count);
  if ((result = driver.deviceGet(&on.device, on.ordinal)) || (result = driver.deviceGetName(on.name, sizeof on.name, on.device)) ||
      (result = driver.deviceGetAttribute(&major, kAttributeMajor, on.device)) ||
      (result = driver.deviceGetAttribute(&minor, kAttributeMinor, on.device)) || (result = driver.primaryContextRetain(&on.context, on.device)))
    return driver.fail(result, "opening the GPU", message);
  on.capability = 10 * major + minor;
  return TN_OK;
}

/// Whether a GPU runs an image: a cubin within its generation, PTX from its architecture on; what is specific to an architecture on that alone.
bool runs(const plan::format::DeviceCode &code, int capability) {
  int arch = int(plan::computeCapability(code.arch()->c_str()));
  if (plan::isArchSpecific(code.arch()->c_str()))
    return arch == capability;
  return arch <= capability && (code.is_ptx() || arch / 10 == capability / 10);
}

tn_status loadModule(const tn_plan &plan, DevicePlan &on, Message &message) {
  const auto *list = plan.metadata->device_code();
  const plan::format::DeviceCode *best = nullptr;
  for (uint32_t i = 0; i < plan::count(list); ++i) {
    const plan::format::DeviceCode &code = *list->Get(i);
    if (!runs(code, on.capability))
      continue;
    // Machine code before PTX, which the driver compiles now; the newest architecture of each.
    auto rank = [](const plan::format::DeviceCode &c) { return (c.is_ptx() ? 0 : 1000) + int(plan::computeCapability(c.arch()->c_str())); };
    if (!best || rank(code) > rank(*best))
      best = &code;
  }
  if (!best)
    return message.fail(TN_WRONG_TARGET, "holds code for %s, and GPU %d (%s) is sm_%d; compile with --target cuda:sm_%d",
                        plan.metadata->target()->arch()->c_str(), on.ordinal, on.name, on.capability, on.capability);
  const uint8_t *section = plan.sectionBytes(best->is_ptx() ? plan.ptxSection : plan.cubinSection).data();
  Result result = on.driver->moduleLoad(&on.module, section + best->offset());
  if (result == kNoBinaryForGpu || result == kInvalidPtx || result == kUnsupportedPtx)
    return message.fail(TN_WRONG_TARGET, "the driver cannot load the plan's %s for %s on GPU %d (%s): update the driver or compile for sm_%d",
                        best->is_ptx() ? "PTX" : "machine code", best->arch()->c_str(), on.ordinal, on.name, on.capability);
  return result ? on.driver->fail(result, "loading the plan's code", message) : TN_OK;
}

tn_status findFunctions(const tn_plan &plan, DevicePlan &on, Message &message) {
  const auto *kernels = plan.metadata->kernels();
  if (tn_status status = on.functions.allocate(libraryMemory(), plan::count(kernels), "the kernels of a plan", message))
    return status;
  int largestShared = 0;
  on.driver->deviceGetAttribute(&largestShared, kAttributeSharedOptIn, on.device);
  for (uint32_t i = 0; i < plan::count(kernels); ++i) {
    const plan::format::Kernel &kernel = *kernels->Get(i);
    if (Result result = on.driver->moduleGetFunction(&on.functions[i], on.module, kernel.name()->c_str()))
      return message.fail(TN_BAD_PLAN, "kernel '%s' is not in the plan's code (error %d)", kernel.name()->c_str(), result);
    if (int(kernel.shared_bytes()) > largestShared)
      return message.fail(TN_WRONG_TARGET, "kernel '%s' needs %u bytes of shared memory, GPU %d (%s) has %d", kernel.name()->c_str(),
                          kernel.shared_bytes(), on.ordinal, on.name, largestShared);
    if (kernel.shared_bytes())
      if (Result result = on.driver->functionSetAttribute(on.functions[i], kFunctionMaxDynamicShared, int(kernel.shared_bytes())))
        return on.driver->fail(result, kernel.name()->c_str(), message);
  }
  return TN_OK;
}

tn_status upload(const tn_plan &plan, DevicePlan &on, Message &message) {
  if (tn_status status = Driver::open(&on.driver, message))
    return status;
  if (tn_status status = findDevice(on, message))
    return status;
  CurrentContext current(*on.driver, on.context);
  if (plan::count(plan.metadata->kernels())) {
    if (tn_status status = loadModule(plan, on, message))
      return status;
    if (tn_status status = findFunctions(plan, on, message))
      return status;
  }
  size_t bytes = plan.sectionBytes(plan.weightsSection).size();
  if (!bytes)
    return TN_OK;
  if (tn_status status = allocateOnDevice(*on.driver, bytes, "the weights", &on.weights, message))
    return status;
  Result result = on.driver->copyToDevice(on.weights, plan.weights, bytes);
  return result ? on.driver->fail(result, "copying the weights to the GPU", message) : TN_OK;
}

} // namespace

tn_status allocateOnDevice(const Driver &driver, size_t bytes, const char *what, DevicePointer *memory, Message &message) {
  Result result = driver.allocate(memory, bytes);
  if (result != kOutOfMemory)
    return result ? driver.fail(result, what, message) : TN_OK;
  size_t free = 0, total = 0;
  driver.memoryInfo(&free, &total);
  return message.fail(TN_OUT_OF_MEMORY, "%s: %zu bytes of the GPU's memory are needed, %zu of %zu are free", what, bytes, free, total);
}

DevicePlan::~DevicePlan() {
  if (!context)
    return;
  {
    CurrentContext current(*driver, context);
    if (weights)
      driver->release(weights);
    if (module)
      driver->moduleUnload(module);
  }
  driver->primaryContextRelease(device);
}

tn_status devicePlan(tn_plan &plan, int ordinal, DevicePlan **result, Message &message) {
  Locked locked;
  for (DevicePlan *known = plan.devicePlans; known; known = known->next)
    if (known->ordinal == ordinal) {
      *result = known;
      return TN_OK;
    }
  DevicePlan *made = nullptr;
  if (tn_status status = createObject(libraryMemory(), &made, "a plan on a GPU", message))
    return status;
  made->ordinal = ordinal;
  if (tn_status status = upload(plan, *made, message)) {
    destroyObject(libraryMemory(), made);
    return status;
  }
  made->next = plan.devicePlans;
  plan.devicePlans = made;
  *result = made;
  return TN_OK;
}

} // namespace tenon::cuda

namespace tenon {

void releaseDevicePlans(tn_plan &plan) {
  while (cuda::DevicePlan *first = plan.devicePlans) {
    plan.devicePlans = first->next;
    destroyObject(libraryMemory(), first);
  }
}

} // namespace tenon
