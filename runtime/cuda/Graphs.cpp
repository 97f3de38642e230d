// Launches as graphs: of a whole plan for the caller's tensors, of a segment for the addresses and sizes that it had before.
#include "runtime/cuda/Executor.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace tenon::cuda {

using namespace plan;

namespace {

constexpr uint32_t kWorthAGraph = 4; // launches; fewer are queued as fast one by one
constexpr uint32_t kKeysOfSegment = 3; // a loop's carried values lie where they come from, and then in two places, in turn
constexpr uint32_t kTimesBefore = 2; // the same key was met: making a graph takes as long as tens of launches

/// Calls `visit` with all that the launches of a segment are made of, until it returns false.
template <typename Visit> bool forEachWord(const PreparedPlan &prepared, const StepRange &range, Visit visit) {
  const tn_plan &of = *prepared.layout().plan;
  for (uint32_t i = range.first; i < range.end; ++i) {
    const PreparedStep &step = prepared.steps()[i];
    const format::Step &planned = *of.metadata->steps()->Get(i);
    uint32_t operands = 2, symbols = 0;
    if (const format::Launch *launch = planned.kind_as_Launch())
      operands = count(launch->operands()), symbols = count(launch->symbols());
    else if (!planned.kind_as_Copy())
      continue;
    for (uint32_t j = 0; j < operands; ++j)
      if (!visit(reinterpret_cast<uint64_t>(step.args.buffers[j])))
        return false;
    for (uint32_t j = 0; j < symbols; ++j)
      if (!visit(uint64_t(step.args.symbols[j])))
        return false;
    if (!visit(step.tasks) || !visit(step.copyBytes))
      return false;
  }
  return true;
}

uint32_t launchesOf(const tn_plan &of, uint32_t segment) {
  uint32_t launches = 0;
  for (uint32_t i = of.segments.firstStep(segment); i < of.segments.endStep(segment); ++i)
    launches += of.metadata->steps()->Get(i)->kind_as_Launch() != nullptr;
  return launches;
}

} // namespace

tn_status Executor::makeGraph(PreparedPlan &prepared, Message &message) {
  constexpr const char *kWhat = "a graph of launches";
  if (tn_status status = createObject(memory, &prepared.graph, kWhat, message))
    return status;
  tn_status status = prepared.graph->tensors.allocate(memory, size_t(plan.inputCount() + plan.outputCount()) * DeviceGraph::kKept, kWhat, message);
  if (status) {
    destroyObject(memory, prepared.graph);
    prepared.graph = nullptr;
  }
  return status;
}

DeviceGraph::Entry *Executor::entryFor(DeviceGraph &graph) const {
  uint32_t tensorCount = plan.inputCount() + plan.outputCount();
  for (DeviceGraph::Entry &entry : graph.entries) {
    const void **captured = &graph.tensors[size_t(&entry - graph.entries) * tensorCount];
    bool fits = entry.exec && entry.generation == generation;
    for (uint32_t i = 0; i < tensorCount && fits; ++i)
      fits = captured[i] == addressOf(i);
    if (fits)
      return &entry;
  }
  return nullptr;
}

bool Executor::comeAgain(DeviceGraph &graph, const DeviceGraph::Entry &oldest) const {
  uint64_t hash = 14695981039346656037u; // FNV-1a, of addresses instead of bytes
  for (uint32_t i = 0; i < plan.inputCount() + plan.outputCount(); ++i)
    hash = (hash ^ uintptr_t(addressOf(i))) * 1099511628211u;
  uint64_t *end = std::end(graph.remembered), *found = std::find(std::begin(graph.remembered), end, hash);
  if (found != end)
    return graph.clock - oldest.lastUse >= DeviceGraph::kIdle;
  graph.remembered[graph.nextRemembered++ % DeviceGraph::kRemembered] = hash;
  return false;
}

tn_status Executor::useOwnTensors(const tn_layout &layout, StreamHandle queue, Message &message) {
  for (uint32_t i = 0; i < plan.inputCount(); ++i) {
    DevicePointer own = block + arenaRoom + slots[i], given = DevicePointer(inputs[i].data);
    if (own == given)
      continue;
    if (Result result = on->driver->copyOnDeviceAsync(own, given, size_t(layout.inputBytes[i]), queue))
      return fail(result, "copying an input", message);
    inputs[i].data = reinterpret_cast<void *>(own);
  }
  for (uint32_t i = 0; i < plan.outputCount(); ++i) // copyOutputs brings them to the caller's
    outputs[i].data = reinterpret_cast<void *>(block + arenaRoom + slots[plan.inputCount() + i]);
  return TN_OK;
}

tn_status Executor::captureEntry(PreparedPlan &prepared, DeviceGraph::Entry &entry, Message &message) {
  DeviceGraph &graph = *prepared.graph;
  uint32_t tensorCount = plan.inputCount() + plan.outputCount();
  if (entry.exec)
    on->driver->graphExecDestroy(entry.exec);
  entry = {nullptr, generation, 0};
  bindSteps(prepared);
  if (tn_status status = capture(prepared, {0, plan.stepCount()}, &entry.exec, message))
    return status;
  for (uint32_t i = 0; i < tensorCount; ++i)
    graph.tensors[size_t(&entry - graph.entries) * tensorCount + i] = addressOf(i);
  return TN_OK;
}

