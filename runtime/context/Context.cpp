#include "runtime/context/Context.h"

#include "runtime/context/Checks.h"
#include "runtime/cpu/Topology.h"

#include <algorithm>
#include <cstring>
#include <ctime>

using namespace tenon;
using namespace tenon::plan;

namespace {

constexpr uint32_t kDefaultLayouts = 16;
constexpr uint32_t kDefaultSpinMicroseconds = 200; // longer than the single-task steps between launches, shorter than anyone notices

uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now); // no system call: the kernel's shared page answers
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

size_t roundUp64(size_t bytes) { return (bytes + 63) & ~size_t(63); }

} // namespace

tn_context::tn_context(tn_plan &plan, const tn_context_options &options)
    : memory(options.allocator, options.max_bytes), plan(&plan), arena(static_cast<uint8_t *>(options.arena)), arenaBytes(options.arena_bytes),
      isArenaGiven(options.arena != nullptr) {
  plan.retain();
}

tn_context::~tn_context() {
  pool.stop();
  for (PreparedPlan *prepared : cache)
    destroyPrepared(prepared);
  destroyObject(memory, gpu);
  if (!isArenaGiven)
    memory.release(arena, arenaBytes);
  plan->release();
}

tn_status tn_context::start(const tn_context_options &options) {
  if (tn_status status = cache.allocate(memory, options.max_layouts ? options.max_layouts : kDefaultLayouts, "the layouts", message))
    return status;
  std::fill(cache.begin(), cache.end(), nullptr);
  if (tn_status status = setProfile(options.profile != 0))
    return status;
  if (plan->isForGpu()) {
    if (isArenaGiven)
      return message.fail(TN_INVALID_ARGUMENT, "an arena was given for a plan that runs on a GPU, whose memory the context allocates");
    if (tn_status status = createObject(memory, &gpu, "a GPU context", message))
      return status;
    return gpu->start(*plan, options.device, memory, message);
  }
  uint32_t threads = options.threads ? options.threads : usableCores();
  if (options.cpu_count && !options.threads)
    threads = options.cpu_count;
  return pool.start(threads, options.cpu_count ? options.cpus : nullptr, options.spin_us ? options.spin_us : kDefaultSpinMicroseconds, memory, message);
}

tn_status tn_context::setProfile(bool on) {
  profiledRuns = 0;
  times.reset();
  if (!on)
    return TN_OK;
  if (tn_status status = times.allocate(memory, plan->stepCount(), "the profile", message))
    return status;
  std::fill(times.begin(), times.end(), StepTimes{0, UINT64_MAX, 0});
  return TN_OK;
}

void tn_context::destroyPrepared(PreparedPlan *prepared) {
  if (gpu && prepared)
    gpu->forget(*prepared);
  destroyObject(memory, prepared);
}

PreparedPlan **tn_context::slotForNew() {
  PreparedPlan **oldest = cache.begin();
  for (PreparedPlan *&slot : cache) {
    if (!slot)
      return &slot;
    if (slot->lastUse < (*oldest)->lastUse)
      oldest = &slot;
  }
  return oldest;
}

