// What one caller needs to run a plan: arena, worker threads, prepared launches by shape.
#pragma once

#include "runtime/context/PreparedPlan.h"
#include "runtime/cpu/ThreadPool.h"
#include "runtime/cuda/GpuContext.h"

struct tn_context {
  tn_context(tn_plan &plan, const tn_context_options &options);
  ~tn_context();
  tn_context(const tn_context &) = delete;
  tn_context &operator=(const tn_context &) = delete;

  /// Makes the cache of layouts and starts the threads. What went wrong is in `message`.
  tn_status start(const tn_context_options &options);
  tn_status run(const tn_tensor *inputs, tn_tensor *outputs);
  /// Queues a run on a GPU's stream.
  tn_status runAsync(const tn_tensor *inputs, tn_tensor *outputs, void *stream);
  tn_status outputShapes(const tn_tensor *inputs, tn_tensor *outputs);
  tn_status setProfile(bool on);

  tenon::Message message;
  tenon::Memory memory;
  tenon::ThreadPool pool;
  tn_plan *plan;

  tenon::Array<tenon::StepTimes> times; ///< empty while profiling is off
  uint32_t profiledRuns = 0;

private:
  /// Sets `current` to the launches prepared for the inputs' shapes, making them if they are new.
  tn_status select(const tn_tensor *inputs);
  tenon::PreparedPlan **slotForNew();
  /// Makes room for the arena and, if the context places outputs, for those; binds `current` to it.
  tn_status reserve(bool withOutputs);
  /// What comes before every run: the tensors checked, `current` set.
  tn_status begin(const tn_tensor *inputs, const tn_tensor *outputs);
  tn_status runOnGpu(const tenon::GpuRun &run);
  tn_status checkInputs(const tn_tensor *inputs);
  tn_status checkInputMemory(const tn_tensor *inputs);
  tn_status placeOutputs(tn_tensor *outputs);
  bool isOwn(const void *address) const { return address && uintptr_t(address) - uintptr_t(arena) < arenaBytes; }
  void execute();
  void runStep(const tenon::PreparedStep &step);

  void destroyPrepared(tenon::PreparedPlan *prepared);

  tenon::GpuContext *gpu = nullptr; ///< null: the plan runs on the CPU
  tenon::Array<tenon::PreparedPlan *> cache;
  tenon::PreparedPlan *current = nullptr;
  uint64_t clock = 0; ///< counts runs, for the age of cache entries

  uint8_t *arena = nullptr;
  size_t arenaBytes = 0;
  size_t arenaAlignment = 0;
  bool isArenaGiven = false;
};
