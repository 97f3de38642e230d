// Checks the shapes of inputs against the signature and reads the symbols' values from them.
#pragma once

#include "runtime/layout/Layout.h"

namespace tenon {

/// symbols[i] becomes the size of the axis that defines symbol i. Checks ranks first, then ranges. Symbols whose source is the caller
/// take their values from `given`. `inputs` may be null when no input has a free axis.
tn_status bindSymbols(const tn_plan &plan, const tn_tensor *inputs, const int64_t *given, int64_t *symbols, Message &message);

/// Checks every dimension against its expression.
tn_status checkInputShapes(const tn_layout &layout, const tn_tensor *inputs, Message &message);

} // namespace tenon
