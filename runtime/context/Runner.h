// Runs one plan, or a plan that another one calls: its arena, its prepared launches by shape, the state of its calls.
#pragma once

#include "runtime/context/GrowingBlock.h"
#include "runtime/context/PreparedPlan.h"

namespace tenon {

class CallState;

class Runner {
public:
  Runner(tn_plan &plan, const RunnerShare &share);
  ~Runner();
  Runner(const Runner &) = delete;
  Runner &operator=(const Runner &) = delete;

  /// Makes the cache of layouts, and the runners of the plans that this one calls.
  tn_status start();
  /// Uses the caller's memory instead of an arena of its own.
  void giveArena(void *memory, size_t bytes);
  /// As tn_run.
  tn_status run(const tn_tensor *inputs, tn_tensor *outputs);
  /// Runs a plan that a step calls, on tensors that lie where steps run. `given` are the values of the symbols whose source is the caller.
  tn_status runCalled(const tn_tensor *inputs, tn_tensor *outputs, const int64_t *given);
  tn_status outputShapes(const tn_tensor *inputs, tn_tensor *outputs);
  /// `level` as for tn_profile.
  tn_status setProfile(int level);

  const tn_plan &program() const { return plan; }
  bool isForGpu() const { return plan.isForGpu(); }
  /// Queues a run on a GPU's stream.
  tn_status runAsync(const tn_tensor *inputs, tn_tensor *outputs, void *stream);

  Array<StepTimes> times; ///< empty while profiling is off
  uint32_t profiledRuns = 0;
  int stepRepeats = 1; ///< of a profiled run on a GPU

private:
  /// Sets `current` to the launches prepared for the inputs' shapes, making them if they are new.
  tn_status select(const tn_tensor *inputs, const int64_t *given);
  PreparedPlan **slotForNew();
  void destroyPrepared(PreparedPlan *prepared);
  /// What comes before every run: the tensors checked, `current` set.
  tn_status begin(const tn_tensor *inputs, const tn_tensor *outputs, const int64_t *given);
  /// Runs a plan for a GPU in one piece.
  tn_status runOnGpu(GpuRun run);
  /// Runs one whose steps define sizes or call plans.
  tn_status runSegmentsOnGpu(const tn_tensor *inputs, tn_tensor *outputs);
  /// Runs `current`, whose tensors lie where steps run.
  tn_status runInPlace(const tn_tensor *inputs, tn_tensor *outputs);
  /// Makes room for the arena and, if the context places outputs, for those; binds `current` to it.
  tn_status reserve(bool withOutputs);
  /// Whether the arena given holds what `current` needs; `outputs` bytes are for those that the context places.
  tn_status checkGivenArena(size_t outputs) const;
  tn_status checkInputs(const tn_tensor *inputs);
  tn_status checkInputMemory(const tn_tensor *inputs);
  tn_status placeOutputs(tn_tensor *outputs);
  bool isOwn(const void *address) const;
  tn_status execute(const tn_tensor *inputs, tn_tensor *outputs);
  tn_status runSteps(uint32_t segment);
  void runStep(const PreparedStep &step);
  /// Runs the last step of the segment before, which defines sizes, and prepares `segment`.
  tn_status advance(uint32_t segment, const tn_tensor *inputs, tn_tensor *outputs);
  tn_status define(uint32_t step, uint32_t segment);
  tn_status call(uint32_t step, uint32_t segment);
  tn_status placeLateOutputs(uint32_t segment, tn_tensor *outputs);

  tn_plan &plan;
  RunnerShare share;
  Array<PreparedPlan *> cache;
  PreparedPlan *current = nullptr;
  uint64_t clock = 0; ///< counts runs, for the age of cache entries
  bool backwards = false; ///< the direction of the last large launch, where there is one thread

  uint8_t *arena = nullptr;
  size_t arenaBytes = 0;
  size_t arenaAlignment = 0;
  bool isArenaGiven = false;

  // Memory whose size only a run knows; it grows and is used again by the next run. Empty where all sizes are known before.
  Array<GrowingBlock> blocks; ///< of the plan's segments
  Array<uint8_t *> blockAddresses;
  Array<GrowingBlock> outputBlocks; ///< of outputs that the context places
  Array<CallState *> calls;         ///< of the steps that call plans, in their order
  Array<tn_tensor> results;         ///< of the calls
  Array<tn_tensor> deviceOutputs;   ///< of a run on a GPU, before they are the caller's
};

} // namespace tenon
