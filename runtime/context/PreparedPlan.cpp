#include "runtime/context/PreparedPlan.h"

#include "runtime/plan/Steps.h"

#include <algorithm>

namespace tenon {

using namespace plan;

tn_status PreparedPlan::countAndAllocate(const tn_plan &plan, Message &message) {
  size_t operandCount = 0, symbolCount = 0;
  size_t byKind[size_t(format::OperandKind::MAX) + 1] = {};
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    forEachOperand(step, [&](const format::Operand &operand) {
      ++operandCount;
      ++byKind[size_t(operand.kind())];
    });
    if (const format::Launch *launch = step.kind_as_Launch())
      symbolCount += count(launch->symbols());
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
    addresses[slot] = static_cast<uint8_t *>(constant(operand.index())) + offset;
    break;
  case format::OperandKind::Result:
    break;
  }
}

tn_status PreparedPlan::prepare(tn_plan &plan, const tn_tensor *inputs, const int64_t *given, Weights weightsAt, Message &message) {
  weights = weightsAt;
  if (tn_status status = makeLayout(plan, inputs, given, memory, &planLayout, message))
    return status;
  if (tn_status status = countAndAllocate(plan, message))
    return status;
  uint32_t slot = 0, symbol = 0;
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    const format::Launch *launch = step.kind_as_Launch();
    tn_kernel_fn kernel = launch && !plan.isForGpu() ? plan.kernelFunction(launch->kernel()) : nullptr;
    preparedSteps[i] = {kernel, {addresses.data() + slot, symbols.data() + symbol}, 1, 0, false};
    forEachOperand(step, [&](const format::Operand &) { ++slot; });
    symbol += launch ? count(launch->symbols()) : 0;
  }
  resolveFirstSegment(plan);
  return TN_OK;
}

/// Whether the tensors that a launch reads and writes leave a second-level cache, and are what its tasks walk through: where weights outweigh
/// them, tasks are shares of the weights, which are read in their order.
static bool isLarge(const tn_layout &layout, const format::Launch &launch) {
  constexpr int64_t kLarge = 256 << 10; // less stays in anybody's
  int64_t weights = 0;
  for (uint32_t i = 0; i < count(launch.operands()); ++i)
    if (const format::Operand &operand = *launch.operands()->Get(i); operand.kind() == format::OperandKind::Constant)
      weights += int64_t(layout.plan->metadata->constants()->Get(operand.index())->bytes());
  int64_t tensors = layout.value(launch.bytes()) - weights;
  return tensors >= std::max(kLarge, weights);
}

/// Sizes of a step whose expressions have their values.
static void setSizes(const tn_layout &layout, const format::Step &step, PreparedStep &prepared) {
  if (const format::Copy *copy = step.kind_as_Copy())
    prepared.copyBytes = size_t(layout.value(copy->bytes()));
  const format::Launch *launch = step.kind_as_Launch();
  if (!launch)
    return;
  prepared.tasks = uint32_t(layout.value(launch->tasks()));
  prepared.isLarge = prepared.tasks > 1 && isLarge(layout, *launch);
  auto *values = const_cast<int64_t *>(prepared.args.symbols);
  for (uint32_t i = 0; i < count(launch->symbols()); ++i)
    values[i] = layout.value(launch->symbols()->Get(i));
}

void PreparedPlan::resolveFirstSegment(const tn_plan &plan) {
  uint32_t slot = 0;
  for (uint32_t i = 0; i < plan.segments.endStep(0); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    setSizes(*planLayout, step, preparedSteps[i]);
    forEachOperand(step, [&](const format::Operand &operand) { resolve(slot++, operand); });
  }
}

void *PreparedPlan::addressOf(const format::Operand &operand, const RunMemory &run) const {
  const tn_plan &plan = *planLayout->plan;
  int64_t offset = planLayout->value(operand.offset());
  uint32_t index = operand.index();
  switch (operand.kind()) {
  case format::OperandKind::Input:
    return static_cast<uint8_t *>(run.inputs[index].data) + offset;
  case format::OperandKind::Output:
    return static_cast<uint8_t *>(run.outputs[index].data) + offset;
  case format::OperandKind::Constant:
    return static_cast<uint8_t *>(constant(index)) + offset;
  case format::OperandKind::Buffer: {
    uint32_t segment = plan.segments.ofBuffer(*plan.metadata->buffers()->Get(index));
    uint8_t *base = segment ? run.blocks[plan.segments.block(segment)] : run.arena;
    return base + planLayout->offsets[index] + offset;
  }
  case format::OperandKind::Result:
    return static_cast<uint8_t *>(run.results[index].data) + offset;
  }
  return nullptr;
}

void PreparedPlan::bindSegment(uint32_t segment, const RunMemory &run) {
  const tn_plan &plan = *planLayout->plan;
  for (uint32_t i = plan.segments.firstStep(segment); i < plan.segments.endStep(segment); ++i) {
    const format::Step &step = *plan.metadata->steps()->Get(i);
    setSizes(*planLayout, step, preparedSteps[i]);
    auto *slots = const_cast<void **>(preparedSteps[i].args.buffers);
    forEachOperand(step, [&](const format::Operand &operand) { *slots++ = addressOf(operand, run); });
  }
}

void PreparedPlan::bindArena(uint8_t *arena) {
  if (arena == boundArena)
    return;
  boundArena = arena;
  for (uint32_t i = 0; i < arenaPatchCount; ++i)
    addresses[arenaPatches[i].slot] = arena + arenaPatches[i].offset;
}

void PreparedPlan::bindTensors(const tn_tensor *inputs, const tn_tensor *outputs) {
  for (uint32_t i = 0; i < inputPatchCount; ++i)
    addresses[inputPatches[i].slot] = static_cast<uint8_t *>(inputs[inputPatches[i].tensor].data) + inputPatches[i].offset;
  for (uint32_t i = 0; i < outputPatchCount; ++i)
    addresses[outputPatches[i].slot] = static_cast<uint8_t *>(outputs[outputPatches[i].tensor].data) + outputPatches[i].offset;
}

} // namespace tenon
