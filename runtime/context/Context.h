// What one caller needs to run a plan: memory, worker threads, and the runner of the plan.
#pragma once

#include "runtime/context/Runner.h"

struct tn_context {
  tn_context(tn_plan &plan, const tn_context_options &options);
  ~tn_context();
  tn_context(const tn_context &) = delete;
  tn_context &operator=(const tn_context &) = delete;

  /// Makes the cache of layouts and starts the threads. What went wrong is in `message`.
  tn_status start(tn_plan &plan, const tn_context_options &options);

  tenon::Message message;
  tenon::Memory memory;
  tenon::ThreadPool pool;
  tenon::GpuContext gpu; ///< not started where the plan runs on the CPU; outlives the runner
  tenon::Runner runner;
};
