// The metadata section of a plan as bytes.
#pragma once

#include "lib/Plan/PlanWriter.h"

namespace tenon::plan {

/// Where things lie in their sections.
struct SectionOffsets {
  std::span<const uint64_t> constants; ///< in the weights: the plan's, then those of the plans it calls and of its variants, in their order
  std::span<const uint64_t> deviceCode; ///< in the section of its kind: the plan's, then its variants'
};

/// Serializes everything but weights and code.
std::vector<std::byte> writeMetadata(const Plan &plan, SectionOffsets offsets);

} // namespace tenon::plan
