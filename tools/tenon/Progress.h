// One line on the terminal that says how far long work is. Nothing where standard error is no terminal.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace tenon::driver {

class Progress {
public:
  /// Silent where `wanted` is false or standard error is not a terminal.
  Progress(std::string what, bool wanted);
  ~Progress() { finish(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  /// `fraction` in [0, 1].
  void update(std::string_view step, double fraction);
  /// Removes the line.
  void finish();

private:
  std::string what;
  bool shown;
  bool dirty = false;
  std::chrono::steady_clock::time_point start;
};

} // namespace tenon::driver
