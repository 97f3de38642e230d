#include "tools/tenon/DeviceRuns.h"
#include "tools/tenon/MeasuredPlan.h"

#include <algorithm>
#include <chrono>
#include <dlfcn.h>

namespace tenon::driver {

struct DeviceDriver {
  explicit DeviceDriver(uint32_t number) {
    library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
      throw Failure(std::string("libcuda.so.1: ") + ::dlerror());
    find(deviceGet, "cuDeviceGet");
    find(retain, "cuDevicePrimaryCtxRetain");
    find(release, "cuDevicePrimaryCtxRelease_v2");
    find(setCurrent, "cuCtxSetCurrent");
    find(allocate, "cuMemAlloc_v2");
    find(free, "cuMemFree_v2");
    find(allocatePinned, "cuMemAllocHost_v2");
    find(freePinned, "cuMemFreeHost");
    find(copyToDevice, "cuMemcpyHtoD_v2");
    find(copyToDeviceAsync, "cuMemcpyHtoDAsync_v2");
    find(copyToHostAsync, "cuMemcpyDtoHAsync_v2");
    find(streamCreate, "cuStreamCreate");
    find(streamDestroy, "cuStreamDestroy_v2");
    find(eventCreate, "cuEventCreate");
    find(eventDestroy, "cuEventDestroy_v2");
    find(eventRecord, "cuEventRecord");
    find(eventSynchronize, "cuEventSynchronize");
    find(eventElapsedTime, "cuEventElapsedTime");
    // The context that the runtime works in, current in this thread; it had better stay so.
    void *primary = nullptr;
    require(deviceGet(&device, int(number)), "the GPU");
    require(retain(&primary, device), "the GPU's context");
    require(setCurrent(primary), "the GPU's context");
  }
  ~DeviceDriver() { release(device); }

  template <typename Function> void find(Function &function, const char *name) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (!function)
      throw Failure(std::string("libcuda.so.1 has no ") + name);
  }
  static void require(int result, const char *what) {
    if (result != 0)
      throw Failure(std::string(what) + ": CUDA error " + std::to_string(result));
  }

  void *library = nullptr;
  int device = 0;
  int (*deviceGet)(int *, int);
  int (*retain)(void **, int);
  int (*release)(int);
  int (*setCurrent)(void *);
  int (*allocate)(uint64_t *, size_t);
  int (*free)(uint64_t);
  int (*allocatePinned)(void **, size_t);
  int (*freePinned)(void *);
  int (*copyToDevice)(uint64_t, const void *, size_t);
  int (*copyToDeviceAsync)(uint64_t, const void *, size_t, void *);
  int (*copyToHostAsync)(void *, uint64_t, size_t, void *);
  int (*streamCreate)(void **, unsigned);
  int (*streamDestroy)(void *);
  int (*eventCreate)(void **, unsigned);
  int (*eventDestroy)(void *);
  int (*eventRecord)(void *, void *);
  int (*eventSynchronize)(void *);
  int (*eventElapsedTime)(float *, void *, void *);
};

DeviceRuns::DeviceRuns(tn_context *context, uint32_t device, const std::vector<tn_tensor> &given, const std::vector<tn_tensor> &computed)
    : context(context), driver(std::make_unique<DeviceDriver>(device)) {
  constexpr unsigned kNonBlocking = 1;
  DeviceDriver::require(driver->streamCreate(&stream, kNonBlocking), "a stream");
  for (void **event : {&begin, &end})
    DeviceDriver::require(driver->eventCreate(event, 0), "an event");
  for (const tn_tensor &tensor : given)
    inputs.push_back(onDevice(tensor, true));
  for (const tn_tensor &tensor : computed)
    outputs.push_back(onDevice(tensor, false));
}

DeviceRuns::~DeviceRuns() {
  for (uint64_t address : memory)
    driver->free(address); // waits for what uses it
  for (void *event : {begin, end})
    if (event)
      driver->eventDestroy(event);
  if (stream)
    driver->streamDestroy(stream);
}

