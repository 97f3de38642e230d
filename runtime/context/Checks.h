// Checks of what a caller hands to a run.
#pragma once

#include "runtime/plan/Plan.h"

namespace tenon {

/// The lists of tensors may be null only where they are empty.
tn_status checkPointers(const tn_plan &plan, const tn_tensor *inputs, const tn_tensor *outputs, Message &message);

/// `what` is "input" or "output", `name` the tensor's.
tn_status checkType(const char *what, const char *name, tn_dtype found, tn_dtype expected, Message &message);

/// Memory of at least `needed` bytes, aligned to the element.
tn_status checkMemory(const char *what, const char *name, const tn_tensor &tensor, size_t needed, Message &message);

} // namespace tenon
