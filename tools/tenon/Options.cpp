#include "tools/tenon/Options.h"
#include "tools/tenon/Failure.h"

#include <CLI/CLI.hpp>
#include <charconv>

namespace tenon::driver {

void addDeviceOption(CLI::App &verb, std::optional<uint32_t> &device, const std::string &help) {
  verb.add_option("--device", device, help + ", as the driver counts GPUs; 0 by default")->type_name("N");
}

double parseDuration(const std::string &text) {
  constexpr double kLongest = 7 * 86400;
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(end, text.data() + text.size());
  double scale = unit.empty() || unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || scale == 0 || !(value >= 0) || value * scale > kLongest)
    throw UsageFailure("duration '" + text + "': expected a time as in 2s, 500ms or 5m");
  return value * scale;
}

std::pair<std::string, std::string> splitShape(const std::string &text) {
  size_t equal = text.rfind('=');
  if (equal == std::string::npos || equal == 0 || equal + 1 == text.size())
    throw UsageFailure("--shape '" + text + "': expected name=1x3x224x224");
  return {text.substr(0, equal), text.substr(equal + 1)};
}

} // namespace tenon::driver
