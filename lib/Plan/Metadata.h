// The metadata section of a plan as bytes.
#pragma once

#include "lib/Plan/PlanWriter.h"

namespace tenon::plan {

/// Serializes everything but weights and code. `constantOffsets[i]` is where constant i starts in the weights section.
std::vector<std::byte> writeMetadata(const Plan &plan, std::span<const uint64_t> constantOffsets);

} // namespace tenon::plan
