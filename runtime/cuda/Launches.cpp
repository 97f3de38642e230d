// Launches of a prepared plan: one behind the other, or with a clock around each.
#include "runtime/cuda/Executor.h"
#include "runtime/cuda/Ranges.h"
#include "runtime/cuda/TensorMaps.h"
#include "runtime/plan/TensorMapVerifier.h"

#include <algorithm>
#include <cstdio>

namespace tenon::cuda {

using namespace plan;

namespace {
constexpr const char *kStepByStep = "running the plan step by step";

const char *sourceOf(const format::Launch &launch) {
  return count(launch.sources()) ? launch.sources()->Get(0)->c_str() : "?";
}

/// A profiler's range around what is queued for a step.
class WatchedStep {
public:
  WatchedStep(const Ranges &ranges, const tn_plan &plan, uint32_t step) : ranges(ranges) {
    if (!ranges.isWatched())
      return;
    const format::Launch *launch = plan.metadata->steps()->Get(step)->kind_as_Launch();
    char name[320];
    snprintf(name, sizeof name, "%u %s: %s", step, launch ? plan.metadata->kernels()->Get(launch->kernel())->name()->c_str() : "copy",
             launch ? sourceOf(*launch) : "");
    ranges.begin(name);
  }
  ~WatchedStep() {
    if (ranges.isWatched())
      ranges.end();
  }
  WatchedStep(const WatchedStep &) = delete;
  WatchedStep &operator=(const WatchedStep &) = delete;

private:
  const Ranges &ranges;
};

/// Whether a step launches a kernel of the plan's: those wait themselves for the one before, which libraries' do not.
bool isLaunch(const PreparedPlan &prepared, uint32_t step) {
  const tn_plan &of = *prepared.layout().plan;
  const format::Launch *launch = of.metadata->steps()->Get(step)->kind_as_Launch();
  return launch && prepared.steps()[step].tasks && !of.metadata->kernels()->Get(launch->kernel())->library();
}
} // namespace

tn_status Executor::failLaunch(Result result, const format::Kernel &kernel, const format::Launch &launch, Message &message) const {
  char what[320];
  snprintf(what, sizeof what, "launching kernel '%s' of node '%s'", kernel.name()->c_str(), sourceOf(launch));
  return fail(result, what, message);
}

tn_status Executor::queueLibraryCall(const PreparedStep &step, const tn_plan &of, const format::Launch &launch, Message &message) {
  const format::Kernel &kernel = *of.metadata->kernels()->Get(launch.kernel());
  Message why;
  tn_status status = libraries.queue(of.firstKernel + launch.kernel(), *kernel.library(), step.args.buffers, stream, why);
  return status ? message.fail(status, "kernel '%s' of node '%s': %s", kernel.name()->c_str(), sourceOf(launch), why.c_str()) : TN_OK;
}

/// Queues one step on the stream. `overlaps`: the kernel may start while the one before ends.
tn_status Executor::queueStep(const PreparedPlan &prepared, uint32_t index, bool overlaps, Message &message) {
  const PreparedStep &step = prepared.steps()[index];
  const Driver &driver = *on->driver;
  const tn_plan &of = *prepared.layout().plan; // this context's plan, or one that it calls
  const format::Launch *launch = of.metadata->steps()->Get(index)->kind_as_Launch();
  if (!launch) {
    if (!step.copyBytes)
      return TN_OK;
    Result result = driver.copyOnDeviceAsync(DevicePointer(step.args.buffers[1]), DevicePointer(step.args.buffers[0]), step.copyBytes, stream);
    return result ? fail(result, "copying a tensor", message) : TN_OK;
  }
  if (!step.tasks)
    return TN_OK;
  const format::Kernel &kernel = *of.metadata->kernels()->Get(launch->kernel());
  if (kernel.library())
    return queueLibraryCall(step, of, *launch, message);
  uint32_t next = 0;
  for (uint32_t i = 0; i < count(launch->operands()); ++i)
    parameters[next++] = const_cast<void **>(&step.args.buffers[i]);
  for (uint32_t i = 0; i < kernel.symbols(); ++i)
    parameters[next++] = const_cast<int64_t *>(&step.args.symbols[i]);
  TensorMapObject maps[kMostTensorMaps];
  for (uint32_t i = 0; i < count(kernel.maps()); ++i) {
    const format::TensorMap &map = *kernel.maps()->Get(i);
    if (tn_status status = encode(driver, map, DevicePointer(step.args.buffers[map.buffer()]), &maps[i], message))
      return status;
    parameters[next++] = &maps[i];
  }
  uint32_t tasks = step.tasks;
  parameters[next] = &tasks;

  LaunchAttribute attribute = {kProgrammaticStreamSerialization, 0, {}};
  attribute.value = 1;
  uint32_t blocks = uint32_t((uint64_t(tasks) + kernel.tasks_per_block() - 1) / kernel.tasks_per_block());
  LaunchConfig config = {blocks,
                         1,
                         1,
                         kernel.threads(),
                         1,
                         1,
                         spreadShared(on->shared, kernel.shared_bytes(), blocks),
                         stream,
                         &attribute,
                         overlaps ? 1u : 0u};
  Result result = driver.launch(&config, on->functions[of.firstKernel + launch->kernel()], parameters.data(), nullptr);
  return result ? failLaunch(result, kernel, *launch, message) : TN_OK;
}

tn_status Executor::queueSteps(const PreparedPlan &prepared, const StepRange &range, Message &message) {
  for (uint32_t i = range.first; i < range.end; ++i)
    for (int repeat = 0; repeat < range.repeats; ++repeat) {
      bool isBehindLaunch = repeat > 0 ? isLaunch(prepared, i) : i > range.first && isLaunch(prepared, i - 1);
      if (tn_status status = queueStep(prepared, i, isBehindLaunch && on->capability >= kFirstWithDependentLaunch, message))
        return status;
    }
  return TN_OK;
}

tn_status Executor::makeEvents(Message &message) {
  if (events.size())
    return TN_OK;
  constexpr const char *kWhat = "the clock of the steps";
  if (tn_status status = reservePinned(reached, reachedBytes, sizeof(uint32_t), kWhat, message))
    return status;
  if (tn_status status = events.allocate(memory, size_t(2) * plan.stepCount(), kWhat, message))
    return status;
  std::fill(events.begin(), events.end(), nullptr);
  for (EventHandle &event : events)
    if (Result result = on->driver->eventCreate(&event, 0)) {
      destroyEvents();
      return fail(result, "making an event", message);
    }
  return TN_OK;
}

void Executor::destroyEvents() {
  for (EventHandle event : events)
    if (event)
      on->driver->eventDestroy(event);
  events.reset();
}

tn_status Executor::measureInARow(const PreparedPlan &prepared, const StepRange &range, Message &message) {
  const Driver &driver = *on->driver;
  for (uint32_t i = range.first; i < range.end; ++i) {
    const auto &step = *prepared.layout().plan->metadata->steps()->Get(i);
    if (!step.kind_as_Launch() && !step.kind_as_Copy())
      continue;
    GraphExecHandle exec = nullptr;
    if (tn_status status = capture(prepared, {i, i + 1, range.segment, nullptr, range.repeats}, &exec, message))
      return status;
    float milliseconds = 0;
    Result result = driver.graphLaunch(exec, stream); // brings it to the GPU
    result = result ? result : driver.eventRecord(events[2 * i], stream);
    result = result ? result : driver.graphLaunch(exec, stream);
    result = result ? result : driver.eventRecord(events[2 * i + 1], stream);
    result = result ? result : driver.streamSynchronize(stream);
    result = result ? result : driver.eventElapsedTime(&milliseconds, events[2 * i], events[2 * i + 1]);
    driver.graphExecDestroy(exec);
    if (result)
      return fail(result, "running a step in a row", message);
    note(range, i, milliseconds);
  }
  return TN_OK;
}

void Executor::note(const StepRange &range, uint32_t step, float milliseconds) {
  uint64_t elapsed = uint64_t(double(milliseconds) * 1e6 / range.repeats);
  range.times[step] = {elapsed, std::min(range.times[step].minimum, elapsed), range.times[step].total + elapsed};
}

void Executor::noteReached(uint32_t step) {
  // Where the driver cannot do it, errors name no step.
  on->driver->streamWriteWord(stream, reinterpret_cast<DevicePointer>(reached), step, 0);
}

tn_status Executor::failStep(Result result, const tn_plan &of, const StepRange &range, Message &message) {
  uint32_t step = reinterpret_cast<const volatile uint32_t &>(*reached);
  const format::Launch *launch = step < range.end ? of.metadata->steps()->Get(step)->kind_as_Launch() : nullptr;
  if (!launch)
    return fail(result, kStepByStep, message);
  char what[320];
  snprintf(what, sizeof what, "running kernel '%s' of node '%s'", of.metadata->kernels()->Get(launch->kernel())->name()->c_str(), sourceOf(*launch));
  return fail(result, what, message);
}

tn_status Executor::measureSteps(const PreparedPlan &prepared, const StepRange &range, Message &message) {
  const Driver &driver = *on->driver;
  const tn_plan &of = *prepared.layout().plan;
  if (tn_status status = makeEvents(message))
    return status;
  if (range.repeats > 1)
    return measureInARow(prepared, range, message);
  Ranges ranges = Ranges::open();
  constexpr uint32_t kNone = UINT32_MAX;
  reinterpret_cast<volatile uint32_t &>(*reached) = kNone;
  noteReached(range.first);
  tn_status status = TN_OK;
  Result result = kSuccess;
  for (uint32_t i = range.first; i < range.end && !result && !status; ++i) {
    WatchedStep watched(ranges, of, i);
    result = driver.eventRecord(events[2 * i], stream);
    status = result ? TN_OK : queueStep(prepared, i, false, message);
    result = result || status ? result : driver.eventRecord(events[2 * i + 1], stream);
    noteReached(i + 1);
  }
  Result waited = driver.streamSynchronize(stream);
  result = result ? result : waited;
  if (Driver::isLasting(waited))
    return failStep(waited, of, range, message);
  if (status || result)
    return status ? status : fail(result, kStepByStep, message);
  for (uint32_t i = range.first; i < range.end; ++i) {
    float milliseconds = 0;
    if ((result = driver.eventElapsedTime(&milliseconds, events[2 * i], events[2 * i + 1])))
      return fail(result, "reading an event", message);
    if (const auto &step = *of.metadata->steps()->Get(i); step.kind_as_If() || step.kind_as_Loop()) // the runner's clock measures it
      continue;
    note(range, i, milliseconds);
  }
  return TN_OK;
}

} // namespace tenon::cuda
