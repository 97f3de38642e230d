#include "runtime/context/Runner.h"

#include "runtime/context/CallState.h"
#include "runtime/context/Checks.h"
#include "runtime/plan/Steps.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace tenon {

using namespace plan;

namespace {

uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now); // no system call: the kernel's shared page answers
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

/// Element i of the integers at `from`; the bits of a float.
int64_t sizeAt(const void *from, format::DType dtype, uint32_t i) {
  if (dtype == format::DType::I64)
    return static_cast<const int64_t *>(from)[i];
  return dtype == format::DType::I32 ? int64_t(static_cast<const int32_t *>(from)[i]) : int64_t(static_cast<const uint32_t *>(from)[i]);
}

size_t roundUp64(size_t bytes) {
  return (bytes + 63) & ~size_t(63);
}

} // namespace

Runner::Runner(tn_plan &plan, const RunnerShare &share) : plan(plan), share(share) {
  plan.retain();
}

Runner::~Runner() {
  for (PreparedPlan *prepared : cache)
    destroyPrepared(prepared);
  for (CallState *call : calls)
    destroyObject(share.memory, call);
  for (auto *list : {&blocks, &outputBlocks})
    for (GrowingBlock &block : *list)
      block.release(share);
  if (!isArenaGiven)
    share.release(arena, arenaBytes);
  plan.release();
}

void Runner::giveArena(void *memory, size_t bytes) {
  arena = static_cast<uint8_t *>(memory);
  arenaBytes = bytes;
  isArenaGiven = true;
}

tn_status Runner::start() {
  if (tn_status status = cache.allocate(share.memory, share.maxLayouts, "the layouts", share.message))
    return status;
  std::fill(cache.begin(), cache.end(), nullptr);
  if (plan.segments.count() == 1)
    return TN_OK;
  constexpr const char *kWhat = "the state of steps that define sizes";
  for (auto [list, size] : {std::pair(&blocks, plan.segments.blockCount()), std::pair(&outputBlocks, plan.outputCount())}) {
    if (tn_status status = list->allocate(share.memory, size, kWhat, share.message))
      return status;
    std::fill(list->begin(), list->end(), GrowingBlock{nullptr, 0, 0});
  }
  if (tn_status status = blockAddresses.allocate(share.memory, plan.segments.blockCount(), kWhat, share.message))
    return status;
  if (tn_status status = results.allocate(share.memory, count(plan.metadata->results()), kWhat, share.message))
    return status;
  std::fill(results.begin(), results.end(), tn_tensor{});
  if (share.gpu)
    if (tn_status status = deviceOutputs.allocate(share.memory, plan.outputCount(), kWhat, share.message))
      return status;
  if (tn_status status = calls.allocate(share.memory, plan.segments.count(), kWhat, share.message))
    return status;
  std::fill(calls.begin(), calls.end(), nullptr);
  for (uint32_t segment = 1; segment < plan.segments.count(); ++segment) {
    const format::Step &step = *plan.metadata->steps()->Get(plan.segments.firstStep(segment) - 1);
    if (step.kind_type() == format::StepKind::ReadSizes)
      continue;
    if (tn_status status = createObject(share.memory, &calls[segment], kWhat, share.message, share))
      return status;
    if (tn_status status = calls[segment]->start(plan, step, segment - 1))
      return status;
  }
  return TN_OK;
}

tn_status Runner::setProfile(int level) {
  constexpr int kRepeats = 16;
  profiledRuns = 0;
  times.reset();
  if (level == 0)
    return TN_OK;
  stepRepeats = share.gpu && level > 1 ? kRepeats : 1;
  if (tn_status status = times.allocate(share.memory, plan.stepCount(), "the profile", share.message))
    return status;
  std::fill(times.begin(), times.end(), StepTimes{0, UINT64_MAX, 0});
  return TN_OK;
}

void Runner::destroyPrepared(PreparedPlan *prepared) {
  if (share.gpu && prepared)
    share.gpu->forget(*prepared);
  destroyObject(share.memory, prepared);
}

