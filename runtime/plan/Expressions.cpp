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

} // namespace

tn_status evaluate(const format::Metadata &metadata, const int64_t *symbols, int64_t *values, Message &message) {
  if (!metadata.exprs())
    return TN_OK;
  uint32_t id = 0;
  for (const format::Expr *expr : *metadata.exprs()) {
    int64_t value = expr->a();
    if (expr->op() == ExprOp::Symbol)
      value = symbols[expr->a()];
    else if (expr->op() != ExprOp::Const && !apply(expr->op(), values[expr->a()], values[expr->b()], value))
      return message.fail(TN_SHAPE_MISMATCH, "a size that depends on the inputs' shapes overflows or divides by zero with these shapes; give smaller or valid ones");
    values[id++] = value;
  }
  return TN_OK;
}

} // namespace tenon::plan
