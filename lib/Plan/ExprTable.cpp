#include "lib/Plan/PlanWriter.h"

#include <algorithm>
#include <optional>

namespace tenon::plan {
namespace {

std::optional<int64_t> evaluate(ExprOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
  case ExprOp::Add:
    return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
  case ExprOp::Mul:
    return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
  case ExprOp::FloorDiv:
    return b <= 0 ? std::nullopt : std::optional(a / b - (a % b < 0));
  case ExprOp::Mod:
    return b <= 0 ? std::nullopt : std::optional(a % b < 0 ? a % b + b : a % b);
  case ExprOp::Min:
    return std::min(a, b);
  case ExprOp::Max:
    return std::max(a, b);
  case ExprOp::Const:
  case ExprOp::Symbol:
    break;
  }
  return std::nullopt;
}

} // namespace

ExprId ExprTable::intern(Expr expr) {
  auto [entry, isNew] = ids.try_emplace({expr.op, expr.a, expr.b}, ExprId(table.size()));
  if (isNew)
    table.push_back(expr);
  return entry->second;
}

ExprId ExprTable::binary(ExprOp op, ExprId a, ExprId b) {
  const Expr &left = table[a], &right = table[b];
  if (left.op == ExprOp::Const && right.op == ExprOp::Const)
    if (std::optional<int64_t> value = evaluate(op, left.a, right.a))
      return constant(*value);
  return intern({op, int64_t(a), int64_t(b)});
}

} // namespace tenon::plan
