// Runs prepared plans on one GPU: device memory, staging, graphs; and segments of plans, one after the other.
#pragma once

#include "runtime/cuda/Device.h"
#include "runtime/cuda/GpuContext.h"
#include "runtime/cuda/LibraryCalls.h"

namespace tenon::cuda {

/// The captured launches of a plan at one shape, for the addresses that its tensors had in the last runs: applications take turns with their buffers.
/// Where they have more sets of them than there are graphs, the others' tensors are copied to the context's own, which have a graph too: to capture
/// anew takes the processor as long as tens of copies.
struct DeviceGraph {
  static constexpr uint32_t kKept = 4;
  static constexpr uint32_t kRemembered = 8;
  static constexpr uint64_t kIdle = 16; ///< runs after which a graph gives way to a set of tensors that comes again; more than take turns then
  struct Entry {
    GraphExecHandle exec;
    uint64_t generation; ///< of the executor's memory
    uint64_t lastUse;
  };
  Entry entries[kKept] = {};
  Array<const void *> tensors; ///< for each entry, inputs, then outputs, as captured
  uint64_t clock = 0;
  uint64_t remembered[kRemembered] = {}; ///< hashes of the last sets of addresses that were copied
  uint32_t nextRemembered = 0;
};

/// The launches of segments, which were the same some times before.
struct SegmentGraphs {
  struct Entry {
    GraphExecHandle exec; ///< null until it pays
    size_t firstWord;     ///< of its key
    uint64_t lastUse;
    uint64_t times; ///< that the key was met
  };
  Array<Entry> entries;  ///< some of each segment
  Array<uint64_t> keys;  ///< addresses, sizes and counts
  uint64_t clock = 0;
};

/// Where memory of the caller is. The GPU copies from and to `Pinned`; the rest of the host's passes through the staging memory.
enum class Place : uint8_t { Host, Pinned, Device };

constexpr const char *kRunning = "running the plan";

class Executor {
public:
  Executor(tn_plan &plan, Memory &memory) : plan(plan), memory(memory) {}
  ~Executor();
  tn_status start(uint32_t device, Message &message);
  tn_status requireArena(const void *given, size_t bytes, Message &message) const;
  tn_status run(PreparedPlan &prepared, const GpuRun &run, Message &message);
  void forget(PreparedPlan &prepared);
  Weights weights(const tn_plan &of) const {
    return {reinterpret_cast<const uint8_t *>(on->weights), on->offsets.size() ? on->offsets.data() + of.firstConstant : nullptr};
  }

  // Segments.cpp: as in GpuContext.
  tn_status allocate(size_t bytes, void **block, const char *what, Message &message);
  void release(void *block, size_t bytes);
  tn_status queue(PreparedPlan &prepared, const StepRange &range, Message &message);
  tn_status copy(void *to, const void *from, size_t bytes, Message &message);
  tn_status store(void *to, int64_t value, Message &message);
  tn_status fetch(void *to, const void *from, size_t bytes, Message &message);
  tn_status wait(Message &message);
  tn_status bringInputs(const tn_layout &layout, const tn_tensor *given, Message &message);
  tn_status deliverOutputs(const tn_tensor *computed, tn_tensor *given, Message &message);
  const tn_tensor *broughtInputs() const { return inputs.data(); }

private:
  /// Makes room for a shape: arena and tensors on the device, tensors on the host.
  tn_status reserve(const tn_layout &layout, const GpuRun &run, Message &message);
  tn_status reserveBlock(size_t bytes, const char *what, Message &message);
  void releaseBlock();
  /// Pinned memory of the host, at least `needed` bytes of it; what it held is lost where it grows.
  tn_status reservePinned(uint8_t *&pinned, size_t &bytes, size_t needed, const char *what, Message &message);
  void releasePinned(uint8_t *&pinned, size_t &bytes);
  /// Chooses where kernels find inputs and outputs, and queues the copies of inputs.
  tn_status bindInputs(const tn_layout &layout, const GpuRun &run, StreamHandle stream, Message &message);
  tn_status bindOutputs(const tn_layout &layout, const GpuRun &run, Message &message);
  /// Makes outputs that earlier runs placed in the staging memory, which may move, such that this run places them.
  void forgetPlaced(tn_tensor *outputs) const;
  tn_status copyOutputs(const tn_layout &layout, const GpuRun &run, StreamHandle stream, Message &message);
  /// Copies one output, and waits for nothing.
  tn_status copyOutput(const void *computed, void *given, size_t bytes, Place place, StreamHandle stream, Message &message);
  uint8_t *stagingOf(uint32_t output) const { return staging + slots[plan.inputCount() + output]; }
  /// Copies outputs from the staging memory, where all came at once.
  void finishOutputs(const tn_layout &layout, const GpuRun &run);
  /// Brings outputs through the staging memory piece by piece: while one is copied from there, the next are on their way.
  tn_status stageOutputs(const tn_layout &layout, const GpuRun &run, Message &message);
  tn_status makePieceEvents(Message &message);
  /// The steps and copies of a run.
  tn_status queueRun(PreparedPlan &prepared, const GpuRun &run, StreamHandle queue, Message &message);
  tn_status bindInput(const tn_layout &layout, const GpuRun &run, uint32_t index, StreamHandle stream, Message &message);
  tn_status bindOutput(const tn_layout &layout, const GpuRun &run, uint32_t index, Message &message);
  void bindSteps(PreparedPlan &prepared) const;

