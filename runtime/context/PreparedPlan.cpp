#include "runtime/context/PreparedPlan.h"

namespace tenon {

using namespace plan;

tn_status PreparedPlan::countAndAllocate(const tn_plan &plan, Message &message) {
  size_t operandCount = 0, symbolCount = 0;
  size_t byKind[4] = {};
  auto add = [&](const format::Operand &operand) {
    ++operandCount;
    ++byKind[size_t(operand.kind())];
  };
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    if (const format::Copy *copy = step.kind_as_Copy()) {
      add(*copy->from());
      add(*copy->to());
      continue;
    }
    const format::Launch &launch = *step.kind_as_Launch();
    for (uint32_t j = 0; j < count(launch.operands()); ++j)
      add(*launch.operands()->Get(j));
    symbolCount += count(launch.symbols());
  }
  constexpr const char *kWhat = "the prepared launches";
  if (tn_status status = preparedSteps.allocate(memory, plan.stepCount(), kWhat, message))
    return status;
  if (tn_status status = addresses.allocate(memory, operandCount, kWhat, message))
    return status;
  if (tn_status status = symbols.allocate(memory, symbolCount, kWhat, message))
    return status;
  if (tn_status status = inputPatches.allocate(memory, byKind[size_t(format::OperandKind::Input)], kWhat, message))
    return status;
  if (tn_status status = outputPatches.allocate(memory, byKind[size_t(format::OperandKind::Output)], kWhat, message))
    return status;
  return arenaPatches.allocate(memory, byKind[size_t(format::OperandKind::Buffer)], kWhat, message);
}

void PreparedPlan::resolve(uint32_t slot, const format::Operand &operand) {
  const tn_plan &plan = *planLayout->plan;
  int64_t offset = planLayout->value(operand.offset());
  addresses[slot] = nullptr;
  switch (operand.kind()) {
  case format::OperandKind::Input:
    inputPatches[inputPatchCount++] = {slot, operand.index(), offset};
    break;
  case format::OperandKind::Output:
    outputPatches[outputPatchCount++] = {slot, operand.index(), offset};
    break;
  case format::OperandKind::Buffer:
    arenaPatches[arenaPatchCount++] = {slot, operand.index(), planLayout->offsets[operand.index()] + offset};
    break;
  case format::OperandKind::Constant:
    // Kernels only read weights: the verifier refuses a constant as a result.
    addresses[slot] = const_cast<uint8_t *>(weights + plan.metadata->constants()->Get(operand.index())->offset() + offset);
    break;
  }
}

tn_status PreparedPlan::prepare(tn_plan &plan, const tn_tensor *inputs, const uint8_t *weightsAt, Message &message) {
  weights = weightsAt;
  if (tn_status status = makeLayout(plan, inputs, memory, &planLayout, message))
    return status;
  if (tn_status status = countAndAllocate(plan, message))
    return status;
  uint32_t slot = 0, symbol = 0;
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    PreparedStep &prepared = preparedSteps[i];
    prepared = {nullptr, {addresses.data() + slot, symbols.data() + symbol}, 1, 0};
    if (const format::Copy *copy = step.kind_as_Copy()) {
      prepared.copyBytes = size_t(planLayout->value(copy->bytes()));
      resolve(slot++, *copy->from());
      resolve(slot++, *copy->to());
      continue;
    }
    const format::Launch &launch = *step.kind_as_Launch();
    prepared.kernel = plan.isForGpu() ? nullptr : plan.kernelFunction(launch.kernel());
    prepared.tasks = uint32_t(planLayout->value(launch.tasks()));
    for (uint32_t j = 0; j < count(launch.operands()); ++j)
      resolve(slot++, *launch.operands()->Get(j));
    for (uint32_t j = 0; j < count(launch.symbols()); ++j)
      symbols[symbol++] = planLayout->value(launch.symbols()->Get(j));
  }
  return TN_OK;
}

void PreparedPlan::bindArena(uint8_t *arena) {
  if (arena == boundArena)
    return;
  boundArena = arena;
  for (const Patch &patch : arenaPatches)
    addresses[patch.slot] = arena + patch.offset;
}

void PreparedPlan::bindTensors(const tn_tensor *inputs, const tn_tensor *outputs) {
  for (const Patch &patch : inputPatches)
    addresses[patch.slot] = static_cast<uint8_t *>(inputs[patch.tensor].data) + patch.offset;
  for (const Patch &patch : outputPatches)
    addresses[patch.slot] = static_cast<uint8_t *>(outputs[patch.tensor].data) + patch.offset;
}

} // namespace tenon
