#include "tools/tenon/Progress.h"
#include "tools/tenon/Table.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tenon::driver {

/// Columns of the terminal, as far as it tells.
static size_t terminalWidth() {
  struct winsize size{};
  constexpr size_t kUsual = 80;
  return ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

Progress::Progress(std::string what, bool wanted)
    : what(std::filesystem::path(what).filename().string()), shown(wanted && ::isatty(2)), start(std::chrono::steady_clock::now()) {}

void Progress::update(std::string_view step, double fraction) {
  if (!shown)
    return;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fraction = std::clamp(fraction, 0.0, 1.0);
  constexpr size_t kBar = 10, kName = 16;
  std::string bar(size_t(fraction * kBar), '#');
  bar.resize(kBar, '.');
  std::string line = cut(what, kName) + " [" + bar + "] " + std::to_string(int(fraction * 100)) + "% " + std::string(step) + ", " + timeText(seconds);
  std::fprintf(stderr, "\r\x1b[K%s", cut(line, terminalWidth() - 1).c_str());
  std::fflush(stderr);
  dirty = true;
}

void Progress::finish() {
  if (dirty)
    std::fputs("\r\x1b[K", stderr);
  dirty = false;
}

} // namespace tenon::driver
