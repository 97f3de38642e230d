// Where the buffers of a layout lie in the arena.
#pragma once

#include "runtime/layout/Layout.h"

namespace tenon {

/// Sets offsets, arena size and bounds of a layout whose expressions are evaluated: takes fixed offsets from the plan, packs otherwise.
tn_status placeSlices(tn_layout &layout, Message &message);

/// Checks that no two buffers that are alive at the same step overlap. For offsets that come from a file.
tn_status checkSlices(const tn_layout &layout, Memory &memory, Message &message);

} // namespace tenon
