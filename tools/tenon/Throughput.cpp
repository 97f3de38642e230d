#include "tools/tenon/Throughput.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

/// A context and what it has done.
struct Lane {
  ContextHandle context;
  std::vector<tn_tensor> outputs;
  uint64_t runs = 0;
  Clock::time_point start, end;
  std::string problem;

  bool runFor(const std::vector<tn_tensor> &inputs, double seconds) {
    start = Clock::now();
    do {
      if (tn_status status = tn_run(context.get(), inputs.data(), outputs.data()); status != TN_OK) {
        problem = tn_last_message(context.get());
        return false;
      }
      runs++;
      end = Clock::now();
    } while (std::chrono::duration<double>(end - start).count() < seconds);
    return true;
  }
};

} // namespace

double measureThroughput(tn_plan *plan, const std::vector<tn_tensor> &inputs, const ThroughputOptions &options) {
  std::vector<Lane> lanes(options.contexts);
  for (Lane &lane : lanes) {
    lane.context = makeContext(plan, options.threads, false, options.device);
    lane.outputs.resize(infoOfPlan(plan).output_count);
  }
  std::barrier together(std::ptrdiff_t(lanes.size()));
  std::vector<std::thread> threads;
  for (Lane &lane : lanes)
    threads.emplace_back([&] {
      bool good = lane.runFor(inputs, options.warmup);
      lane.runs = 0;
      together.arrive_and_wait();
      if (good)
        lane.runFor(inputs, options.duration);
    });
  for (std::thread &thread : threads)
    thread.join();
  double rate = 0;
  for (const Lane &lane : lanes) {
    if (!lane.problem.empty())
      throw Failure(lane.problem);
    rate += double(lane.runs) / std::max(std::chrono::duration<double>(lane.end - lane.start).count(), 1e-9);
  }
  return rate;
}

} // namespace tenon::driver
