// The library libcuda.so.1 of the tests.
#include "test/unit/runtime/gpu/FakeDriver.h"

#include "runtime/cuda/Driver.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>

using namespace tenon;
using tenon::test::FakeDriver;

namespace {

using namespace tenon::cuda;
constexpr Result kInvalidValue = 1, kInvalidContext = 201;

struct Allocation {
  size_t bytes;
  int device; // -1: pinned memory of the host
};
using Work = std::function<Result()>;
using Works = std::vector<Work>;

FakeDriver fake;
std::recursive_mutex mutex;
std::map<uintptr_t, Allocation> allocations;
std::map<void *, Works> captured;       // by stream, while it captures
Works deferred;                         // of all streams
std::set<void *> objects;               // streams, events, modules, graphs, graphs to launch
thread_local std::vector<int> contexts; // devices

using Lock = std::lock_guard<std::recursive_mutex>;

Result misuse(const std::string &what) {
  fake.misuses.push_back(what);
  return kInvalidValue;
}

/// What a call gives that may fail; 0 where it goes on.
Result mayFail(const char *call = __builtin_FUNCTION()) {
  if (fake.sticky)
    return fake.sticky;
  if (auto found = fake.results.find(call); found != fake.results.end())
    return found->second;
  if (fake.failingCall > 0 && --fake.failingCall == 0)
    return fake.failure;
  return kSuccess;
}

template <typename T> void *create(const char *kind, T value) {
  ++fake.alive[kind];
  void *object = new T(std::move(value));
  objects.insert(object);
  return object;
}

template <typename T> Result destroy(const char *kind, void *object) {
  if (!objects.erase(object))
    return misuse(std::string("destroyed what is no ") + kind);
  --fake.alive[kind];
  delete static_cast<T *>(object);
  return fake.sticky;
}

Result needContext() {
  return contexts.empty() ? misuse("no context is current"), kInvalidContext : kSuccess;
}

/// The allocation that holds all of these bytes; null where none does.
const Allocation *holding(uintptr_t address, size_t bytes, uintptr_t *start = nullptr) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return nullptr;
  --after;
  if (address + bytes > after->first + after->second.bytes)
    return nullptr;
  if (start)
    *start = after->first;
  return &after->second;
}

Result needOnDevice(uintptr_t address, size_t bytes, const char *what) {
  const Allocation *found = holding(address, bytes);
  if (!found || found->device != contexts.back())
    return misuse(std::string(what) + " is not in the device's memory");
  return kSuccess;
}

Result enqueue(void *stream, Work work) {
  if (stream && !objects.count(stream))
    return misuse("a stream that is none");
  if (auto found = captured.find(stream); found != captured.end()) {
    found->second.push_back(std::move(work));
    return kSuccess;
  }
  if (!fake.defers)
    return work();
  deferred.push_back(std::move(work));
  return kSuccess;
}

/// Does what was deferred, until `isEnough`; the first error, after which the rest is dropped.
Result finish(const std::function<bool()> &isEnough = [] { return false; }) {
  Works now = std::move(deferred);
  deferred.clear();
  size_t done = 0;
  while (done < now.size() && !isEnough())
    if (Result result = now[done++]())
      return result;
  deferred.assign(now.begin() + long(done), now.end());
  return kSuccess;
}

Result allocate(size_t bytes, int device, uintptr_t *address) {
  size_t &used = device < 0 ? fake.usedPinned : fake.used[device];
  if (used + bytes > (device < 0 ? fake.pinned : fake.memory))
    return kOutOfMemory;
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);
  used += bytes;
  ++fake.alive[device < 0 ? "pinned memory" : "memory"];
  *address = uintptr_t(memory);
  allocations[*address] = {bytes, device};
  return kSuccess;
}