PreparedPlan **Runner::slotForNew() {
  PreparedPlan **oldest = cache.begin();
  for (PreparedPlan *&slot : cache) {
    if (!slot)
      return &slot;
    if (slot->lastUse < (*oldest)->lastUse)
      oldest = &slot;
  }
  return oldest;
}

tn_status Runner::select(const tn_tensor *inputs, const int64_t *given) {
  ++clock;
  if (!current || !current->layout().fits(inputs, given)) {
    auto fits = [&](PreparedPlan *prepared) { return prepared && prepared->layout().fits(inputs, given); };
    PreparedPlan **found = std::find_if(cache.begin(), cache.end(), fits);
    if (found == cache.end()) {
      PreparedPlan *made = nullptr;
      if (tn_status status = createObject(share.memory, &made, "the prepared launches", share.message, share.memory))
        return status;
      if (tn_status status = made->prepare(plan, inputs, given, share.gpu ? share.gpu->weights(plan) : Weights{plan.weights}, share.message)) {
        destroyPrepared(made);
        return status;
      }
      found = slotForNew();
      current = nullptr;
      destroyPrepared(*found);
      *found = made;
    }
    current = *found;
  }
  current->lastUse = clock;
  return TN_OK;
}

tn_status Runner::checkGivenArena(size_t outputs) const {
  const tn_layout &layout = current->layout();
  size_t needed = roundUp64(size_t(layout.arenaBytes)) + outputs;
  if (needed > arenaBytes)
    return share.message.fail(
        TN_OUT_OF_ARENA, "the arena given has %zu bytes, these shapes need %zu (%lld for intermediate tensors, %lld for outputs left to the context)",
        arenaBytes, needed, (long long)layout.arenaBytes, (long long)outputs);
  if (uintptr_t(arena) % layout.alignment != 0)
    return share.message.fail(TN_INVALID_ARGUMENT, "the arena given is at %p, it must be aligned to %u bytes", static_cast<void *>(arena),
                              layout.alignment);
  return TN_OK;
}

tn_status Runner::reserve(bool withOutputs) {
  const tn_layout &layout = current->layout();
  size_t outputs = withOutputs ? size_t(layout.outputTotal) : 0, needed = roundUp64(size_t(layout.arenaBytes)) + outputs;
  if (isArenaGiven) {
    if (tn_status status = checkGivenArena(outputs))
      return status;
  } else if (needed > arenaBytes || layout.alignment > arenaAlignment) {
    size_t bytes = std::max(needed, arenaBytes);
    share.release(arena, arenaBytes);
    arena = nullptr;
    arenaBytes = 0;
    void *block = nullptr;
    if (tn_status status = share.allocate(bytes, layout.alignment, &block, "the arena"))
      return status;
    arena = static_cast<uint8_t *>(block);
    arenaBytes = bytes;
    arenaAlignment = std::max<size_t>(64, layout.alignment);
  }
  current->bindArena(arena);
  return TN_OK;
}

bool Runner::isOwn(const void *address) const {
  if (!address)
    return false;
  auto holds = [&](const GrowingBlock &block) { return block.holds(address); };
  return uintptr_t(address) - uintptr_t(arena) < arenaBytes || std::any_of(blocks.begin(), blocks.end(), holds) ||
         std::any_of(outputBlocks.begin(), outputBlocks.end(), holds);
}

tn_status Runner::checkInputMemory(const tn_tensor *inputs) {
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    const char *name = plan.metadata->inputs()->Get(i)->name()->c_str();
    size_t needed = size_t(current->layout().inputBytes[i]);
    if (tn_status status = checkMemory("input", name, inputs[i], needed, share.message))
      return status;
    if (needed && isOwn(inputs[i].data))
      return share.message.fail(TN_INVALID_ARGUMENT, "input '%s' lies in the context's own memory, which the run overwrites; copy it first", name);
  }
  return TN_OK;
}

