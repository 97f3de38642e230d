// How the driver reports that it cannot go on: one sentence, exit code 1.
#pragma once
#include <stdexcept>
#include <string>

namespace tenon::driver {

/// Caught in main, which prints "tenon: error: " and the message. Messages name the file or tensor, what was found and what was expected.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A wrong combination of options that CLI11 cannot see: exit code 2.
struct UsageFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

} // namespace tenon::driver
