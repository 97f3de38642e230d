// The metadata section of a plan as bytes.
#pragma once

#include "lib/Plan/PlanWriter.h"

namespace tenon::plan {

/// Serializes everything but weights and code. `constantOffsets` is where each constant starts in the weights section: the plan's, then those of the
/// plans it calls, in their order.
std::vector<std::byte> writeMetadata(const Plan &plan, std::span<const uint64_t> constantOffsets);

} // namespace tenon::plan
