#include "runtime/cuda/Driver.h"

#include <dlfcn.h>
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
  if (Result result = opened.driver.init(0)) {
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

tn_status Driver::fail(Result result, const char *what, Message &message) const {
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  return message.fail(TN_DEVICE, "%s: %s (%s)", what, text ? text : "unknown error", name ? name : "?");
}

} // namespace tenon::cuda