tn_tensor DeviceRuns::onDevice(const tn_tensor &tensor, bool copy) {
  constexpr size_t kLeast = 16; // an empty tensor has an address as well
  uint64_t address = 0;
  DeviceDriver::require(driver->allocate(&address, std::max<size_t>(tensor.bytes, kLeast)), "memory of the GPU for a tensor");
  memory.push_back(address);
  if (copy && tensor.bytes)
    DeviceDriver::require(driver->copyToDevice(address, tensor.data, tensor.bytes), "copying an input");
  tn_tensor placed = tensor;
  placed.data = reinterpret_cast<void *>(address);
  return placed;
}

double DeviceRuns::run() {
  constexpr double kSeconds = 2e-3; // long against what events resolve, short against changes of the clock
  constexpr int kMost = 64, kWarm = 2;
  auto measure = [&](int runs) { return decides ? wait(runs) : queue(runs); };
  double once = measure(kWarm); // the context's last run may have been on other tensors
  if (count == 0)
    count = int(std::clamp(kSeconds / std::max(measure(kWarm), 1e-9), 1.0, double(kMost)));
  return count > kWarm ? measure(count) : once;
}

double DeviceRuns::queue(int runs) {
  if (driver->eventRecord(begin, stream) != 0)
    throw DeviceLost("the GPU does not answer");
  for (int i = 0; i < runs; i++) {
    tn_status status = tn_run_async(context, inputs.data(), outputs.data(), stream);
    if (status == TN_INVALID_ARGUMENT && i == 0) {
      decides = true;
      return wait(runs);
    }
    if (status == TN_DEVICE)
      throw DeviceLost(tn_last_message(context));
    if (status != TN_OK)
      throw Failure(tn_last_message(context));
  }
  return elapsed() / runs;
}

double DeviceRuns::copyInputs() {
  return timeCopies(inputs, true);
}
double DeviceRuns::copyOutputs() {
  return timeCopies(outputs, false);
}

double DeviceRuns::timeCopies(const std::vector<tn_tensor> &tensors, bool toDevice) {
  constexpr int kTries = 10;
  size_t bytes = 1;
  for (const tn_tensor &tensor : tensors)
    bytes += tensor.bytes;
  void *pinned = nullptr;
  DeviceDriver::require(driver->allocatePinned(&pinned, bytes), "pinned memory for inputs or outputs");
  std::unique_ptr<void, int (*)(void *)> owned(pinned, driver->freePinned);
  copy(tensors, pinned, false); // what inputs hold is what is written back
  double least = copy(tensors, pinned, toDevice);
  for (int i = 1; i < kTries; i++)
    least = std::min(least, copy(tensors, pinned, toDevice));
  return least;
}

double DeviceRuns::copy(const std::vector<tn_tensor> &tensors, void *pinned, bool toDevice) {
  char *host = static_cast<char *>(pinned);
  int result = driver->eventRecord(begin, stream);
  for (const tn_tensor &tensor : tensors) {
    uint64_t address = reinterpret_cast<uint64_t>(tensor.data);
    if (tensor.bytes && result == 0)
      result =
          toDevice ? driver->copyToDeviceAsync(address, host, tensor.bytes, stream) : driver->copyToHostAsync(host, address, tensor.bytes, stream);
    host += tensor.bytes;
  }
  DeviceDriver::require(result, "copying inputs or outputs");
  return elapsed();
}

double DeviceRuns::elapsed() {
  float milliseconds = 0;
  if (driver->eventRecord(end, stream) != 0 || driver->eventSynchronize(end) != 0 || driver->eventElapsedTime(&milliseconds, begin, end) != 0)
    throw DeviceLost("a kernel failed on the GPU");
  return milliseconds * 1e-3;
}

double DeviceRuns::wait(int runs) {
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; i++) {
    tn_status status = tn_run(context, inputs.data(), outputs.data());
    if (status == TN_DEVICE)
      throw DeviceLost(tn_last_message(context));
    if (status != TN_OK)
      throw Failure(tn_last_message(context));
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
}

} // namespace tenon::driver
