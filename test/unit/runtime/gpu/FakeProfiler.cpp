// What a profiler's library is to NVTX: it asks for the tables, fills in its functions, and notes ranges in the file of its own that TENON_RANGES
// names.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

using Function = void (*)();

FILE *file;

int push(const char *name) {
  return fprintf(file, "+ %s\n", name), 0;
}
int pop() {
  return fprintf(file, "-\n"), fflush(file), 0;
}

struct Callbacks {
  size_t bytes;
  int (*moduleTable)(int module, Function ***out, unsigned *size);
};
struct Version {
  size_t bytes;
  uint32_t version, reserved;
  void (*setProfilersVersion)(uint32_t version);
};

} // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(const void *(*exportTable)(uint32_t id)) {
  auto *version = static_cast<const Version *>(exportTable(3));
  auto *callbacks = static_cast<const Callbacks *>(exportTable(1));
  if (!version || version->version != 3 || !callbacks || callbacks->bytes < sizeof *callbacks || exportTable(2))
    return 0;
  version->setProfilersVersion(3);
  const char *path = std::getenv("TENON_RANGES");
  file = path ? std::fopen(path, "w") : nullptr;
  for (int module : {1, 2, 3, 4, 5, 6}) { // core, CUDA, OpenCL, CUDA's runtime, domains, synchronization
    Function **table = nullptr;
    unsigned size = 0;
    if (!callbacks->moduleTable(module, &table, &size) || !table || size < 16)
      return 0;
    for (unsigned i = 1; i < size; ++i)
      *table[i] = nullptr;
    if (module == 1) {
      *table[9] = reinterpret_cast<Function>(push);
      *table[11] = reinterpret_cast<Function>(pop);
    }
  }
  return file != nullptr;
}
