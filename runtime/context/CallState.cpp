#include "runtime/context/CallState.h"

#include "runtime/plan/Steps.h"

#include <cinttypes>
#include <cstring>

namespace tenon {

using namespace plan;

namespace {

/// The shape of a tensor of the plan, with the layout's values.
void describe(const tn_layout &layout, const format::Tensor &from, tn_tensor &tensor) {
  tensor.dtype = tn_dtype(from.dtype());
  tensor.rank = int32_t(count(from.dims()));
  for (int32_t axis = 0; axis < tensor.rank; ++axis)
    tensor.dims[axis] = layout.value(from.dims()->Get(uint32_t(axis)));
}

int64_t bytesOf(const tn_tensor &tensor) {
  int64_t elements = 1;
  for (int32_t axis = 0; axis < tensor.rank; ++axis)
    if (__builtin_mul_overflow(elements, tensor.dims[axis], &elements))
      return -1;
  return tn_dtype_bytes(tensor.dtype, elements);
}

const char *nodeOf(const format::Step &step) {
  const auto *sources = step.kind_as_If() ? step.kind_as_If()->sources() : step.kind_as_Loop()->sources();
  return count(sources) ? sources->Get(0)->c_str() : "";
}

constexpr const char *kWhat = "the values of a step that calls plans";

} // namespace

CallState::~CallState() {
  for (const Array<GrowingBlock> *blocks : {&kept, &callees[0].aligned, &callees[1].aligned})
    for (GrowingBlock &block : *blocks)
      block.release(share);
  deviceNumber.release(share);
  for (Callee &callee : callees)
    destroyObject(share.memory, callee.runner);
}

tn_status CallState::startCallee(Callee &callee, tn_plan &plan, const format::Call &call) {
  callee.call = &call;
  tn_plan &called = *plan.program().plans[call.plan()];
  if (tn_status status = createObject(share.memory, &callee.runner, "a runner", share.message, called, share))
    return status;
  if (tn_status status = callee.runner->start())
    return status;
  for (auto [list, size] : {std::pair(&callee.inputs, called.inputCount()), std::pair(&callee.outputs, called.outputCount())}) {
    if (tn_status status = list->allocate(share.memory, size, kWhat, share.message))
      return status;
    std::fill(list->begin(), list->end(), tn_tensor{});
  }
  if (tn_status status = callee.aligned.allocate(share.memory, share.gpu ? called.inputCount() : 0, kWhat, share.message))
    return status;
  std::fill(callee.aligned.begin(), callee.aligned.end(), GrowingBlock{nullptr, 0, 0});
  return callee.symbols.allocate(share.memory, count(call.symbols()), kWhat, share.message);
}

tn_status CallState::start(tn_plan &plan, const format::Step &given, uint32_t stepSegment) {
  step = &given;
  segment = stepSegment;
  uint32_t index = 0;
  while (plan.metadata->steps()->Get(index) != step)
    ++index;
  const auto *list = plan.metadata->results();
  for (uint32_t i = count(list); i-- > 0;)
    if (list->Get(i)->step() == index) {
      firstResult = i;
      ++resultCount;
    }
  const format::If *branch = step->kind_as_If();
  if (tn_status status = startCallee(callees[0], plan, branch ? *branch->then_call() : *step->kind_as_Loop()->body()))
    return status;
  if (branch)
    return startCallee(callees[1], plan, *branch->else_call());
  const format::Loop &loop = *step->kind_as_Loop();
  const format::Metadata &body = *callees[0].runner->program().metadata;
  for (uint32_t i = 0; i < count(body.steps()); ++i)
    forEachOperand(*body.steps()->Get(i), [&](const format::Operand &operand) {
      readsNumber |= operand.kind() == format::OperandKind::Input && operand.index() == 0;
    });
  if (tn_status status = values.allocate(share.memory, size_t(loop.carried()) + loop.stacked(), kWhat, share.message))
    return status;
  std::fill(values.begin(), values.end(), tn_tensor{});
  if (tn_status status = scanned.allocate(share.memory, loop.scanned(), kWhat, share.message))
    return status;
  if (tn_status status = kept.allocate(share.memory, 2 * size_t(loop.carried()) + loop.stacked(), kWhat, share.message))
    return status;
  std::fill(kept.begin(), kept.end(), GrowingBlock{nullptr, 0, 0});
  return TN_OK;
}

tn_status CallState::fetch(const tn_layout &layout, const format::Operand &operand, const void *address, void *to, size_t bytes) {
  if (share.gpu && operand.kind() == format::OperandKind::Constant) { // it is here too
    uint64_t offset = layout.plan->metadata->constants()->Get(operand.index())->offset();
    memcpy(to, layout.plan->weights + offset + layout.value(operand.offset()), bytes);
    return TN_OK;
  }
  return share.fetch(to, address, bytes);
}

/// Kernels of a GPU take tensors whose addresses are multiples of 16, which a part of another tensor need not be.
tn_status CallState::alignInput(Callee &callee, uint32_t index) {
  constexpr uintptr_t kAlignment = 16;
  tn_tensor &input = callee.inputs[index];
  if (!share.gpu || uintptr_t(input.data) % kAlignment == 0)
    return TN_OK;
  GrowingBlock &block = callee.aligned[index];
  if (tn_status status = block.reserve(input.bytes, 64, share, "an argument of a branch or a loop"))
    return status;
  const void *from = input.data;
  input.data = block.data;
  return share.copy(block.data, from, input.bytes);
}

tn_status CallState::readArguments(Callee &callee, uint32_t firstInput, void *const *addresses, const tn_layout &layout) {
  const format::Loop *loop = step->kind_as_Loop();
  for (uint32_t i = 0; i < count(callee.call->arguments()); ++i) {
    tn_tensor &input = callee.inputs[firstInput + i];
    describe(layout, *callee.call->arguments()->Get(i)->tensor(), input);
    input.data = addresses[i];
    input.bytes = size_t(bytesOf(input));
    bool isScanned = loop && i >= loop->carried() && i < loop->carried() + loop->scanned(); // each slice is looked at
    if (tn_status status = isScanned ? TN_OK : alignInput(callee, firstInput + i))
      return status;
  }
  for (uint32_t i = 0; i < callee.symbols.size(); ++i)
    callee.symbols[i] = layout.value(callee.call->symbols()->Get(i));
  return TN_OK;
}

tn_status CallState::run(void *const *addresses, const tn_layout &layout, const Array<tn_tensor> &results) {
  const format::If *branch = step->kind_as_If();
  if (tn_status status = branch ? runIf(*branch, addresses, layout) : runLoop(*step->kind_as_Loop(), addresses, layout))
    return status;
  const auto *list = layout.plan->metadata->results();
  for (uint32_t i = firstResult; i < firstResult + resultCount; ++i) {
    const Array<tn_tensor> &from = branch ? callees[taken].outputs : values;
    results[i] = from[list->Get(i)->output()];
  }
  return TN_OK;
}

tn_status CallState::runIf(const format::If &branch, void *const *addresses, const tn_layout &layout) {
  uint8_t condition = 0;
  if (tn_status status = fetch(layout, *branch.condition(), addresses[0], &condition, 1))
    return status;
  taken = condition ? 0 : 1;
  Callee &callee = callees[taken];
  if (tn_status status = readArguments(callee, 0, addresses + 1 + (condition ? 0 : count(branch.then_call()->arguments())), layout))
    return status;
  for (tn_tensor &output : callee.outputs)
    output.data = nullptr;
  return callee.runner->runCalled(callee.inputs.data(), callee.outputs.data(), callee.symbols.data());
}

tn_status CallState::keep(GrowingBlock &block, const tn_tensor &from, tn_tensor &value) {
  if (tn_status status = block.reserve(from.bytes, 64, share, "a value that a loop carries"))
    return status;
  const void *source = from.data;
  value = from;
  value.data = block.data;
  return share.copy(block.data, source, value.bytes);
}

tn_status CallState::stack(uint32_t index, const tn_tensor &slice, int64_t iteration) {
  const format::Loop &loop = *step->kind_as_Loop();
  tn_tensor &whole = values[loop.carried() + index];
  if (iteration == 0) {
    if (slice.rank >= TN_MAX_RANK)
      return share.message.fail(TN_SHAPE_MISMATCH, "node '%s': stacked slices of rank %d; a tensor has at most %d axes", nodeOf(*step), slice.rank,
                                TN_MAX_RANK);
    whole = slice;
    whole.rank = slice.rank + 1;
    memcpy(whole.dims + 1, slice.dims, size_t(slice.rank) * sizeof(int64_t));
  }
  for (int32_t axis = 0; axis < slice.rank; ++axis)
    if (whole.dims[axis + 1] != slice.dims[axis])
      return share.message.fail(TN_SHAPE_MISMATCH,
                                "node '%s': iteration %" PRId64 " gives a slice whose axis %d is %" PRId64 ", those before gave %" PRId64,
                                nodeOf(*step), iteration, axis, slice.dims[axis], whole.dims[axis + 1]);
  size_t end = 0, begin = 0;
  if (__builtin_mul_overflow(slice.bytes, size_t(iteration), &begin) || __builtin_add_overflow(begin, slice.bytes, &end))
    return share.message.fail(TN_OUT_OF_MEMORY, "node '%s': the stacked slices are more than memory can hold", nodeOf(*step));
  GrowingBlock &block = kept[2 * loop.carried() + index];
  if (tn_status status = block.grow(end, begin, share, "slices that a loop stacks"))
    return status;
  if (tn_status status = share.copy(block.data + begin, slice.data, slice.bytes))
    return status;
  whole.dims[0] = iteration + 1;
  whole.data = block.data;
  whole.bytes = end;
  return TN_OK;
}

tn_status CallState::countIteration(int64_t iteration) {
  iterationNumber = iteration;
  callees[0].inputs[0] = {&iterationNumber, sizeof iterationNumber, TN_I64, 0, {}};
  if (!share.gpu)
    return TN_OK;
  if (tn_status status = deviceNumber.reserve(sizeof iterationNumber, 64, share, "the number of an iteration"))
    return status;
  callees[0].inputs[0].data = deviceNumber.data;
  if (!readsNumber)
    return TN_OK;
  return share.gpu->store(deviceNumber.data, iteration, share.message);
}

tn_status CallState::runBody(int64_t iteration, uint32_t carried, uint32_t stacked, bool counts) {
  Callee &body = callees[0];
  if (tn_status status = countIteration(iteration))
    return status;
  for (uint32_t i = 0; i < scanned.size(); ++i) {
    tn_tensor &slice = body.inputs[1 + carried + i];
    slice.data = static_cast<uint8_t *>(scanned[i].data) + size_t(iteration) * slice.bytes;
    if (tn_status status = alignInput(body, 1 + carried + i))
      return status;
  }
  for (tn_tensor &output : body.outputs)
    output.data = nullptr;
  if (tn_status status = body.runner->runCalled(body.inputs.data(), body.outputs.data(), body.symbols.data()))
    return status;
  uint32_t first = counts ? 0 : 1;
  for (uint32_t i = 0; i < carried; ++i) // what the body wrote is overwritten by its next run, and what it read is in the other one of the two
    if (tn_status status = keep(kept[2 * i + (iteration & 1)], body.outputs[first + i], values[i]))
      return status;
  for (uint32_t i = 0; i < carried; ++i)
    body.inputs[1 + i] = values[i];
  for (uint32_t i = 0; i < stacked; ++i)
    if (tn_status status = stack(i, body.outputs[first + carried + i], iteration))
      return status;
  return TN_OK;
}

tn_status CallState::runLoop(const format::Loop &loop, void *const *addresses, const tn_layout &layout) {
  Callee &body = callees[0];
  uint32_t carried = loop.carried();
  int64_t trips = INT64_MAX;
  if (loop.trips())
    if (tn_status status = fetch(layout, *loop.trips(), *addresses++, &trips, sizeof trips))
      return status;
  uint8_t goesOn = 1;
  if (loop.condition())
    if (tn_status status = fetch(layout, *loop.condition(), *addresses++, &goesOn, 1))
      return status;
  if (tn_status status = readArguments(body, 1, addresses, layout))
    return status;
  for (uint32_t i = 0; i < loop.scanned(); ++i) {
    tn_tensor &slice = body.inputs[1 + carried + i];
    scanned[i] = slice;
    if (slice.dims[0] < trips)
      return share.message.fail(TN_SHAPE_MISMATCH, "node '%s': %" PRId64 " iterations over %" PRId64 " slices", nodeOf(*step), trips, slice.dims[0]);
    slice.rank -= 1;
    memmove(slice.dims, slice.dims + 1, size_t(slice.rank) * sizeof(int64_t));
    slice.bytes = size_t(bytesOf(slice));
  }
  int64_t iteration = 0;
  for (; goesOn && iteration < trips; ++iteration) {
    if (tn_status status = runBody(iteration, carried, loop.stacked(), loop.counts()))
      return status;
    if (!loop.counts())
      if (tn_status status = share.fetch(&goesOn, body.outputs[0].data, 1))
        return status;
  }
  if (iteration > 0)
    return TN_OK;
  // Without a single iteration the carried values stay what they are, and nothing is stacked.
  for (uint32_t i = 0; i < carried; ++i)
    if (tn_status status = keep(kept[2 * i], body.inputs[1 + i], values[i]))
      return status;
  for (uint32_t i = 0; i < loop.stacked(); ++i)
    values[carried + i] = {};
  const auto *list = layout.plan->metadata->results();
  for (uint32_t i = firstResult; i < firstResult + resultCount; ++i) {
    const format::Result &result = *list->Get(i);
    if (result.output() < carried)
      continue;
    tn_tensor &empty = values[result.output()];
    describe(layout, *result.tensor(), empty);
    for (int32_t axis = 0; axis < empty.rank; ++axis)
      if (axis == 0 || layout.plan->segments.ofExpr(result.tensor()->dims()->Get(uint32_t(axis))) > segment)
        empty.dims[axis] = 0; // what no slice tells
  }
  return TN_OK;
}

tn_status checkResults(const tn_layout &layout, uint32_t step, const Array<tn_tensor> &results, Message &message) {
  const auto *list = layout.plan->metadata->results();
  for (uint32_t i = 0; i < count(list); ++i) {
    if (list->Get(i)->step() != step)
      continue;
    tn_tensor expected{};
    describe(layout, *list->Get(i)->tensor(), expected);
    const char *node = nodeOf(*layout.plan->metadata->steps()->Get(step));
    if (results[i].dtype != expected.dtype || results[i].rank != expected.rank)
      return message.fail(TN_BAD_PLAN, "corrupted metadata: result %u of node '%s' is not what its plan gives", i, node);
    for (int32_t axis = 0; axis < expected.rank; ++axis)
      if (results[i].dims[axis] != expected.dims[axis])
        return message.fail(TN_SHAPE_MISMATCH, "node '%s': axis %d of a result is %" PRId64 ", expected %" PRId64, node, axis, results[i].dims[axis],
                            expected.dims[axis]);
  }
  return TN_OK;
}

} // namespace tenon
