#include "runtime/cuda/Device.h"

#include "runtime/cuda/GpuContext.h"
#include "runtime/cuda/Upload.h"
#include "runtime/plan/Capabilities.h"
#include "runtime/plan/Plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <pthread.h>

namespace tenon::cuda {
namespace {

pthread_mutex_t uploads = PTHREAD_MUTEX_INITIALIZER;

struct Locked {
  Locked() { pthread_mutex_lock(&uploads); }
  ~Locked() { pthread_mutex_unlock(&uploads); }
};

/// Opens the driver, and fills in what it says about GPU number `ordinal`.
tn_status find(int ordinal, const Driver **opened, Gpu &gpu, Message &message) {
  if (tn_status status = Driver::open(opened, message))
    return status;
  const Driver &driver = **opened;
  int count = 0, major = 0, minor = 0;
  Result result = driver.deviceGetCount(&count);
  if (result == kNoDevice || (!result && count == 0))
    return message.fail(TN_DEVICE, "%s", kNoGpuShown);
  if (result)
    return driver.fail(result, "counting the GPUs", message);
  if (ordinal >= count)
    return message.fail(TN_DEVICE, "GPU %d does not exist; the driver shows %d", ordinal, count);
  if ((result = driver.deviceGet(&gpu.device, ordinal)) || (result = driver.deviceGetName(gpu.name, sizeof gpu.name, gpu.device)) ||
      (result = driver.deviceGetAttribute(&major, kAttributeMajor, gpu.device)) ||
      (result = driver.deviceGetAttribute(&minor, kAttributeMinor, gpu.device)))
    return driver.fail(result, "opening the GPU", message);
  gpu.ordinal = ordinal;
  gpu.capability = 10 * major + minor;
  return TN_OK;
}

/// Whether a GPU runs an image: a cubin within its generation, PTX from its architecture on; what is specific to an architecture on that alone.
bool runs(const plan::format::DeviceCode &code, int capability) {
  int arch = int(plan::computeCapability(code.arch()->c_str()));
  if (plan::isArchSpecific(code.arch()->c_str()))
    return arch == capability;
  return arch <= capability && (code.is_ptx() || arch / 10 == capability / 10);
}

/// Machine code before PTX, which the driver compiles now; the newest architecture of each, and what is for it alone.
int rank(const plan::format::DeviceCode &code) {
  const char *arch = code.arch()->c_str();
  return (code.is_ptx() ? 0 : 10'000) + 2 * int(plan::computeCapability(arch)) + plan::isArchSpecific(arch);
}

/// The best code for a GPU, of lower rank than `above` where that is given; null where the plan has none that it runs.
const plan::format::DeviceCode *bestCode(const tn_plan &plan, int capability, const plan::format::DeviceCode *above = nullptr) {
  const auto *list = plan.metadata->device_code();
  const plan::format::DeviceCode *best = nullptr;
  for (uint32_t i = 0; i < plan::count(list); ++i) {
    const plan::format::DeviceCode &code = *list->Get(i);
    if (runs(code, capability) && (!above || rank(code) < rank(*above)) && (!best || rank(code) > rank(*best)))
      best = &code;
  }
  return best;
}

tn_status noCode(const tn_plan &plan, const Gpu &gpu, Message &message) {
  char archs[200] = "";
  size_t used = size_t(snprintf(archs, sizeof archs, "%s", plan.metadata->target()->arch()->c_str()));
  for (const tn_plan *variant : plan.variants)
    if (used < sizeof archs)
      used += size_t(snprintf(archs + used, sizeof archs - used, ", %s", variant->metadata->target()->arch()->c_str()));
  if (int nearest = nearestCapability(gpu.capability))
    return message.fail(TN_WRONG_TARGET, "holds code for %s, and GPU %d (%s) is sm_%d; compile with --target cuda:sm_%d", archs, gpu.ordinal,
                        gpu.name, gpu.capability, nearest);
  return message.fail(TN_WRONG_TARGET, "holds code for %s, and GPU %d (%s) is sm_%d; the first that can be compiled for is sm_%d", archs, gpu.ordinal,
                      gpu.name, gpu.capability, kCapabilities[0]);
}

/// Whether a driver, too old for an image or without a compiler for it, may still load another one.
bool refusesImage(Result result) {
  constexpr Result kRefusals[] = {kInvalidImage, kNoBinaryForGpu, kInvalidPtx, kNoPtxCompiler, kUnsupportedPtx, kPtxCompilerIsOff};
  return std::find(std::begin(kRefusals), std::end(kRefusals), result) != std::end(kRefusals);
}

/// Loads the best image that the driver takes.
tn_status loadModule(const tn_plan &plan, DevicePlan &on, Message &message) {
  const plan::format::DeviceCode *code = bestCode(plan, on.capability);
  if (!code)
    return noCode(plan, on, message);
  const tn_plan &file = plan.root();
  char refusals[400] = "";
  for (size_t used = 0; code; code = bestCode(plan, on.capability, code)) {
    const char *kind = code->is_ptx() ? "PTX" : "machine code";
    Result result =
        on.driver->moduleLoad(&on.module, file.sectionBytes(code->is_ptx() ? file.ptxSection : file.cubinSection).data() + code->offset());
    if (!result)
      return TN_OK;
    on.module = nullptr;
    if (!refusesImage(result)) {
      char what[96];
      snprintf(what, sizeof what, "loading the plan's code (%llu bytes of %s)", (unsigned long long)code->bytes(), kind);
      return on.driver->fail(result, what, message);
    }
    if (used < sizeof refusals)
      used += size_t(snprintf(refusals + used, sizeof refusals - used, "%s%s for %s: %s (%s)", used ? "; " : "", kind, code->arch()->c_str(),
                              on.driver->wordsFor(result), on.driver->nameOf(result)));
  }
  return message.fail(TN_WRONG_TARGET, "the driver cannot load the plan's code on GPU %d (%s): %s. Update the driver or compile for sm_%d",
                      on.ordinal, on.name, refusals, nearestCapability(on.capability));
}

/// A plan and those that it calls.
template <typename Visit> tn_status forEachPlan(const tn_plan &plan, Visit visit) {
  if (tn_status status = visit(plan))
    return status;
  for (const tn_plan *called : plan.plans)
    if (tn_status status = visit(*called))
      return status;
  return TN_OK;
}

tn_status findFunctionsOf(const tn_plan &plan, DevicePlan &on, int largestShared, Message &message) {
  const auto *kernels = plan.metadata->kernels();
  for (uint32_t i = 0; i < plan::count(kernels); ++i) {
    const plan::format::Kernel &kernel = *kernels->Get(i);
    FunctionHandle &function = on.functions[plan.firstKernel + i];
    function = nullptr;
    if (kernel.library())
      continue;
    Result result = on.driver->moduleGetFunction(&function, on.module, kernel.name()->c_str());
    if (result == kNotFound)
      return message.fail(TN_BAD_PLAN, "kernel '%s' is not in the plan's code", kernel.name()->c_str());
    if (result)
      return on.driver->fail(result, kernel.name()->c_str(), message);
    if (int(kernel.shared_bytes()) > largestShared)
      return message.fail(TN_WRONG_TARGET, "kernel '%s' needs %u bytes of shared memory, GPU %d (%s) has %d", kernel.name()->c_str(),
                          kernel.shared_bytes(), on.ordinal, on.name, largestShared);
    if (kernel.shared_bytes())
      if (Result result = on.driver->functionSetAttribute(function, kFunctionMaxDynamicShared, int(spreadShared(on.shared, kernel.shared_bytes(), 1))))
        return on.driver->fail(result, kernel.name()->c_str(), message);
  }
  return TN_OK;
}

tn_status findFunctions(const tn_plan &plan, DevicePlan &on, uint32_t kernels, Message &message) {
  if (tn_status status = on.functions.allocate(libraryMemory(), kernels, "the kernels of a plan", message))
    return status;
  int largestShared = 0, sharedOfMultiprocessor = 0, multiprocessors = 0;
  on.driver->deviceGetAttribute(&largestShared, kAttributeSharedOptIn, on.device);
  on.driver->deviceGetAttribute(&sharedOfMultiprocessor, kAttributeSharedOfMultiprocessor, on.device);
  on.driver->deviceGetAttribute(&multiprocessors, kAttributeMultiprocessors, on.device);
  if (on.capability >= kFirstWithDependentLaunch)
    on.shared = {uint32_t(multiprocessors), uint32_t(sharedOfMultiprocessor), uint32_t(largestShared)};
  return forEachPlan(plan, [&](const tn_plan &each) { return findFunctionsOf(each, on, largestShared, message); });
}

/// Of a file that holds several variants only the constants of this one, one behind the other; otherwise all as they lie in the file.
tn_status uploadWeights(const tn_plan &plan, DevicePlan &on, Message &message) {
  uint64_t fileBytes = plan.root().sectionBytes(plan.root().weightsSection).size(), bytes = plan.weightsBytes();
  bool isWhole = bytes >= fileBytes;
  bytes = isWhole ? fileBytes : bytes;
  if (!bytes)
    return TN_OK;
  if (tn_status status = allocateOnDevice(*on.driver, bytes, "the weights", &on.weights, message))
    return status;
  auto copy = [&](uint64_t to, uint64_t from, uint64_t size) {
    Result result = copyToDevice(*on.driver, on.context, on.weights + to, plan.weights + from, size);
    return result ? on.driver->fail(result, "copying the weights to the GPU", message) : TN_OK;
  };
  if (isWhole)
    return copy(0, 0, bytes);
  uint32_t constants = 0;
  forEachPlan(plan, [&](const tn_plan &each) {
    constants += plan::count(each.metadata->constants());
    return TN_OK;
  });
  if (tn_status status = on.offsets.allocate(libraryMemory(), constants, "the constants of a plan", message))
    return status;
  uint64_t next = 0;
  return forEachPlan(plan, [&](const tn_plan &each) {
    for (uint32_t i = 0; i < plan::count(each.metadata->constants()); ++i) {
      const plan::format::Constant &constant = *each.metadata->constants()->Get(i);
      if (tn_status status = copy(next, constant.offset(), constant.bytes()))
        return status;
      on.offsets[each.firstConstant + i] = next;
      next += plan::alignUp(constant.bytes(), plan::kConstantAlignment);
    }
    return TN_OK;
  });
}

tn_status upload(const tn_plan &plan, int ordinal, DevicePlan &on, Message &message) {
  if (tn_status status = find(ordinal, &on.driver, on, message))
    return status;
  if (Result result = on.driver->primaryContextRetain(&on.context, on.device)) {
    size_t total = 0; // what is free only a context says
    on.driver->deviceTotalMemory(&total, on.device);
    char what[160];
    snprintf(what, sizeof what, "opening GPU %d (%s, %zu bytes of memory)", on.ordinal, on.name, total);
    return on.driver->fail(result, what, message);
  }
  CurrentContext current(*on.driver, on.context);
  uint32_t kernels = 0;
  forEachPlan(plan, [&](const tn_plan &each) {
    kernels += plan::count(each.metadata->kernels());
    return TN_OK;
  });
  if (kernels) {
    if (tn_status status = loadModule(plan, on, message))
      return status;
    if (tn_status status = findFunctions(plan, on, kernels, message))
      return status;
  }
  if (tn_status status = uploadWeights(plan, on, message))
    return status;
  // Of memory that is not pinned a copy may return before all of it has arrived, and streams of contexts do not wait for the default one.
  Result result = on.driver->streamSynchronize(nullptr);
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
  if (tn_status status = upload(plan, ordinal, *made, message)) {
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

tn_status describeDevice(uint32_t device, tn_device_info &info, Message &message) {
  const cuda::Driver *driver = nullptr;
  cuda::Gpu gpu;
  if (tn_status status = cuda::find(int(device), &driver, gpu, message))
    return status;
  int values[4] = {}; // a driver that does not know one leaves it 0
  const int attributes[] = {cuda::kAttributeMultiprocessors, cuda::kAttributeClock, cuda::kAttributeMemoryClock, cuda::kAttributeBusWidth};
  for (int i = 0; i < 4; ++i)
    driver->deviceGetAttribute(&values[i], attributes[i], gpu.device);
  size_t total = 0;
  driver->deviceTotalMemory(&total, gpu.device);
  constexpr uint64_t kTransfersPerClock = 2, kBitsPerByte = 8;
  uint64_t bandwidth = kTransfersPerClock * 1000 * uint64_t(values[2]) * uint64_t(values[3]) / kBitsPerByte;
  info = {0, uint32_t(gpu.capability), "", uint32_t(values[0]), uint32_t(values[1]), total, bandwidth};
  static_assert(sizeof info.name == sizeof gpu.name);
  memcpy(info.name, gpu.name, sizeof info.name);
  return TN_OK;
}

tn_status chooseVariant(tn_plan &plan, uint32_t device, tn_plan **chosen, Message &message) {
  *chosen = &plan;
  if (plan.variants.size() == 0)
    return TN_OK;
  const cuda::Driver *driver = nullptr;
  cuda::Gpu gpu;
  if (tn_status status = cuda::find(int(device), &driver, gpu, message))
    return status;
  const plan::format::DeviceCode *best = cuda::bestCode(plan, gpu.capability);
  for (tn_plan *variant : plan.variants)
    if (const auto *code = cuda::bestCode(*variant, gpu.capability); code && (!best || cuda::rank(*code) > cuda::rank(*best))) {
      best = code;
      *chosen = variant;
    }
  return best ? TN_OK : cuda::noCode(plan, gpu, message);
}

void releaseDevicePlans(tn_plan &plan) {
  while (cuda::DevicePlan *first = plan.devicePlans) {
    plan.devicePlans = first->next;
    destroyObject(libraryMemory(), first);
  }
}

} // namespace tenon
