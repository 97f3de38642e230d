#include "runtime/cuda/CublasLt.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <pthread.h>

namespace tenon::cuda::lt {
namespace {

constexpr size_t kOldest = 120000, kNewestKnown = 140000; // 12.0; in a later major version types and numbers may be others
constexpr const char *kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12"};

struct OpenedLibrary {
  Library library;
  char problem[512] = "";
};
OpenedLibrary opened;
pthread_once_t once = PTHREAD_ONCE_INIT;

/// $TENON_CUBLASLT, or what the system finds by name, or what the process has loaded already.
void *load(char *why, size_t room) {
  if (const char *path = getenv("TENON_CUBLASLT")) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      snprintf(why, room, "TENON_CUBLASLT: %s", dlerror());
    return library;
  }
  size_t used = 0;
  for (const char *name : kNames) {
    if (void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL))
      return library;
    if (used < room)
      used += size_t(snprintf(why + used, room - used, "%s%s", used ? "; " : "", dlerror()));
  }
  return nullptr;
}

void openLibrary() {
  constexpr const char *kRemedy = "; set TENON_CUBLASLT to the path of libcublasLt.so of CUDA 12 or 13, or compile without --libraries cublaslt";
  char why[300] = "";
  void *handle = load(why, sizeof why);
  if (!handle) {
    snprintf(opened.problem, sizeof opened.problem, "the plan has cublasLt compute kernels, which cannot be opened (%s)%s", why, kRemedy);
    return;
  }
  Library &library = opened.library;
  size_t (*version)() = nullptr;
  struct {
    void **place;
    const char *symbol;
  } functions[] = {
#define TENON_CUBLASLT_ENTRY(member, symbol, parameters) {reinterpret_cast<void **>(&library.member), symbol},
      TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_ENTRY)
#undef TENON_CUBLASLT_ENTRY
          {reinterpret_cast<void **>(&library.statusName), "cublasLtGetStatusName"},
      {reinterpret_cast<void **>(&version), "cublasLtGetVersion"}};
  for (auto [place, symbol] : functions)
    if (!(*place = dlsym(handle, symbol))) {
      snprintf(opened.problem, sizeof opened.problem, "the plan has cublasLt compute kernels, and the one here lacks %s%s", symbol, kRemedy);
      return;
    }
  library.version = version();
  if (library.version < kOldest || library.version >= kNewestKnown)
    snprintf(opened.problem, sizeof opened.problem, "the plan has cublasLt compute kernels, and the one here is version %zu.%zu, where 12 or 13 is expected%s",
             library.version / 10000, library.version / 100 % 100, kRemedy);
}

} // namespace

tn_status Library::open(const Library **library, Message &message) {
  pthread_once(&once, openLibrary);
  if (opened.problem[0])
    return message.fail(TN_WRONG_TARGET, "%s", opened.problem);
  *library = &opened.library;
  return TN_OK;
}

} // namespace tenon::cuda::lt