Result release(uintptr_t address) {
  auto found = allocations.find(address);
  if (found == allocations.end())
    return misuse("released memory that is not allocated");
  (found->second.device < 0 ? fake.usedPinned : fake.used[found->second.device]) -= found->second.bytes;
  --fake.alive[found->second.device < 0 ? "pinned memory" : "memory"];
  std::free(reinterpret_cast<void *>(address));
  allocations.erase(found);
  return fake.sticky;
}

/// A launch's parameters, by value.
struct Parameters {
  std::vector<float *> buffers;
  size_t elements;
  int64_t number(size_t i) const { return *reinterpret_cast<int64_t *>(buffers[i]); }
};

Result runKernel(const std::string &name, const Parameters &given) {
  constexpr Result kIllegalAddress = 700;
  if (name == fake.faulting)
    return fake.sticky = kIllegalAddress;
  const std::vector<float *> &buffers = given.buffers;
  for (size_t i = 0; i < buffers.size() && given.elements; ++i)
    if (Result result = needOnDevice(uintptr_t(buffers[i]), name == "add" || (name == "twice" && i < 2) ? 4 * given.elements : 1, "an operand"))
      return result;
  for (size_t i = 0; i < given.elements; ++i)
    if (name == "add")
      buffers[2][i] = buffers[0][i] + buffers[1][i];
    else if (name == "twice")
      buffers[1][i] = 2 * buffers[0][i];
  if (name == "below")
    *reinterpret_cast<bool *>(buffers[2]) = given.number(0) < given.number(1);
  ++fake.launches;
  return kSuccess;
}

} // namespace

FakeDriver *tenonFakeDriver() {
  return &fake;
}
void *tenonFakeAllocate(size_t bytes, int device) {
  Lock lock(mutex);
  uintptr_t address = 0;
  allocate(bytes, device, &address);
  return reinterpret_cast<void *>(address);
}
void tenonFakeRelease(void *memory) {
  Lock lock(mutex);
  release(uintptr_t(memory));
}
void tenonFakeAdopt(void *memory, size_t bytes, int device) {
  Lock lock(mutex);
  allocations[uintptr_t(memory)] = {bytes, device};
}
void tenonFakeDisown(void *memory) {
  Lock lock(mutex);
  allocations.erase(uintptr_t(memory));
}
size_t tenonFakePending() {
  Lock lock(mutex);
  return deferred.size();
}
const void *tenonFakeContents(size_t bytes, int device) {
  Lock lock(mutex);
  for (const auto &[address, allocation] : allocations)
    if (allocation.device == device && allocation.bytes >= bytes)
      return reinterpret_cast<const void *>(address);
  return nullptr;
}

void tenonFakeEnqueue(void *stream, std::function<void()> work) {
  Lock lock(mutex);
  enqueue(stream, [work = std::move(work)] { return work(), kSuccess; });
}

#define FAKE extern "C" Result

