// The protocol between NVTX 3 and profilers (nvtxDetail/nvtxTypes.h, nvtxInit.h), whose tables only grow.
#include "runtime/cuda/Ranges.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <pthread.h>

namespace tenon::cuda {
namespace {

using Function = void (*)();
constexpr uint32_t kTableOfCallbacks = 1, kTableOfVersion = 3;   // NvtxExportTableID
constexpr int kCore = 1, kModules = 7;                           // NvtxCallbackModule
constexpr uint32_t kRangePushA = 9, kRangePop = 11, kSlots = 16; // NvtxCallbackIdCore; slots that a module has at most

// What the profiler may fill in: functions of a module by their number, of which only two are called here.
Function functions[kModules][kSlots];
Function *table[kModules][kSlots + 1];

int moduleTable(int module, Function ***out, unsigned *size) {
  if (module <= 0 || module >= kModules)
    return 0;
  for (uint32_t i = 1; i < kSlots; ++i)
    table[module][i] = &functions[module][i];
  *out = table[module];
  *size = kSlots;
  return 1;
}

void setProfilersVersion(uint32_t) {}

struct Callbacks {
  size_t bytes;
  int (*moduleTable)(int module, Function ***out, unsigned *size);
};
struct Version {
  size_t bytes;
  uint32_t version, reserved;
  void (*setProfilersVersion)(uint32_t version);
};
constexpr Callbacks kCallbacks = {sizeof kCallbacks, moduleTable};
constexpr Version kVersion = {sizeof kVersion, 3, 0, setProfilersVersion};

const void *exportTable(uint32_t id) {
  return id == kTableOfCallbacks ? static_cast<const void *>(&kCallbacks) : id == kTableOfVersion ? &kVersion : nullptr;
}

void inject() {
  const char *path = getenv("NVTX_INJECTION64_PATH");
  if (!path || !*path)
    return;
  void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!library)
    return;
  using Initialize = int (*)(const void *(*exportTable)(uint32_t id));
  auto initialize = reinterpret_cast<Initialize>(dlsym(library, "InitializeInjectionNvtx2"));
  if (!initialize || !initialize(exportTable))
    functions[kCore][kRangePushA] = functions[kCore][kRangePop] = nullptr;
}

pthread_once_t once = PTHREAD_ONCE_INIT;

} // namespace

Ranges Ranges::open() {
  pthread_once(&once, inject);
  Ranges ranges;
  ranges.push = reinterpret_cast<int (*)(const char *)>(functions[kCore][kRangePushA]);
  ranges.pop = reinterpret_cast<int (*)()>(functions[kCore][kRangePop]);
  return ranges;
}

} // namespace tenon::cuda