tn_status Runner::placeOutputs(tn_tensor *outputs) {
  const tn_layout &layout = current->layout();
  // Looked at before the arena may move: what still points into it was placed here by an earlier run.
  bool anyPlaced = false;
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    if (isOwn(outputs[i].data))
      outputs[i].data = nullptr;
    anyPlaced |= !outputs[i].data && layout.plan->segments.isKnownBefore(*plan.metadata->outputs()->Get(i));
  }
  if (tn_status status = reserve(anyPlaced))
    return status;
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    const format::Tensor &expected = *plan.metadata->outputs()->Get(i);
    tn_tensor &output = outputs[i];
    if (tn_status status = checkType("output", expected.name()->c_str(), output.dtype ? output.dtype : tn_dtype(expected.dtype()),
                                     tn_dtype(expected.dtype()), share.message))
      return status;
    if (!plan.segments.isKnownBefore(expected))
      continue; // looked at when the run knows its size
    size_t room = output.bytes;
    bool isPlaced = !output.data;
    layout.describeOutput(i, output);
    size_t needed = output.bytes;
    if (isPlaced) {
      output.data = arena + roundUp64(size_t(layout.arenaBytes)) + layout.outputOffsets[i];
      continue;
    }
    output.bytes = room;
    if (tn_status status = checkMemory("output", expected.name()->c_str(), output, needed, share.message))
      return status;
  }
  return TN_OK;
}

tn_status Runner::begin(const tn_tensor *inputs, const tn_tensor *outputs, const int64_t *given) {
  if (tn_status status = checkPointers(plan, inputs, outputs, share.message))
    return status;
  if (tn_status status = checkInputs(inputs))
    return status;
  if (tn_status status = select(inputs, given))
    return status;
  return checkInputMemory(inputs);
}

tn_status Runner::run(const tn_tensor *inputs, tn_tensor *outputs) {
  if (tn_status status = begin(inputs, outputs, nullptr))
    return status;
  if (!share.gpu)
    return runInPlace(inputs, outputs);
  if (plan.segments.count() > 1)
    return runSegmentsOnGpu(inputs, outputs);
  return runOnGpu({.inputs = inputs, .outputs = outputs, .times = times.data(), .repeats = stepRepeats});
}

tn_status Runner::runCalled(const tn_tensor *inputs, tn_tensor *outputs, const int64_t *given) {
  if (tn_status status = begin(inputs, outputs, given))
    return status;
  return runInPlace(inputs, outputs);
}

tn_status Runner::runInPlace(const tn_tensor *inputs, tn_tensor *outputs) {
  if (tn_status status = placeOutputs(outputs))
    return status;
  current->bindTensors(inputs, outputs);
  return execute(inputs, outputs);
}

tn_status Runner::runSegmentsOnGpu(const tn_tensor *inputs, tn_tensor *outputs) {
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    const format::Tensor &expected = *plan.metadata->outputs()->Get(i);
    if (tn_status status = checkType("output", expected.name()->c_str(), outputs[i].dtype ? outputs[i].dtype : tn_dtype(expected.dtype()),
                                     tn_dtype(expected.dtype()), share.message))
      return status;
  }
  const tn_tensor *brought = nullptr;
  if (tn_status status = share.gpu->bringInputs(current->layout(), inputs, &brought, share.message))
    return status;
  std::fill(deviceOutputs.begin(), deviceOutputs.end(), tn_tensor{});
  if (tn_status status = runInPlace(brought, deviceOutputs.data()))
    return status;
  return share.gpu->deliverOutputs(deviceOutputs.data(), outputs, share.message);
}

tn_status Runner::runAsync(const tn_tensor *inputs, tn_tensor *outputs, void *stream) {
  if (!share.gpu)
    return share.message.fail(TN_INVALID_ARGUMENT, "tn_run_async: the plan runs on the CPU; use tn_run");
  if (plan.segments.count() > 1) {
    const auto *sources = sourcesOf(*plan.metadata->steps()->Get(plan.segments.endStep(0) - 1));
    return share.message.fail(TN_INVALID_ARGUMENT,
                              "tn_run_async: the plan has branches, loops or sizes that only a run knows (node '%s'), for which a run waits; use tn_run, "
                              "which takes tensors in the GPU's memory too",
                              count(sources) ? sources->Get(0)->c_str() : "");
  }
  if (tn_status status = begin(inputs, outputs, nullptr))
    return status;
  return runOnGpu({.inputs = inputs, .outputs = outputs, .stream = stream, .isAsync = true});
}

