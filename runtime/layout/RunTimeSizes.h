// Sizes that a plan's own steps define: what of a layout is made while the plan runs.
#pragma once

#include "runtime/layout/Layout.h"

namespace tenon {

/// Makes room for what the segments of a plan need, so that a run need not allocate; marks their values as unknown. Nothing where there is one
/// segment.
tn_status prepareSegments(tn_layout &layout, Message &message);

} // namespace tenon
