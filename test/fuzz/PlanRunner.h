// Runs a plan that the compiler has just made, within bounds of time and memory.
#pragma once
#include <cstddef>
#include <span>

namespace tenon::fuzz {

/// Opens the plan and runs it for two settings of its free dimensions, twice each. The runtime may refuse the run, but not the plan:
/// aborts if it does. Runs that would take long by their own cost are left out.
void runPlan(std::span<const std::byte> bytes);

} // namespace tenon::fuzz