  tn_status makeGraph(PreparedPlan &prepared, Message &message);
  /// The graph that a run launches; where it is that of the context's own tensors, queues the copies of the inputs.
  tn_status graphFor(PreparedPlan &prepared, StreamHandle stream, GraphExecHandle *exec, Message &message);
  const void *addressOf(uint32_t tensor) const { return tensor < inputs.size() ? inputs[tensor].data : outputs[tensor - inputs.size()].data; }
  /// The graph for the tensors where they are; null where there is none.
  DeviceGraph::Entry *entryFor(DeviceGraph &graph) const;
  /// Whether the tensors came lately too, and are worth the graph of others that no longer come.
  bool comeAgain(DeviceGraph &graph, const DeviceGraph::Entry &oldest) const;
  tn_status useOwnTensors(const tn_layout &layout, StreamHandle stream, Message &message);
  tn_status captureEntry(PreparedPlan &prepared, DeviceGraph::Entry &entry, Message &message);
  tn_status capture(const PreparedPlan &prepared, const StepRange &range, GraphExecHandle *exec, Message &message);
  tn_status makeSegmentGraphs(PreparedPlan &prepared, Message &message);
  tn_status queueSegment(PreparedPlan &prepared, const StepRange &range, uint32_t segment, Message &message);
  tn_status queueSteps(const PreparedPlan &prepared, const StepRange &range, Message &message);
  tn_status queueStep(const PreparedPlan &prepared, uint32_t step, bool overlaps, Message &message);
  tn_status queueLibraryCall(const PreparedStep &step, const tn_plan &of, const plan::format::Launch &launch, Message &message);
  tn_status failLaunch(Result result, const plan::format::Kernel &kernel, const plan::format::Launch &launch, Message &message) const;
  tn_status measureSteps(const PreparedPlan &prepared, const StepRange &range, Message &message);
  /// The same of each step several times in a row, as a graph: what it takes to queue them is not measured.
  tn_status measureInARow(const PreparedPlan &prepared, const StepRange &range, Message &message);
  static void note(const StepRange &range, uint32_t step, float milliseconds);
  tn_status makeEvents(Message &message);
  void destroyEvents();
  /// Has the stream note that it is through with all steps before `step`, which a GPU that has failed no longer says otherwise.
  void noteReached(uint32_t step);
  /// What a lasting error of a measured run says: the step that it ended in, where that has begun.
  tn_status failStep(Result result, const tn_plan &of, const StepRange &range, Message &message);
  /// Waits for all that was queued, which may use the memory of this context.
  void waitForQueued();
  tn_status placeOutput(const tn_tensor &computed, uint32_t index, tn_tensor &given, size_t &placed, Message &message);
  tn_status fail(Result result, const char *what, Message &message) const { return on->driver->fail(result, what, message); }
  /// Where the caller's memory for a tensor is; `index` counts inputs, then outputs. Errors: TN_INVALID_ARGUMENT where it is on another GPU, or ends
  /// inside of the `bytes` that a run needs.
  tn_status locate(uint32_t index, const tn_tensor &tensor, size_t bytes, Place *place, Message &message);
  /// What the driver says about an address: zeros where it does not know it.
  struct Pointer {
    unsigned type = 0, isManaged = 0, isPlain = 0;
    int device = 0;
    DevicePointer start = 0;
    size_t bytes = 0;
    /// How many of `size` bytes from `address` on are outside.
    size_t outside(const void *address, size_t size) const {
      size_t left = size_t(start + bytes - DevicePointer(address));
      return size > left ? size - left : 0;
    }
  };
  Pointer describe(const void *address) const;
  /// Looks whether memory that is not on the device can be read at all. Errors: TN_INVALID_ARGUMENT.
  tn_status requireReadable(uint32_t index, const tn_tensor &tensor, Message &message);
  /// "input" and "x": what errors begin with.
  struct TensorName {
    const char *kind, *name;
  };
  TensorName nameOf(uint32_t index) const;
  /// Waits for what the application queued on the default stream, which may use its tensors still; this context's stream does not.
  tn_status waitForDefaultStream(Message &message) const;

  tn_plan &plan;
  Memory &memory;
  DevicePlan *on = nullptr;
  StreamHandle stream = nullptr;
  LibraryCalls libraries;

  DevicePointer block = 0; ///< arena, inputs, outputs
  size_t blockBytes = 0;
  size_t arenaRoom = 0;       ///< before the inputs; 0 where the arena is the caller's
  uint8_t *arena = nullptr;   ///< of this run
  uint8_t *staging = nullptr; ///< pinned: inputs, outputs
  size_t stagingBytes = 0;
  size_t stagedBytes = 0;  ///< of the outputs of this run that come through it to the caller's
  bool hasQueued = false;  ///< on streams of the caller, since everything was last waited for
  uint64_t generation = 0; ///< counts moves of `block`
  uint8_t *fetched = nullptr; ///< pinned: what decides how a run goes on
  size_t fetchedBytes = 0;
  uint8_t *delivered = nullptr; ///< pinned: outputs that the context places, of plans in several segments
  size_t deliveredBytes = 0;

  Array<size_t> slots;       ///< offsets of inputs, then outputs, after the arena and in the staging memory
  Array<tn_tensor> inputs;   ///< as kernels see them
  Array<tn_tensor> outputs;  ///< likewise
  Array<Place> outputPlaces; ///< of the caller's memory, or of the staging memory where the context places them
  Array<const void *> readable; ///< where each tensor was in memory of the host in its last run, so that it is looked at once
  Array<void *> parameters;  ///< of one launch
  static constexpr uint32_t kPiecesAhead = 4;
  EventHandle pieces[kPiecesAhead] = {}; ///< of outputs, behind the copy of each, made when one has several
  Array<EventHandle> events;             ///< before and behind every step, made when steps are first measured
  uint8_t *reached = nullptr;            ///< pinned, with them: the number of steps that the stream is through with
  size_t reachedBytes = 0;
};

} // namespace tenon::cuda