tn_status Runner::runOnGpu(GpuRun run) {
  if (isArenaGiven) {
    if (tn_status status = checkGivenArena(0))
      return status;
    for (uint32_t i = 0; i < plan.outputCount(); ++i)
      if (isOwn(run.outputs[i].data))
        return share.message.fail(TN_INVALID_ARGUMENT, "output '%s' lies in the arena given, which the run overwrites",
                                  plan.metadata->outputs()->Get(i)->name()->c_str());
    run.arena = arena;
  }
  tn_status status = share.gpu->run(*current, run, share.message);
  profiledRuns += !status && run.times && !run.isAsync;
  return status;
}

tn_status Runner::outputShapes(const tn_tensor *inputs, tn_tensor *outputs) {
  if (tn_status status = checkPointers(plan, inputs, outputs, share.message))
    return status;
  if (tn_status status = select(inputs, nullptr))
    return status;
  if (share.gpu) {
    for (uint32_t i = 0; i < plan.outputCount(); ++i)
      current->layout().describeOutput(i, outputs[i]);
    return TN_OK;
  }
  bool anyPlaced = std::any_of(outputs, outputs + plan.outputCount(), [&](const tn_tensor &output) { return !output.data || isOwn(output.data); });
  if (tn_status status = reserve(anyPlaced))
    return status;
  for (uint32_t i = 0; i < plan.outputCount(); ++i)
    current->layout().describeOutput(i, outputs[i]);
  return TN_OK;
}

tn_status Runner::checkInputs(const tn_tensor *inputs) {
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    const format::Tensor &expected = *plan.metadata->inputs()->Get(i);
    if (tn_status status = checkType("input", expected.name()->c_str(), inputs[i].dtype, tn_dtype(expected.dtype()), share.message))
      return status;
  }
  return TN_OK;
}

void Runner::runStep(const PreparedStep &step) {
  if (!step.kernel) {
    if (step.copyBytes) // empty tensors may have no memory
      memmove(step.args.buffers[1], step.args.buffers[0], step.copyBytes);
  } else if (step.tasks > 1 && share.pool.threads() > 1) {
    share.pool.run(step.kernel, &step.args, step.tasks);
  } else {
    backwards = step.isLarge ? !backwards : backwards;
    bool reverse = step.isLarge && backwards;
    for (uint32_t task = 0; task < step.tasks; ++task)
      step.kernel(&step.args, reverse ? step.tasks - 1 - task : task);
  }
}

tn_status Runner::runSteps(uint32_t segment) {
  uint32_t first = plan.segments.firstStep(segment), end = plan.segments.endStep(segment);
  if (share.gpu)
    return share.gpu->queue(*current, {first, end, segment, times.data(), stepRepeats}, share.message);
  const Array<PreparedStep> &steps = current->steps();
  if (times.size() == 0) {
    for (uint32_t i = first; i < end; ++i)
      runStep(steps[i]);
    return TN_OK;
  }
  for (uint32_t i = first; i < end; ++i) {
    uint64_t start = nanoseconds();
    runStep(steps[i]);
    uint64_t elapsed = nanoseconds() - start;
    times[i] = {elapsed, std::min(times[i].minimum, elapsed), times[i].total + elapsed};
  }
  return TN_OK;
}

tn_status Runner::execute(const tn_tensor *inputs, tn_tensor *outputs) {
  share.pool.wake();
  profiledRuns += times.size() != 0;
  backwards = true; // the first goes forwards
  const Segments &segments = plan.segments;
  if (tn_status status = runSteps(0))
    return status;
  for (uint32_t segment = 1; segment < segments.count(); ++segment) {
    if (tn_status status = advance(segment, inputs, outputs))
      return status;
    if (tn_status status = runSteps(segment))
      return status;
  }
  return TN_OK;
}

