#include "runtime/context/Context.h"

#include "runtime/cpu/Topology.h"

using namespace tenon;

namespace {

constexpr uint32_t kDefaultLayouts = 16;
constexpr uint32_t kDefaultSpinMicroseconds = 200; // longer than the single-task steps between launches, shorter than anyone notices

} // namespace

tn_context::tn_context(tn_plan &plan, const tn_context_options &options)
    : memory(options.allocator, options.max_bytes), runner(plan, {memory, pool, message, options.max_layouts ? options.max_layouts : kDefaultLayouts,
                     plan.isForGpu() ? &gpu : nullptr}) {
  if (options.arena)
    runner.giveArena(options.arena, options.arena_bytes);
}

tn_context::~tn_context() { pool.stop(); }

tn_status tn_context::start(tn_plan &plan, const tn_context_options &options) {
  if (tn_status status = runner.start())
    return status;
  if (tn_status status = runner.setProfile(options.profile != 0))
    return status;
  if (runner.isForGpu()) {
    if (tn_status status = gpu.start(plan, options.device, memory, message))
      return status;
    return options.arena ? gpu.requireArena(options.arena, options.arena_bytes, message) : TN_OK;
  }
  uint32_t threads = options.threads ? options.threads : usableCores();
  if (options.cpu_count && !options.threads)
    threads = options.cpu_count;
  return pool.start(threads, options.cpu_count ? options.cpus : nullptr, options.spin_us ? options.spin_us : kDefaultSpinMicroseconds, memory, message);
}
