// Evaluates the size expressions of a plan.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "runtime/support/Message.h"

namespace tenon::plan {

/// The value of each expression for these values of the symbols, in one pass: values[i] for exprs[i]. The expressions are verified.
/// Errors: TN_SHAPE_MISMATCH where a value overflows or a divisor is not positive.
tn_status evaluate(const format::Metadata &metadata, const int64_t *symbols, int64_t *values, Message &message);

} // namespace tenon::plan