tn_status Runner::define(uint32_t step, uint32_t segment) {
  const format::ReadSizes &read = *plan.metadata->steps()->Get(step)->kind_as_ReadSizes();
  const auto *from = static_cast<const uint8_t *>(current->steps()[step].args.buffers[0]);
  size_t elementBytes = read.dtype() == format::DType::I64 ? 8 : 4;
  constexpr uint32_t kAtOnce = 32;
  alignas(8) uint8_t fetched[8 * kAtOnce];
  for (uint32_t i = 0; i < count(read.symbols()); ++i) {
    if (i % kAtOnce == 0) {
      uint32_t elements = std::min(count(read.symbols()) - i, kAtOnce);
      if (tn_status status = share.fetch(fetched, from + i * elementBytes, elements * elementBytes))
        return status;
    }
    if (tn_status status = current->layout().define(read.symbols()->Get(i), sizeAt(fetched, read.dtype(), i % kAtOnce), segment, share.message))
      return status;
  }
  return TN_OK;
}

tn_status Runner::call(uint32_t step, uint32_t segment) {
  bool isTimed = times.size() != 0;
  uint64_t start = isTimed ? nanoseconds() : 0;
  tn_layout &layout = current->layout();
  if (tn_status status = calls[segment]->run(current->steps()[step].args.buffers, layout, results))
    return status;
  if (isTimed && share.gpu)
    if (tn_status status = share.gpu->wait(share.message))
      return status;
  if (isTimed) {
    uint64_t elapsed = nanoseconds() - start;
    times[step] = {elapsed, std::min(times[step].minimum, elapsed), times[step].total + elapsed};
  }
  for (uint32_t i = 0; i < plan.symbolCount(); ++i) {
    const format::Symbol &symbol = *plan.metadata->symbols()->Get(i);
    if (symbol.source() != format::SymbolSource::Step || symbol.step() != step)
      continue;
    if (tn_status status = layout.define(i, results[symbol.input()].dims[symbol.axis()], segment, share.message))
      return status;
  }
  return TN_OK;
}

tn_status Runner::advance(uint32_t segment, const tn_tensor *inputs, tn_tensor *outputs) {
  tn_layout &layout = current->layout();
  uint32_t definer = plan.segments.firstStep(segment) - 1;
  if (tn_status status = calls[segment] ? call(definer, segment) : define(definer, segment))
    return status;
  if (tn_status status = layout.enterSegment(segment, share.message))
    return status;
  if (calls[segment])
    if (tn_status status = checkResults(layout, definer, results, share.message))
      return status;
  GrowingBlock &block = blocks[plan.segments.block(segment)];
  if (tn_status status =
          block.reserve(size_t(layout.segmentBytes[segment]), layout.alignment, share, "tensors whose size the run defines"))
    return status;
  blockAddresses[plan.segments.block(segment)] = block.data;
  if (tn_status status = placeLateOutputs(segment, outputs))
    return status;
  current->bindSegment(segment, {arena, blockAddresses.data(), inputs, outputs, results.data()});
  return TN_OK;
}

tn_status Runner::placeLateOutputs(uint32_t segment, tn_tensor *outputs) {
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    const format::Tensor &expected = *plan.metadata->outputs()->Get(i);
    if (plan.segments.of(expected) != segment)
      continue;
    tn_tensor &output = outputs[i];
    size_t room = output.bytes;
    current->layout().describeOutput(i, output, true);
    size_t needed = output.bytes;
    if (!output.data) {
      GrowingBlock &block = outputBlocks[i];
      if (tn_status status = block.reserve(needed, current->layout().alignment, share, "an output whose size the run defines"))
        return status;
      output.data = block.data;
      continue;
    }
    output.bytes = room;
    if (tn_status status = checkMemory("output", expected.name()->c_str(), output, needed, share.message))
      return status;
  }
  return TN_OK;
}

} // namespace tenon
