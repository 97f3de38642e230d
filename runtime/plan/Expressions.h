// Evaluates the size expressions of a plan.
#pragma once

#include "runtime/plan/Segments.h"

namespace tenon::plan {

/// The value of each expression for these values of the symbols, in one pass: values[i] for exprs[i]. The expressions are verified.
/// Of a plan that defines sizes as it runs only those of one segment, in whose order earlier ones have been evaluated.
/// Errors: TN_SHAPE_MISMATCH where a value overflows or a divisor is not positive.
tn_status evaluate(const format::Metadata &metadata, const Segments &segments, uint32_t segment, const int64_t *symbols, int64_t *values,
                   Message &message);

} // namespace tenon::plan