FAKE cuInit(unsigned) {
  return mayFail();
}
FAKE cuDriverGetVersion(int *version) {
  return *version = fake.version, kSuccess;
}
FAKE cuDeviceGetCount(int *count) {
  return *count = fake.devices, mayFail();
}
FAKE cuDeviceGet(DeviceId *device, int ordinal) {
  return *device = ordinal, mayFail();
}
FAKE cuDeviceGetName(char *name, int length, DeviceId) {
  return snprintf(name, size_t(length), "Fake GPU"), mayFail();
}
FAKE cuDeviceTotalMem_v2(size_t *bytes, DeviceId) {
  return *bytes = fake.memory, kSuccess;
}
FAKE cuDeviceGetAttribute(int *value, int attribute, DeviceId) {
  *value = attribute == kAttributeMajor ? fake.capability / 10 : attribute == kAttributeMinor ? fake.capability % 10 : 100'000;
  return mayFail();
}
FAKE cuDevicePrimaryCtxRetain(ContextHandle *context, DeviceId device) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  ++fake.alive["context"];
  *context = reinterpret_cast<ContextHandle>(uintptr_t(device) + 1);
  return kSuccess;
}
FAKE cuDevicePrimaryCtxRelease_v2(DeviceId) {
  Lock lock(mutex);
  --fake.alive["context"];
  return fake.sticky;
}
FAKE cuCtxPushCurrent_v2(ContextHandle context) {
  return contexts.push_back(int(uintptr_t(context)) - 1), kSuccess;
}
FAKE cuCtxSetCurrent(ContextHandle context) {
  if (contexts.empty())
    contexts.emplace_back();
  return contexts.back() = int(uintptr_t(context)) - 1, kSuccess;
}
FAKE cuCtxPopCurrent_v2(ContextHandle *) {
  if (Result result = needContext())
    return result;
  return contexts.pop_back(), kSuccess;
}
FAKE cuCtxSynchronize() {
  Lock lock(mutex);
  return fake.sticky ? fake.sticky : finish();
}
FAKE cuMemGetInfo_v2(size_t *free, size_t *total) {
  if (fake.sticky || contexts.empty())
    return fake.sticky ? fake.sticky : kInvalidContext;
  return *free = fake.memory - fake.used[contexts.back()], *total = fake.memory, kSuccess;
}
FAKE cuMemAlloc_v2(DevicePointer *memory, size_t bytes) {
  Lock lock(mutex);
  if (Result result = needContext())
    return result;
  Result result = mayFail();
  uintptr_t address = 0;
  result = result ? result : allocate(bytes, contexts.back(), &address);
  *memory = address;
  return result;
}
FAKE cuMemFree_v2(DevicePointer memory) {
  Lock lock(mutex);
  return release(memory);
}
FAKE cuMemAllocHost_v2(void **memory, size_t bytes) {
  Lock lock(mutex);
  Result result = mayFail();
  uintptr_t address = 0;
  result = result ? result : allocate(bytes, -1, &address);
  *memory = reinterpret_cast<void *>(address);
  return result;
}
FAKE cuMemFreeHost(void *memory) {
  Lock lock(mutex);
  return release(uintptr_t(memory));
}
FAKE cuMemcpyHtoD_v2(DevicePointer to, const void *from, size_t bytes) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  if (Result result = needOnDevice(to, bytes, "the target of a copy"))
    return result;
  // It was read when this returns, but may arrive later.
  return enqueue(nullptr, [to, staged = std::vector<char>(static_cast<const char *>(from), static_cast<const char *>(from) + bytes)] {
    return std::memcpy(reinterpret_cast<void *>(to), staged.data(), staged.size()), kSuccess;
  });
}
FAKE cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, StreamHandle stream) {
  Lock lock(mutex);
  fake.hostEnds.push_back(uintptr_t(from));
  if (Result result = mayFail())
    return result;
  return enqueue(stream, [=] {
    Result result = needOnDevice(to, bytes, "the target of a copy");
    return result ? result : (std::memcpy(reinterpret_cast<void *>(to), from, bytes), kSuccess);
  });
}
FAKE cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, StreamHandle stream) {
  Lock lock(mutex);
  ++fake.copiesToHost;
  fake.hostEnds.push_back(uintptr_t(to));
  if (Result result = mayFail())
    return result;
  return enqueue(stream, [=] {
    Result result = needOnDevice(from, bytes, "the source of a copy");
    return result ? result : (std::memcpy(to, reinterpret_cast<void *>(from), bytes), kSuccess);
  });
}
FAKE cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, StreamHandle stream) {
  Lock lock(mutex);
  ++fake.copiesOnDevice;
  if (Result result = mayFail())
    return result;
  return enqueue(stream, [=] {
    Result result = needOnDevice(from, bytes, "the source of a copy");
    result = result ? result : needOnDevice(to, bytes, "the target of a copy");
    return result ? result : (std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes), kSuccess);
  });
}
FAKE cuMemsetD32Async(DevicePointer to, unsigned value, size_t words, StreamHandle stream) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  return enqueue(stream, [=] {
    Result result = needOnDevice(to, 4 * words, "the target of a number");
    return result ? result : (std::fill_n(reinterpret_cast<unsigned *>(to), words, value), kSuccess);
  });
}
FAKE cuPointerGetAttributes(unsigned count, const int *attributes, void **values, DevicePointer pointer) {
  Lock lock(mutex);
  uintptr_t start = 0;
  const Allocation *found = holding(pointer, 1, &start);
  for (unsigned i = 0; i < count; ++i)
    switch (attributes[i]) {
    case kPointerMemoryType:
      *static_cast<unsigned *>(values[i]) = !found ? 0 : found->device < 0 ? 1 : kDeviceMemory;
      break;
    case kPointerIsManaged:
      *static_cast<unsigned *>(values[i]) = 0;
      break;
    case kPointerIsPlain:
      *static_cast<unsigned *>(values[i]) = found != nullptr;
      break;
    case kPointerDevice:
      *static_cast<int *>(values[i]) = found ? found->device : -2;
      break;
    case kPointerRangeStart:
      *static_cast<DevicePointer *>(values[i]) = start;
      break;
    case kPointerRangeBytes:
      *static_cast<size_t *>(values[i]) = found ? found->bytes : 0;
      break;
    default:
      return misuse("an unknown attribute of a pointer");
    }
  return fake.sticky;
}
FAKE cuModuleLoadData(ModuleHandle *module, const void *image) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  if (Result result = *static_cast<const char *>(image) == '.' ? fake.ptx : fake.machineCode)
    return result;
  return *module = static_cast<ModuleHandle>(create("module", 0)), kSuccess;
}
FAKE cuModuleUnload(ModuleHandle module) {
  Lock lock(mutex);
  return destroy<int>("module", module);
}
FAKE cuModuleGetFunction(FunctionHandle *function, ModuleHandle, const char *name) {
  static char add[] = "add", twice[] = "twice", below[] = "below";
  for (char *known : {add, twice, below})
    if (!std::strcmp(known, name))
      return *function = reinterpret_cast<FunctionHandle>(known), mayFail();
  return kNotFound;
}
FAKE cuFuncSetAttribute(FunctionHandle, int, int) {
  return mayFail();
}
FAKE cuTensorMapEncodeTiled(TensorMapObject *object, int, unsigned rank, void *address, const uint64_t *, const uint64_t *, const unsigned *, const unsigned *,
                            int, int, int, int) {
  Lock lock(mutex);
  if (uintptr_t(object) % alignof(TensorMapObject))
    fake.misuses.push_back("a tensor map is not aligned");
  *object = {{uintptr_t(address), rank}};
  return mayFail();
}
FAKE cuTensorMapEncodeIm2col(TensorMapObject *object, int, unsigned rank, void *address, const uint64_t *, const uint64_t *, const int *, const int *, unsigned,
                             unsigned, const unsigned *, int, int, int, int) {
  Lock lock(mutex);
  *object = {{uintptr_t(address), rank}};
  return mayFail();
}
FAKE cuLaunchKernelEx(const LaunchConfig *config, FunctionHandle function, void **parameters, void **) {
  Lock lock(mutex);
  if (Result result = needContext())
    return result;
  if (Result result = mayFail())
    return result;
  std::string name = reinterpret_cast<const char *>(function);
  Parameters given;
  for (int i = 0; i < 3; ++i)
    given.buffers.push_back(*static_cast<float **>(parameters[i]));
  given.elements = name == "below" ? 1 : size_t(*static_cast<int64_t *>(parameters[3]));
  constexpr int kFirstMap = 5; // behind two symbols
  for (int i = 0; i < fake.mapsOfLaunch; ++i)
    fake.mapped.push_back(uintptr_t(static_cast<const TensorMapObject *>(parameters[kFirstMap + i])->words[0]));
  fake.earlyLaunches += config->attributeCount > 0;
  if (!config->gridX)
    return misuse("a launch of no blocks");
  return enqueue(config->stream, [=] { return runKernel(name, given); });
}
FAKE cuStreamCreate(StreamHandle *stream, unsigned) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  return *stream = static_cast<StreamHandle>(create("stream", 0)), kSuccess;
}
FAKE cuStreamDestroy_v2(StreamHandle stream) {
  Lock lock(mutex);
  return destroy<int>("stream", stream);
}
FAKE cuStreamSynchronize(StreamHandle) {
  Lock lock(mutex);
  Result result = mayFail();
  return result ? result : finish();
}
FAKE cuStreamWriteValue32_v2(StreamHandle stream, DevicePointer to, unsigned value, unsigned) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  return enqueue(stream, [=] {
    const Allocation *found = holding(to, sizeof value);
    if (!found || found->device >= 0)
      return misuse("a word is not in pinned memory");
    return *reinterpret_cast<unsigned *>(to) = value, kSuccess;
  });
}
FAKE cuStreamBeginCapture_v2(StreamHandle stream, unsigned) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  ++fake.captures;
  return captured[stream] = {}, kSuccess;
}
FAKE cuStreamEndCapture(StreamHandle stream, GraphHandle *graph) {
  Lock lock(mutex);
  Works works = std::move(captured[stream]);
  captured.erase(stream);
  if (Result result = mayFail())
    return result;
  return *graph = static_cast<GraphHandle>(create("graph", std::move(works))), kSuccess;
}
FAKE cuGraphInstantiateWithFlags(GraphExecHandle *exec, GraphHandle graph, unsigned long long) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  return *exec = static_cast<GraphExecHandle>(create("graph to launch", *reinterpret_cast<Works *>(graph))), kSuccess;
}
FAKE cuGraphLaunch(GraphExecHandle exec, StreamHandle stream) {
  Lock lock(mutex);
  if (Result result = needContext())
    return result;
  if (Result result = mayFail())
    return result;
  if (!objects.count(exec))
    return misuse("launched what is no graph");
  ++fake.graphLaunches;
  for (const Work &work : *reinterpret_cast<Works *>(exec))
    if (Result result = enqueue(stream, work))
      return result;
  return kSuccess;
}
FAKE cuGraphExecDestroy(GraphExecHandle exec) {
  Lock lock(mutex);
  return destroy<Works>("graph to launch", exec);
}
FAKE cuGraphDestroy(GraphHandle graph) {
  Lock lock(mutex);
  return destroy<Works>("graph", graph);
}
FAKE cuEventCreate(EventHandle *event, unsigned) {
  Lock lock(mutex);
  if (Result result = mayFail())
    return result;
  return *event = static_cast<EventHandle>(create("event", 1)), kSuccess;
}
FAKE cuEventDestroy_v2(EventHandle event) {
  Lock lock(mutex);
  return destroy<int>("event", event);
}
FAKE cuEventRecord(EventHandle event, StreamHandle stream) {
  Lock lock(mutex);
  if (!objects.count(event))
    return misuse("recorded what is no event");
  if (Result result = mayFail())
    return result;
  int *isPassed = reinterpret_cast<int *>(event);
  *isPassed = 0;
  return enqueue(stream, [=] { return *isPassed = 1, kSuccess; });
}
FAKE cuEventSynchronize(EventHandle event) {
  Lock lock(mutex);
  Result result = mayFail();
  return result ? result : finish([=] { return *reinterpret_cast<int *>(event) != 0; });
}
FAKE cuEventElapsedTime(float *milliseconds, EventHandle, EventHandle) {
  return *milliseconds = 0.25f, mayFail();
}
FAKE cuGetErrorName(Result error, const char **name) {
  thread_local char text[32];
  return snprintf(text, sizeof text, "FAKE_%d", error), *name = text, kSuccess;
}
FAKE cuGetErrorString(Result error, const char **text) {
  thread_local char words[64];
  return snprintf(words, sizeof words, "error %d of the fake driver", error), *text = words, kSuccess;
}