tn_status Executor::graphFor(PreparedPlan &prepared, StreamHandle queue, GraphExecHandle *exec, Message &message) {
  if (!prepared.graph)
    if (tn_status status = makeGraph(prepared, message))
      return status;
  DeviceGraph &graph = *prepared.graph;
  DeviceGraph::Entry *found = entryFor(graph);
  if (!found) {
    auto lastUse = [&](const DeviceGraph::Entry &entry) { return entry.generation == generation ? entry.lastUse : 0; };
    auto isOlder = [&](const DeviceGraph::Entry &a, const DeviceGraph::Entry &b) { return lastUse(a) < lastUse(b); };
    DeviceGraph::Entry *oldest = std::min_element(std::begin(graph.entries), std::end(graph.entries), isOlder);
    if (lastUse(*oldest) && !comeAgain(graph, *oldest)) {
      if (tn_status status = useOwnTensors(prepared.layout(), queue, message))
        return status;
      found = entryFor(graph);
    }
    if (!found)
      if (tn_status status = captureEntry(prepared, *(found = oldest), message))
        return status;
  }
  found->lastUse = ++graph.clock;
  *exec = found->exec;
  return TN_OK;
}

tn_status Executor::capture(const PreparedPlan &prepared, const StepRange &range, GraphExecHandle *exec, Message &message) {
  const Driver &driver = *on->driver;
  if (Result result = driver.streamBeginCapture(stream, kCaptureRelaxed))
    return fail(result, "capturing the launches", message);
  tn_status status = queueSteps(prepared, range, message);
  GraphHandle graph = nullptr;
  Result result = driver.streamEndCapture(stream, &graph);
  if (!status && result)
    status = fail(result, "capturing the launches", message);
  if (!status && (result = driver.graphInstantiate(exec, graph, 0))) {
    char what[64];
    snprintf(what, sizeof what, "making a graph of %u steps", range.end - range.first);
    status = fail(result, what, message);
  }
  if (graph)
    driver.graphDestroy(graph);
  return status;
}

tn_status Executor::makeSegmentGraphs(PreparedPlan &prepared, Message &message) {
  constexpr const char *kWhat = "the graphs of segments";
  const tn_plan &of = *prepared.layout().plan;
  SegmentGraphs *graphs = nullptr;
  if (tn_status status = createObject(memory, &graphs, kWhat, message))
    return status;
  size_t words = 0;
  tn_status status = graphs->entries.allocate(memory, size_t(kKeysOfSegment) * of.segments.count(), kWhat, message);
  for (uint32_t i = 0; i < graphs->entries.size(); ++i) {
    uint32_t segment = i / kKeysOfSegment;
    graphs->entries[i] = {nullptr, words, 0, 0};
    if (launchesOf(of, segment) >= kWorthAGraph)
      forEachWord(prepared, {of.segments.firstStep(segment), of.segments.endStep(segment)}, [&](uint64_t) { return ++words != 0; });
  }
  if (!status)
    status = graphs->keys.allocate(memory, words, kWhat, message);
  if (status)
    destroyObject(memory, graphs);
  else
    prepared.segmentGraphs = graphs;
  return status;
}

tn_status Executor::queueSegment(PreparedPlan &prepared, const StepRange &range, uint32_t segment, Message &message) {
  if (launchesOf(*prepared.layout().plan, segment) < kWorthAGraph)
    return queueSteps(prepared, range, message);
  if (!prepared.segmentGraphs)
    if (tn_status status = makeSegmentGraphs(prepared, message))
      return status;
  SegmentGraphs &graphs = *prepared.segmentGraphs;
  SegmentGraphs::Entry *first = &graphs.entries[kKeysOfSegment * segment], *found = nullptr, *oldest = first;
  for (SegmentGraphs::Entry *entry = first; entry < first + kKeysOfSegment && !found; ++entry) {
    const uint64_t *word = &graphs.keys[entry->firstWord];
    if (entry->times && forEachWord(prepared, range, [&](uint64_t value) { return value == *word++; }))
      found = entry;
    if (entry->lastUse < oldest->lastUse)
      oldest = entry;
  }
  if (!found) {
    found = oldest;
    if (found->exec)
      on->driver->graphExecDestroy(found->exec);
    found->exec = nullptr, found->times = 0;
    uint64_t *word = &graphs.keys[found->firstWord];
    forEachWord(prepared, range, [&](uint64_t value) { return *word++ = value, true; });
  }
  found->lastUse = ++graphs.clock;
  if (found->times++ < kTimesBefore)
    return queueSteps(prepared, range, message);
  if (!found->exec)
    if (tn_status status = capture(prepared, range, &found->exec, message))
      return status;
  Result result = on->driver->graphLaunch(found->exec, stream);
  return result ? fail(result, "launching a part of the plan", message) : TN_OK;
}

void Executor::forget(PreparedPlan &prepared) {
  if (!prepared.graph && !prepared.segmentGraphs)
    return;
  CurrentContext current(*on->driver, on->context);
  if (prepared.graph)
    for (DeviceGraph::Entry &entry : prepared.graph->entries)
      if (entry.exec)
        on->driver->graphExecDestroy(entry.exec);
  if (prepared.segmentGraphs)
    for (SegmentGraphs::Entry &entry : prepared.segmentGraphs->entries)
      if (entry.exec)
        on->driver->graphExecDestroy(entry.exec);
  destroyObject(memory, prepared.graph);
  destroyObject(memory, prepared.segmentGraphs);
  prepared.graph = nullptr;
  prepared.segmentGraphs = nullptr;
}

} // namespace tenon::cuda
