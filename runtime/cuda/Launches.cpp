// Launches of a prepared plan: captured into a graph, or one by one with a clock around each.
#include "runtime/cuda/Executor.h"
#include "runtime/cuda/Ranges.h"

#include <algorithm>
#include <cstdio>

namespace tenon::cuda {

using namespace plan;

namespace {
const char *sourceOf(const format::Launch &launch) {
  return count(launch.sources()) ? launch.sources()->Get(0)->c_str() : "?";
}

/// A profiler's range around what is queued for a step.
class StepRange {
public:
  StepRange(const Ranges &ranges, const tn_plan &plan, uint32_t step) : ranges(ranges) {
    if (!ranges.isWatched())
      return;
    const format::Launch *launch = plan.metadata->steps()->Get(step)->kind_as_Launch();
    char name[320];
    snprintf(name, sizeof name, "%u %s: %s", step, launch ? plan.metadata->kernels()->Get(launch->kernel())->name()->c_str() : "copy",
             launch ? sourceOf(*launch) : "");
    ranges.begin(name);
  }
  ~StepRange() {
    if (ranges.isWatched())
      ranges.end();
  }
  StepRange(const StepRange &) = delete;
  StepRange &operator=(const StepRange &) = delete;

private:
  const Ranges &ranges;
};

bool isLaunch(const tn_plan &plan, uint32_t step) {
  return plan.metadata->steps()->Get(step)->kind_as_Launch() != nullptr;
}
} // namespace

tn_status Executor::failLaunch(Result result, const format::Kernel &kernel, const format::Launch &launch, Message &message) const {
  char what[320];
  snprintf(what, sizeof what, "launching kernel '%s' of node '%s'", kernel.name()->c_str(), sourceOf(launch));
  return fail(result, what, message);
}

/// Queues one step on the stream. `overlaps`: the kernel may start while the one before ends.
tn_status Executor::queueStep(const PreparedPlan &prepared, uint32_t index, bool overlaps, Message &message) {
  const PreparedStep &step = prepared.steps()[index];
  const Driver &driver = *on->driver;
  const format::Launch *launch = plan.metadata->steps()->Get(index)->kind_as_Launch();
  if (!launch) {
    if (!step.copyBytes)
      return TN_OK;
    Result result = driver.copyOnDeviceAsync(DevicePointer(step.args.buffers[1]), DevicePointer(step.args.buffers[0]), step.copyBytes, stream);
    return result ? fail(result, "copying a tensor", message) : TN_OK;
  }
  if (!step.tasks)
    return TN_OK;
  const format::Kernel &kernel = *plan.metadata->kernels()->Get(launch->kernel());
  uint32_t next = 0;
  for (uint32_t i = 0; i < count(launch->operands()); ++i)
    parameters[next++] = const_cast<void **>(&step.args.buffers[i]);
  for (uint32_t i = 0; i < kernel.symbols(); ++i)
    parameters[next++] = const_cast<int64_t *>(&step.args.symbols[i]);
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
  Result result = driver.launch(&config, on->functions[launch->kernel()], parameters.data(), nullptr);
  return result ? failLaunch(result, kernel, *launch, message) : TN_OK;
}

tn_status Executor::queueSteps(const PreparedPlan &prepared, Message &message) {
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    bool overlaps = i > 0 && isLaunch(plan, i - 1) && prepared.steps()[i - 1].tasks && on->capability >= kFirstWithDependentLaunch;
    if (tn_status status = queueStep(prepared, i, overlaps, message))
      return status;
  }
  return TN_OK;
}

tn_status Executor::capture(PreparedPlan &prepared, GraphExecHandle *exec, Message &message) {
  const Driver &driver = *on->driver;
  if (Result result = driver.streamBeginCapture(stream, kCaptureRelaxed))
    return fail(result, "capturing the launches", message);
  tn_status status = queueSteps(prepared, message);
  GraphHandle graph = nullptr;
  Result result = driver.streamEndCapture(stream, &graph);
  if (!status && result)
    status = fail(result, "capturing the launches", message);
  if (!status && (result = driver.graphInstantiate(exec, graph, 0)))
    status = fail(result, "making a graph of the launches", message);
  if (graph)
    driver.graphDestroy(graph);
  return status;
}

tn_status Executor::graphFor(PreparedPlan &prepared, GraphExecHandle *exec, Message &message) {
  uint32_t inputCount = plan.inputCount(), outputCount = plan.outputCount();
  if (!prepared.graph) {
    if (tn_status status = createObject(memory, &prepared.graph, "a graph of launches", message))
      return status;
    if (tn_status status = prepared.graph->tensors.allocate(memory, inputCount + outputCount, "a graph of launches", message)) {
      destroyObject(memory, prepared.graph);
      prepared.graph = nullptr;
      return status;
    }
    std::fill(prepared.graph->tensors.begin(), prepared.graph->tensors.end(), nullptr);
  }
  DeviceGraph &graph = *prepared.graph;
  bool isCurrent = graph.exec && graph.generation == generation;
  auto compare = [&](uint32_t slot, const tn_tensor &tensor) {
    isCurrent &= graph.tensors[slot] == tensor.data;
    graph.tensors[slot] = tensor.data;
  };
  for (uint32_t i = 0; i < inputCount; ++i)
    compare(i, inputs[i]);
  for (uint32_t i = 0; i < outputCount; ++i)
    compare(inputCount + i, outputs[i]);
  if (!isCurrent) {
    if (graph.exec)
      on->driver->graphExecDestroy(graph.exec);
    graph.exec = nullptr;
    if (tn_status status = capture(prepared, &graph.exec, message))
      return status;
    graph.generation = generation;
  }
  *exec = graph.exec;
  return TN_OK;
}

void Executor::forget(PreparedPlan &prepared) {
  if (!prepared.graph)
    return;
  CurrentContext current(*on->driver, on->context);
  if (prepared.graph->exec)
    on->driver->graphExecDestroy(prepared.graph->exec);
  destroyObject(memory, prepared.graph);
  prepared.graph = nullptr;
}

tn_status Executor::makeEvents(uint32_t wanted, Message &message) {
  if (events.size())
    return TN_OK;
  if (tn_status status = events.allocate(memory, wanted, "the clock of the steps", message))
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

tn_status Executor::measureSteps(const PreparedPlan &prepared, const GpuRun &run, Message &message) {
  const Driver &driver = *on->driver;
  StepTimes *times = run.times;
  uint32_t steps = plan.stepCount();
  if (tn_status status = makeEvents(steps + 1, message))
    return status;
  Ranges ranges = Ranges::open();
  Result result = driver.eventRecord(events[0], stream);
  for (uint32_t i = 0; i < steps && !result; ++i) {
    StepRange range(ranges, plan, i);
    for (int repeat = 0; repeat < run.repeats; ++repeat)
      if (tn_status status = queueStep(prepared, i, repeat > 0 && isLaunch(plan, i) && on->capability >= kFirstWithDependentLaunch, message))
        return status;
    result = driver.eventRecord(events[i + 1], stream);
  }
  if (result || (result = driver.streamSynchronize(stream)))
    return fail(result, "running the plan step by step", message);
  for (uint32_t i = 0; i < steps; ++i) {
    float milliseconds = 0;
    if ((result = driver.eventElapsedTime(&milliseconds, events[i], events[i + 1])))
      return fail(result, "reading an event", message);
    uint64_t elapsed = uint64_t(double(milliseconds) * 1e6 / run.repeats);
    times[i] = {elapsed, std::min(times[i].minimum, elapsed), times[i].total + elapsed};
  }
  return TN_OK;
}

} // namespace tenon::cuda
