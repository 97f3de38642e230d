#include "tools/tenon/quantize/LayerTimes.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Profile.h"
#include "tools/tenon/quantize/CompiledModel.h"

#include <chrono>

namespace tenon::driver {
namespace {

// The fastest run of a step is stable after few; large models take long enough with these.
constexpr int kFewestRuns = 5, kMostRuns = 100;
constexpr double kSeconds = 0.5;

void runRepeatedly(CompiledModel &model, std::vector<HostTensor> &inputs) {
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  for (int run = 0; run < kMostRuns && (run < kFewestRuns || seconds() < kSeconds); run++)
    model.run(inputs, "the first run of the samples");
}

} // namespace

ModelTimes measureTimes(std::string_view onnx, const std::vector<std::string> &names, const std::string &path, Dataset &samples, uint32_t threads) {
  CompiledModel model(onnx, path, threads, /*profile=*/true);
  samples.start(model.inputs());
  std::vector<HostTensor> *inputs = samples.next();
  if (!inputs)
    throw Failure(samples.name() + ": holds no samples to measure times with");
  runRepeatedly(model, *inputs);

  std::map<std::string, size_t> places;
  for (size_t i = 0; i < names.size(); i++)
    places.emplace(names[i], i);
  ModelTimes times;
  times.layers.resize(names.size());
  const tn_plan *plan = model.handle();
  for (uint32_t step = 0; step < infoOfPlan(plan).step_count; step++) {
    double seconds = stepSeconds(model.runner(), step);
    times.total += seconds;
    std::vector<size_t> here;
    auto info = infoOf<tn_step_info>([&](tn_step_info *info) { return tn_plan_step(plan, step, info); });
    for (uint32_t source = 0; source < info.source_count; source++)
      if (auto place = places.find(tn_plan_step_source(plan, step, source)); place != places.end())
        here.push_back(place->second);
    for (size_t layer : here)
      times.layers[layer] = times.layers[layer].value_or(0) + seconds / double(here.size());
  }
  return times;
}

} // namespace tenon::driver