tn_status tn_context::select(const tn_tensor *inputs) {
  ++clock;
  if (!current || !current->layout().fits(inputs)) {
    auto fits = [&](PreparedPlan *prepared) { return prepared && prepared->layout().fits(inputs); };
    PreparedPlan **found = std::find_if(cache.begin(), cache.end(), fits);
    if (found == cache.end()) {
      PreparedPlan *made = nullptr;
      if (tn_status status = createObject(memory, &made, "the prepared launches", message, memory))
        return status;
      if (tn_status status = made->prepare(*plan, inputs, gpu ? gpu->weights() : plan->weights, message)) {
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

tn_status tn_context::reserve(bool withOutputs) {
  const tn_layout &layout = current->layout();
  size_t needed = roundUp64(size_t(layout.arenaBytes)) + (withOutputs ? size_t(layout.outputTotal) : 0);
  if (isArenaGiven) {
    if (needed > arenaBytes)
      return message.fail(TN_OUT_OF_ARENA, "the arena given has %zu bytes, these shapes need %zu (%lld for intermediate tensors, %lld for outputs left to the context)",
                          arenaBytes, needed, (long long)layout.arenaBytes, (long long)(withOutputs ? layout.outputTotal : 0));
    if (uintptr_t(arena) % layout.alignment != 0)
      return message.fail(TN_INVALID_ARGUMENT, "the arena given is at %p, it must be aligned to %u bytes", static_cast<void *>(arena), layout.alignment);
  } else if (needed > arenaBytes || layout.alignment > arenaAlignment) {
    size_t bytes = std::max(needed, arenaBytes);
    memory.release(arena, arenaBytes);
    arena = nullptr;
    arenaBytes = 0;
    void *block = nullptr;
    if (tn_status status = memory.allocate(bytes, layout.alignment, &block, "the arena", message))
      return status;
    arena = static_cast<uint8_t *>(block);
    arenaBytes = bytes;
    arenaAlignment = std::max<size_t>(64, layout.alignment);
  }
  current->bindArena(arena);
  return TN_OK;
}

tn_status tn_context::checkInputMemory(const tn_tensor *inputs) {
  for (uint32_t i = 0; i < plan->inputCount(); ++i) {
    const char *name = plan->metadata->inputs()->Get(i)->name()->c_str();
    size_t needed = size_t(current->layout().inputBytes[i]);
    if (tn_status status = checkMemory("input", name, inputs[i], needed, message))
      return status;
    if (needed && isOwn(inputs[i].data))
      return message.fail(TN_INVALID_ARGUMENT, "input '%s' lies in the context's own memory, which the run overwrites; copy it first", name);
  }
  return TN_OK;
}

tn_status tn_context::placeOutputs(tn_tensor *outputs) {
  const tn_layout &layout = current->layout();
  // Looked at before the arena may move: what still points into it was placed here by an earlier run.
  bool anyPlaced = false;
  for (uint32_t i = 0; i < plan->outputCount(); ++i) {
    if (isOwn(outputs[i].data))
      outputs[i].data = nullptr;
    anyPlaced |= !outputs[i].data;
  }
  if (tn_status status = reserve(anyPlaced))
    return status;
  for (uint32_t i = 0; i < plan->outputCount(); ++i) {
    const format::Tensor &expected = *plan->metadata->outputs()->Get(i);
    tn_tensor &output = outputs[i];
    if (tn_status status = checkType("output", expected.name()->c_str(), output.dtype ? output.dtype : tn_dtype(expected.dtype()), tn_dtype(expected.dtype()), message))
      return status;
    size_t room = output.bytes;
    bool isPlaced = !output.data;
    layout.describeOutput(i, output);
    size_t needed = output.bytes;
    if (isPlaced) {
      output.data = arena + roundUp64(size_t(layout.arenaBytes)) + layout.outputOffsets[i];
      continue;
    }
    output.bytes = room;
    if (tn_status status = checkMemory("output", expected.name()->c_str(), output, needed, message))
      return status;
  }
  return TN_OK;
}

tn_status tn_context::begin(const tn_tensor *inputs, const tn_tensor *outputs) {
  message.clear();
  if (tn_status status = checkPointers(*plan, inputs, outputs, message))
    return status;
  if (tn_status status = checkInputs(inputs))
    return status;
  if (tn_status status = select(inputs))
    return status;
  return checkInputMemory(inputs);
}

tn_status tn_context::run(const tn_tensor *inputs, tn_tensor *outputs) {
  if (tn_status status = begin(inputs, outputs))
    return status;
  if (gpu)
    return runOnGpu({.inputs = inputs, .outputs = outputs, .times = times.data()});
  if (tn_status status = placeOutputs(outputs))
    return status;
  current->bindTensors(inputs, outputs);
  execute();
  return TN_OK;
}

tn_status tn_context::runAsync(const tn_tensor *inputs, tn_tensor *outputs, void *stream) {
  if (!gpu) {
    message.clear();
    return message.fail(TN_INVALID_ARGUMENT, "tn_run_async: the plan runs on the CPU; use tn_run");
  }
  if (tn_status status = begin(inputs, outputs))
    return status;
  return runOnGpu({.inputs = inputs, .outputs = outputs, .stream = stream, .isAsync = true});
}

tn_status tn_context::runOnGpu(const GpuRun &run) {
  tn_status status = gpu->run(*current, run, message);
  profiledRuns += !status && run.times && !run.isAsync;
  return status;
}

tn_status tn_context::outputShapes(const tn_tensor *inputs, tn_tensor *outputs) {
  message.clear();
  if (tn_status status = checkPointers(*plan, inputs, outputs, message))
    return status;
  if (tn_status status = select(inputs))
    return status;
  if (gpu) {
    for (uint32_t i = 0; i < plan->outputCount(); ++i)
      current->layout().describeOutput(i, outputs[i]);
    return TN_OK;
  }
  bool anyPlaced = std::any_of(outputs, outputs + plan->outputCount(), [&](const tn_tensor &output) { return !output.data || isOwn(output.data); });
  if (tn_status status = reserve(anyPlaced))
    return status;
  for (uint32_t i = 0; i < plan->outputCount(); ++i)
    current->layout().describeOutput(i, outputs[i]);
  return TN_OK;
}

tn_status tn_context::checkInputs(const tn_tensor *inputs) {
  for (uint32_t i = 0; i < plan->inputCount(); ++i) {
    const format::Tensor &expected = *plan->metadata->inputs()->Get(i);
    if (tn_status status = checkType("input", expected.name()->c_str(), inputs[i].dtype, tn_dtype(expected.dtype()), message))
      return status;
  }
  return TN_OK;
}

void tn_context::runStep(const PreparedStep &step) {
  if (!step.kernel) {
    if (step.copyBytes) // empty tensors may have no memory
      memmove(step.args.buffers[1], step.args.buffers[0], step.copyBytes);
  } else if (step.tasks > 1 && pool.threads() > 1)
    pool.run(step.kernel, &step.args, step.tasks);
  else
    for (uint32_t task = 0; task < step.tasks; ++task)
      step.kernel(&step.args, task);
}

void tn_context::execute() {
  pool.wake();
  const Array<PreparedStep> &steps = current->steps();
  if (times.size() == 0) {
    for (const PreparedStep &step : steps)
      runStep(step);
    return;
  }
  ++profiledRuns;
  for (size_t i = 0; i < steps.size(); ++i) {
    uint64_t start = nanoseconds();
    runStep(steps[i]);
    uint64_t elapsed = nanoseconds() - start;
    times[i] = {elapsed, std::min(times[i].minimum, elapsed), times[i].total + elapsed};
  }
}
