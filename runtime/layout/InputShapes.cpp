#include "runtime/layout/InputShapes.h"

#include <cinttypes>

namespace tenon {
namespace {

using namespace plan;

tn_status checkRanks(const tn_plan &plan, const tn_tensor *inputs, Message &message) {
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    const format::Tensor &input = *plan.metadata->inputs()->Get(i);
    if (inputs[i].rank != int32_t(count(input.dims())))
      return message.fail(TN_SHAPE_MISMATCH, "input '%s' has rank %d, expected %u", input.name()->c_str(), inputs[i].rank, count(input.dims()));
    for (int32_t axis = 0; axis < inputs[i].rank; ++axis)
      if (inputs[i].dims[axis] < 0)
        return message.fail(TN_SHAPE_MISMATCH, "input '%s': axis %d is %" PRId64 "; dimensions are at least 0", input.name()->c_str(), axis, inputs[i].dims[axis]);
  }
  return TN_OK;
}

} // namespace

tn_status bindSymbols(const tn_plan &plan, const tn_tensor *inputs, const int64_t *given, int64_t *symbols, Message &message) {
  for (uint32_t i = 0; given && i < plan.symbolCount(); ++i)
    if (plan.metadata->symbols()->Get(i)->source() == format::SymbolSource::Caller)
      symbols[i] = *given++;
  if (!inputs)
    return !plan.hasFreeAxes() ? TN_OK : message.fail(TN_INVALID_ARGUMENT, "the plan has free dimensions: the shapes of its inputs are needed");
  if (tn_status status = checkRanks(plan, inputs, message))
    return status;
  for (uint32_t i = 0; i < plan.symbolCount(); ++i) {
    const format::Symbol &symbol = *plan.metadata->symbols()->Get(i);
    if (symbol.source() != format::SymbolSource::Axis)
      continue; // given, or defined by a step
    symbols[i] = inputs[symbol.input()].dims[symbol.axis()];
    if (symbols[i] < symbol.minimum() || symbols[i] > symbol.maximum())
      return message.fail(TN_SHAPE_MISMATCH, "input '%s': axis %u ('%s') is %" PRId64 ", allowed are %" PRId64 " to %" PRId64,
                          plan.metadata->inputs()->Get(symbol.input())->name()->c_str(), symbol.axis(), symbol.name()->c_str(), symbols[i], symbol.minimum(), symbol.maximum());
  }
  return TN_OK;
}

tn_status checkInputShapes(const tn_layout &layout, const tn_tensor *inputs, Message &message) {
  for (uint32_t i = 0; i < layout.plan->inputCount(); ++i) {
    const format::Tensor &input = *layout.plan->metadata->inputs()->Get(i);
    for (uint32_t axis = 0; axis < count(input.dims()); ++axis) {
      int64_t found = inputs[i].dims[axis], expected = layout.value(input.dims()->Get(axis));
      if (found == expected)
        continue;
      const char *why = count(input.dim_text()) > axis ? text(input.dim_text()->Get(axis)) : "";
      return message.fail(TN_SHAPE_MISMATCH, "input '%s': axis %u is %" PRId64 ", expected %" PRId64 "%s%s%s", input.name()->c_str(), axis, found, expected,
                          why[0] ? " ('" : "", why, why[0] ? "', which another input or axis sets)" : "");
    }
  }
  return TN_OK;
}

} // namespace tenon
