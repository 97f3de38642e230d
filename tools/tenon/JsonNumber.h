// Integers out of JSON that somebody else wrote: whole, and in a range. The library's own conversion wraps and truncates.
#pragma once
#include "tools/tenon/Failure.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace tenon::driver {

/// Throws Failure where `json` is no integer in [least, most]; `what` says in messages what it is.
inline int64_t wholeNumber(const nlohmann::json &json, const char *what, int64_t least, int64_t most) {
  bool fits = json.is_number_unsigned() ? json.get<uint64_t>() <= uint64_t(INT64_MAX) : json.is_number_integer();
  if (!fits || json.get<int64_t>() < least || json.get<int64_t>() > most)
    throw Failure(std::string(what) + ": a number from " + std::to_string(least) + " to " + std::to_string(most) + " was expected");
  return json.get<int64_t>();
}

} // namespace tenon::driver
