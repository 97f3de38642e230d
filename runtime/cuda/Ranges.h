// Names for stretches of time that profilers show: NVTX ranges, without NVTX.
//
// A profiler names its library in NVTX_INJECTION64_PATH. It is opened as the headers of NVTX 3 open it, and fills in functions for ranges; without
// one they do nothing.
#pragma once

namespace tenon::cuda {

class Ranges {
public:
  /// The profiler that watches this process, if one does; opened by the first call. Thread safe.
  static Ranges open();

  bool isWatched() const { return push && pop; }
  /// Ranges nest, in each thread.
  void begin(const char *name) const { push(name); }
  void end() const { pop(); }

private:
  int (*push)(const char *) = nullptr;
  int (*pop)() = nullptr;
};

} // namespace tenon::cuda
