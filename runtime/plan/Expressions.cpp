#include "runtime/plan/Expressions.h"

#include <algorithm>

namespace tenon::plan {
namespace {

using format::ExprOp;

/// False on overflow and division by what is not positive.
bool apply(ExprOp op, int64_t a, int64_t b, int64_t &result) {
  switch (op) {
  case ExprOp::Add:
    return !__builtin_add_overflow(a, b, &result);
  case ExprOp::Mul:
    return !__builtin_mul_overflow(a, b, &result);
  case ExprOp::FloorDiv:
    if (b <= 0)
      return false;
    result = a / b - (a % b < 0);
    return true;
  case ExprOp::Mod:
    if (b <= 0)
      return false;
    result = a % b < 0 ? a % b + b : a % b;
    return true;
  case ExprOp::Min:
    result = std::min(a, b);
    return true;
  case ExprOp::Max:
    result = std::max(a, b);
    return true;
  case ExprOp::Const:
  case ExprOp::Symbol:
    break;
  }
  return false;
}

bool evaluateOne(const format::Expr &expr, const int64_t *symbols, const int64_t *values, int64_t &value) {
  value = expr.a();
  if (expr.op() == ExprOp::Const)
    return true;
  if (expr.op() == ExprOp::Symbol) {
    value = symbols[expr.a()];
    return true;
  }
  return apply(expr.op(), values[expr.a()], values[expr.b()], value);
}

} // namespace

tn_status evaluate(const format::Metadata &metadata, const Segments &segments, uint32_t segment, const int64_t *symbols, int64_t *values, Message &message) {
  const auto *exprs = metadata.exprs();
  bool isValid = true;
  if (segments.count() > 1)
    for (uint32_t id : segments.exprs(segment))
      isValid = isValid && evaluateOne(*exprs->Get(id), symbols, values, values[id]);
  else
    for (uint32_t id = 0; exprs && id < exprs->size(); ++id)
      isValid = isValid && evaluateOne(*exprs->Get(id), symbols, values, values[id]);
  return isValid ? TN_OK : message.fail(TN_SHAPE_MISMATCH, "a size that depends on the inputs overflows or divides by zero with these; give smaller or valid ones");
}

} // namespace tenon::plan
