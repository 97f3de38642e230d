// What the steps of a plan read and write.
#pragma once

#include "runtime/plan/PlanVerifier.h"

namespace tenon::plan {

/// Names of the model's nodes that a step computes; may be null.
inline const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *sourcesOf(const format::Step &step) {
  switch (step.kind_type()) {
  case format::StepKind::Launch:
    return step.kind_as_Launch()->sources();
  case format::StepKind::Copy:
    return step.kind_as_Copy()->sources();
  case format::StepKind::ReadSizes:
    return step.kind_as_ReadSizes()->sources();
  case format::StepKind::Require:
    return step.kind_as_Require()->sources();
  case format::StepKind::If:
    return step.kind_as_If()->sources();
  case format::StepKind::Loop:
    return step.kind_as_Loop()->sources();
  case format::StepKind::NONE:
    break;
  }
  return nullptr;
}

template <typename Visit> void forEachOperand(const format::Call &call, Visit visit) {
  for (uint32_t i = 0; i < count(call.arguments()); ++i)
    visit(*call.arguments()->Get(i)->memory());
}

/// Calls `visit` with each operand of a step, in a fixed order. The metadata is verified.
template <typename Visit> void forEachOperand(const format::Step &step, Visit visit) {
  if (const format::Launch *launch = step.kind_as_Launch()) {
    for (uint32_t i = 0; i < count(launch->operands()); ++i)
      visit(*launch->operands()->Get(i));
  } else if (const format::Copy *copy = step.kind_as_Copy()) {
    visit(*copy->from());
    visit(*copy->to());
  } else if (const format::ReadSizes *read = step.kind_as_ReadSizes()) {
    visit(*read->from());
  } else if (const format::If *branch = step.kind_as_If()) {
    visit(*branch->condition());
    forEachOperand(*branch->then_call(), visit);
    forEachOperand(*branch->else_call(), visit);
  } else if (const format::Loop *loop = step.kind_as_Loop()) {
    if (loop->trips())
      visit(*loop->trips());
    if (loop->condition())
      visit(*loop->condition());
    forEachOperand(*loop->body(), visit);
  }
}

/// Calls `visit` with each call of a step.
template <typename Visit> void forEachCall(const format::Step &step, Visit visit) {
  if (const format::If *branch = step.kind_as_If()) {
    visit(*branch->then_call());
    visit(*branch->else_call());
  } else if (const format::Loop *loop = step.kind_as_Loop()) {
    visit(*loop->body());
  }
}

template <typename Visit> void forEachExpr(const format::Call &call, Visit visit) {
  for (uint32_t i = 0; i < count(call.arguments()); ++i) {
    const auto *dims = call.arguments()->Get(i)->tensor()->dims();
    for (uint32_t axis = 0; axis < count(dims); ++axis)
      visit(dims->Get(axis));
  }
  for (uint32_t i = 0; i < count(call.symbols()); ++i)
    visit(call.symbols()->Get(i));
}

/// Calls `visit` with every expression that a step needs when it runs; costs are not among them.
template <typename Visit> void forEachExpr(const format::Step &step, Visit visit) {
  forEachOperand(step, [&](const format::Operand &operand) { visit(operand.offset()); });
  if (const format::Launch *launch = step.kind_as_Launch()) {
    for (uint32_t i = 0; i < count(launch->symbols()); ++i)
      visit(launch->symbols()->Get(i));
    visit(launch->tasks());
  } else if (const format::Copy *copy = step.kind_as_Copy()) {
    visit(copy->bytes());
  } else if (const format::Require *require = step.kind_as_Require()) {
    visit(require->left());
    visit(require->right());
  } else if (const format::If *branch = step.kind_as_If()) {
    forEachExpr(*branch->then_call(), visit);
    forEachExpr(*branch->else_call(), visit);
  } else if (const format::Loop *loop = step.kind_as_Loop()) {
    forEachExpr(*loop->body(), visit);
  }
}

} // namespace tenon::plan
