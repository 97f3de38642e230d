#include "tools/tenon/Progress.h"
#include "tools/tenon/Table.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace tenon::driver {

Progress::Progress(std::string what, bool wanted) : what(std::move(what)), shown(wanted && ::isatty(2)), start(std::chrono::steady_clock::now()) {}

void Progress::update(std::string_view step, double fraction) {
  if (!shown)
    return;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  int percent = int(std::clamp(fraction, 0.0, 1.0) * 100);
  std::string line = cut(what, 40) + "  " + std::to_string(percent) + "%  " + std::string(step) + "  " + timeText(seconds);
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  dirty = true;
}

void Progress::finish() {
  if (dirty)
    std::fputs("\r\x1b[K", stderr);
  dirty = false;
}

} // namespace tenon::driver
