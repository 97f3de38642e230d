// Values of options that several verbs take.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace CLI {
class App;
}

namespace tenon::driver {

/// --device N: which GPU a verb uses. `help` says for what.
void addDeviceOption(CLI::App &verb, std::optional<uint32_t> &device, const std::string &help);

/// "2s", "500ms", "5m", "1.5" (seconds): in seconds. Throws UsageFailure.
double parseDuration(const std::string &text);

/// "name=1x3x224x224" to {"name", "1x3x224x224"}, split at the last '=': names may hold one. Throws UsageFailure.
std::pair<std::string, std::string> splitShape(const std::string &text);

} // namespace tenon::driver
