// The metadata section of a plan as bytes.
#pragma once

#include "lib/Plan/PlanWriter.h"

namespace tenon::plan {

/// Serializes everything but weights and code. `constantOffsets[i]` is where constant i starts in the weights section, `deviceOffsets[i]` where
/// device code i starts in the section of its kind.
std::vector<std::byte> writeMetadata(const Plan &plan, std::span<const uint64_t> constantOffsets, std::span<const uint64_t> deviceOffsets);

} // namespace tenon::plan
