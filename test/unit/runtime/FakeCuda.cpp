#include "test/unit/runtime/FakeCuda.h"

#include "runtime/cuda/Driver.h"

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <sys/mman.h>
#include <vector>

// Handles are pointers to these.
struct tenon::cuda::FunctionObject {
  std::string name;
};
struct tenon::cuda::GraphObject {
  std::vector<std::function<void()>> work;
};
struct tenon::cuda::GraphExecObject {
  std::vector<std::function<void()>> work;
};

namespace tenon::test {
namespace {

using namespace cuda;
using Work = std::vector<std::function<void()>>;

constexpr Result kInvalidValue = 1;
constexpr size_t kPage = 4096;

/// Memory that only what is queued may touch.
class DeviceMemory {
public:
  DeviceMemory() : base(static_cast<uint8_t *>(mmap(nullptr, kFakeMemory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  void open() { mprotect(base, kFakeMemory, PROT_READ | PROT_WRITE); }
  void close() { mprotect(base, kFakeMemory, PROT_NONE); }
  bool holds(DevicePointer pointer) const { return pointer - DevicePointer(base) < kFakeMemory; }
  Result allocate(DevicePointer *pointer, size_t bytes, FakeCuda &state) {
    if (!bytes)
      return kInvalidValue;
    if (bytes > state.capacity - state.bytesInUse)
      return kOutOfMemory;
    // First fit, on pages of their own: what is freed is used again soon, which shows what was freed too early.
    size_t offset = 0;
    for (const auto &[begin, size] : blocks)
      if (offset + bytes > begin)
        offset = (begin + size + kPage - 1) / kPage * kPage;
    if (offset + bytes > kFakeMemory)
      return kOutOfMemory;
    blocks[offset] = bytes;
    state.bytesInUse += bytes;
    ++state.allocations;
    *pointer = DevicePointer(base) + offset;
    open();
    memset(base + offset, 0xcd, bytes);
    close();
    return kSuccess;
  }
  Result release(DevicePointer pointer, FakeCuda &state) {
    auto found = blocks.find(pointer - DevicePointer(base));
    if (found == blocks.end())
      return kInvalidValue;
    state.bytesInUse -= found->second;
    --state.allocations;
    open();
    memset(base + found->first, 0xdd, found->second);
    close();
    blocks.erase(found);
    return kSuccess;
  }

private:
  uint8_t *base;
  std::map<size_t, size_t> blocks;
};

struct Machine {
  Machine() { state.capacity = kFakeMemory; }
  FakeCuda state;
  DeviceMemory memory;
  Work queued;
  Work *capturing = nullptr;
  std::map<std::string, FunctionObject> functions;

  void add(std::function<void()> work) { (capturing ? *capturing : queued).push_back(std::move(work)); }
  void runAll() {
    Work now = std::move(queued);
    queued.clear();
    memory.open();
    for (const auto &work : now)
      work();
    memory.close();
  }
};

Machine &machine() {
  static Machine made;
  return made;
}

void *address(DevicePointer pointer) { return reinterpret_cast<void *>(pointer); }

/// A launch's parameters: pointers and numbers, by value.
struct Parameters {
  std::vector<uint64_t> values;
  uint32_t tasks = 0;
  float *floats(size_t i) const { return reinterpret_cast<float *>(values[i]); }
};

/// The kernels of kernels.c, and some that decide: all tasks of a launch.
void runKernel(const std::string &name, const Parameters &p) {
  if (name == "add") { // a, b, out; elements, tasks
    for (int64_t i = 0; i < int64_t(p.values[3]); ++i)
      p.floats(2)[i] = p.floats(0)[i] + p.floats(1)[i];
  } else if (name == "twice") { // x, out, workspace; elements, tasks
    for (int64_t i = 0; i < int64_t(p.values[3]); ++i)
      p.floats(1)[i] = 2 * p.floats(0)[i];
  } else if (name == "below") { // i64 a, i64 b, bool out
    *reinterpret_cast<bool *>(p.values[2]) = *reinterpret_cast<int64_t *>(p.values[0]) < *reinterpret_cast<int64_t *>(p.values[1]);
  }
}

size_t parametersOf(const std::string &name) { return name == "below" ? 3 : 5; }

} // namespace

FakeCuda &fakeCuda() { return machine().state; }

void *fakeAllocate(size_t bytes) {
  DevicePointer pointer = 0;
  machine().memory.allocate(&pointer, bytes, machine().state);
  return address(pointer);
}

void fakeRelease(void *memory) { machine().memory.release(DevicePointer(memory), machine().state); }

void fakeCopy(void *to, const void *from, size_t bytes) {
  machine().add([=] { memcpy(to, from, bytes); });
  machine().runAll();
}

} // namespace tenon::test

#define DRIVER extern "C" __attribute__((visibility("default"))) tenon::cuda::Result

using namespace tenon::test;
using namespace tenon::cuda;

DRIVER cuInit(unsigned) { return kSuccess; }
DRIVER cuDriverGetVersion(int *version) { return *version = 12080, kSuccess; }
DRIVER cuDeviceGetCount(int *count) { return *count = 1, kSuccess; }
DRIVER cuDeviceGet(DeviceId *device, int) { return *device = 0, kSuccess; }
DRIVER cuDeviceGetName(char *name, int length, DeviceId) { return strncpy(name, "a GPU for tests", size_t(length)), kSuccess; }
DRIVER cuDeviceGetAttribute(int *value, int attribute, DeviceId) {
  *value = attribute == kAttributeMajor ? 9 : attribute == kAttributeMinor ? 0 : attribute == kAttributeMultiprocessors ? 132 : 1 << 17;
  return kSuccess;
}
DRIVER cuDeviceTotalMem_v2(size_t *bytes, DeviceId) { return *bytes = fakeCuda().capacity, kSuccess; }
DRIVER cuDevicePrimaryCtxRetain(ContextHandle *context, DeviceId) { return *context = reinterpret_cast<ContextHandle>(&machine()), kSuccess; }
DRIVER cuDevicePrimaryCtxRelease_v2(DeviceId) { return kSuccess; }
DRIVER cuCtxPushCurrent_v2(ContextHandle) { return kSuccess; }
DRIVER cuCtxPopCurrent_v2(ContextHandle *) { return kSuccess; }
DRIVER cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = fakeCuda().capacity;
  *free = *total - fakeCuda().bytesInUse;
  return kSuccess;
}
DRIVER cuMemAlloc_v2(DevicePointer *memory, size_t bytes) { return machine().memory.allocate(memory, bytes, fakeCuda()); }
DRIVER cuMemFree_v2(DevicePointer memory) { return machine().memory.release(memory, fakeCuda()); }
DRIVER cuMemAllocHost_v2(void **memory, size_t bytes) { return *memory = malloc(bytes), kSuccess; }
DRIVER cuMemFreeHost(void *memory) { return free(memory), kSuccess; }
DRIVER cuMemcpyHtoD_v2(DevicePointer to, const void *from, size_t bytes) { return fakeCopy(address(to), from, bytes), kSuccess; }
DRIVER cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, StreamHandle) {
  return machine().add([=] { memcpy(address(to), from, bytes); }), kSuccess;
}
DRIVER cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, StreamHandle) {
  ++fakeCuda().copiesToHost;
  return machine().add([=] { memcpy(to, address(from), bytes); }), kSuccess;
}
DRIVER cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, StreamHandle) {
  if (!machine().memory.holds(to) || !machine().memory.holds(from))
    return kInvalidValue;
  return machine().add([=] { memmove(address(to), address(from), bytes); }), kSuccess;
}
DRIVER cuMemsetD32Async(DevicePointer to, unsigned value, size_t words, StreamHandle) {
  return machine().add([=] { std::fill_n(static_cast<unsigned *>(address(to)), words, value); }), kSuccess;
}
DRIVER cuPointerGetAttributes(unsigned count, const int *attributes, void **values, DevicePointer pointer) {
  for (unsigned i = 0; i < count; ++i)
    if (attributes[i] == kPointerMemoryType)
      *static_cast<unsigned *>(values[i]) = machine().memory.holds(pointer) ? unsigned(kDeviceMemory) : 0;
  return kSuccess;
}
DRIVER cuCtxSynchronize() { return machine().runAll(), kSuccess; }
DRIVER cuModuleLoadData(ModuleHandle *module, const void *) { return *module = reinterpret_cast<ModuleHandle>(&machine()), kSuccess; }
DRIVER cuModuleUnload(ModuleHandle) { return kSuccess; }
DRIVER cuModuleGetFunction(FunctionHandle *function, ModuleHandle, const char *name) {
  FunctionObject &found = machine().functions[name];
  found.name = name;
  return *function = &found, kSuccess;
}
DRIVER cuFuncSetAttribute(FunctionHandle, int, int) { return kSuccess; }
DRIVER cuLaunchKernelEx(const LaunchConfig *config, FunctionHandle function, void **parameters, void **) {
  Parameters copied;
  size_t count = parametersOf(function->name);
  for (size_t i = 0; i < count; ++i)
    copied.values.push_back(*static_cast<uint64_t *>(parameters[i]));
  copied.tasks = *static_cast<uint32_t *>(parameters[count]);
  ++fakeCuda().launches;
  fakeCuda().largestGrid = std::max(fakeCuda().largestGrid, config->gridX);
  if (!config->gridX || uint64_t(config->gridX) * config->blockX < copied.tasks)
    return kInvalidValue;
  return machine().add([=] { runKernel(function->name, copied); }), kSuccess;
}
DRIVER cuStreamCreate(StreamHandle *stream, unsigned) { return *stream = reinterpret_cast<StreamHandle>(&machine()), kSuccess; }
DRIVER cuStreamDestroy_v2(StreamHandle) { return kSuccess; }
DRIVER cuStreamSynchronize(StreamHandle) {
  ++fakeCuda().waits;
  return machine().runAll(), kSuccess;
}
DRIVER cuStreamBeginCapture_v2(StreamHandle, unsigned) { return machine().capturing = new Work, kSuccess; }
DRIVER cuStreamEndCapture(StreamHandle, GraphHandle *graph) {
  *graph = new GraphObject{std::move(*machine().capturing)};
  delete machine().capturing;
  machine().capturing = nullptr;
  return kSuccess;
}
DRIVER cuGraphInstantiateWithFlags(GraphExecHandle *exec, GraphHandle graph, unsigned long long) { return *exec = new GraphExecObject{graph->work}, kSuccess; }
DRIVER cuGraphLaunch(GraphExecHandle exec, StreamHandle) {
  ++fakeCuda().graphLaunches;
  for (const auto &work : exec->work)
    machine().add(work);
  return kSuccess;
}
DRIVER cuGraphExecDestroy(GraphExecHandle exec) { return delete exec, kSuccess; }
DRIVER cuGraphDestroy(GraphHandle graph) { return delete graph, kSuccess; }
DRIVER cuEventCreate(EventHandle *event, unsigned) { return *event = reinterpret_cast<EventHandle>(&machine()), kSuccess; }
DRIVER cuEventDestroy_v2(EventHandle) { return kSuccess; }
DRIVER cuEventRecord(EventHandle, StreamHandle) { return kSuccess; }
DRIVER cuEventElapsedTime(float *milliseconds, EventHandle, EventHandle) { return *milliseconds = 0.25f, kSuccess; }
DRIVER cuGetErrorName(Result, const char **name) { return *name = "CUDA_ERROR_FAKE", kSuccess; }
DRIVER cuGetErrorString(Result, const char **text) { return *text = "an error of the GPU for tests", kSuccess; }
