#include "runtime/cuda/Driver.h"

#include <algorithm>
#include <dlfcn.h>
#include <iterator>
#include <pthread.h>

namespace tenon::cuda {
namespace {

constexpr int kOldestDriver = 12000; // CUDA 12.0: launch attributes, graphs with programmatic edges

struct OpenedDriver {
  Driver driver;
  char problem[256] = "";
};

OpenedDriver opened;
pthread_once_t once = PTHREAD_ONCE_INIT;

template <typename... Arguments> void problem(const char *format, Arguments... arguments) {
  Message message;
  message.fail(TN_DEVICE, format, arguments...);
  __builtin_strncpy(opened.problem, message.c_str(), sizeof opened.problem - 1);
}

void openDriver() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return problem("there is no NVIDIA driver on this machine (libcuda.so.1 cannot be opened: %s)", dlerror());
  struct {
    void **place;
    const char *symbol;
  } functions[] = {
#define TENON_CUDA_ENTRY(member, symbol, parameters) {reinterpret_cast<void **>(&opened.driver.member), symbol},
      TENON_CUDA_FUNCTIONS(TENON_CUDA_ENTRY)
#undef TENON_CUDA_ENTRY
  };
  for (auto [place, symbol] : functions)
    if (!(*place = dlsym(library, symbol)))
      return problem("the NVIDIA driver is too old: it lacks %s; CUDA 12.0 or newer is needed", symbol);
  Result result = opened.driver.init(0);
  if (result == kNoDevice)
    return problem("%s", kNoGpuShown);
  if (result) {
    const char *text = nullptr;
    opened.driver.getErrorString(result, &text);
    return problem("the NVIDIA driver does not start: %s (error %d)", text ? text : "unknown", result);
  }
  int version = 0;
  opened.driver.driverGetVersion(&version);
  if (version < kOldestDriver)
    return problem("the NVIDIA driver supports CUDA %d.%d; 12.0 or newer is needed", version / 1000, version % 1000 / 10);
}

} // namespace

tn_status Driver::open(const Driver **driver, Message &message) {
  pthread_once(&once, openDriver);
  if (opened.problem[0])
    return message.fail(TN_DEVICE, "%s", opened.problem);
  *driver = &opened.driver;
  return TN_OK;
}

bool Driver::isLasting(Result result) {
  constexpr Result kLasting[] = {214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719};
  return std::find(std::begin(kLasting), std::end(kLasting), result) != std::end(kLasting);
}

const char *Driver::wordsFor(Result result) const {
  const char *words = nullptr;
  getErrorString(result, &words);
  return words ? words : "unknown error";
}

const char *Driver::nameOf(Result result) const {
  const char *name = nullptr;
  getErrorName(result, &name);
  return name ? name : "?";
}

tn_status Driver::fail(Result result, const char *what, Message &message) const {
  size_t free = 0, total = 0;
  if (result == kOutOfMemory && memoryInfo(&free, &total) == kSuccess)
    return message.fail(TN_OUT_OF_MEMORY, "%s: %s (%s); %zu of %zu bytes of the GPU's memory are free", what, wordsFor(result), nameOf(result), free,
                        total);
  const char *lasting = "; a kernel of this process failed, which cannot use this GPU any more (compute-sanitizer names the kernel)";
  return message.fail(result == kOutOfMemory ? TN_OUT_OF_MEMORY : TN_DEVICE, "%s: %s (%s)%s", what, wordsFor(result), nameOf(result),
                      isLasting(result) ? lasting : "");
}

} // namespace tenon::cuda
