#include "tools/tenon/Profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tenon::driver {

static const char *kindText(tn_step_kind kind) {
  switch (kind) {
  case TN_STEP_READ_SIZES: return "read sizes";
  case TN_STEP_REQUIRE: return "require";
  case TN_STEP_IF: return "branch";
  case TN_STEP_LOOP: return "loop";
  default: return "copy";
  }
}

StepProfile describeStep(const tn_plan *plan, uint32_t step) {
  StepProfile result;
  result.step = step;
  auto info = infoOf<tn_step_info>([&](tn_step_info *info) { return tn_plan_step(plan, step, info); });
  result.kernel = result.family = kindText(info.kind);
  result.decides = info.kind == TN_STEP_READ_SIZES || info.kind == TN_STEP_IF || info.kind == TN_STEP_LOOP;
  if (info.kernel >= 0) {
    auto kernel = infoOf<tn_kernel_info>([&](tn_kernel_info *kernel) { return tn_plan_kernel(plan, uint32_t(info.kernel), kernel); });
    result.isLaunch = true;
    result.kernel = kernel.name;
    result.family = kernel.family;
  }
  for (uint32_t i = 0; i < info.source_count; i++)
    result.sources += (i ? " + " : "") + std::string(tn_plan_step_source(plan, step, i));
  return result;
}

double stepSeconds(const tn_context *context, uint32_t step) {
  auto measured = infoOf<tn_step_profile>([&](tn_step_profile *info) { return tn_profile_step(context, step, info); });
  return double(measured.min_ns) * 1e-9; // what others take of the processor is not the kernel's
}

std::vector<StepProfile> profileOf(const tn_context *context, const tn_layout *layout) {
  const tn_plan *plan = tn_context_plan(context);
  std::vector<StepProfile> steps;
  for (uint32_t i = 0; i < infoOfPlan(plan).step_count; i++) {
    StepProfile step = describeStep(plan, i);
    auto cost = infoOf<tn_step_cost>([&](tn_step_cost *info) { return tn_layout_step(layout, i, info); });
    step.seconds = step.alone = stepSeconds(context, i);
    step.flops = cost.flops;
    step.bytes = cost.bytes;
    step.tasks = cost.tasks;
    steps.push_back(std::move(step));
  }
  return steps;
}

double shareOfPeak(const StepProfile &step, const Peak &peak) {
  double flops = peak.flopsOf(step.arithmetic.value_or(Arithmetic::F32));
  if (flops <= 0 || peak.bytes <= 0) // a GPU that does not say
    return 0;
  return std::max({0.0, double(step.flops) / flops, double(step.bytes) / peak.bytes}) / std::max(step.seconds, 1e-9);
}

std::string traceText(const std::vector<StepProfile> &steps, const Peak &peak) {
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  double at = 0;
  for (const StepProfile &step : steps) {
    double microseconds = step.seconds * 1e6, seconds = std::max(step.seconds, 1e-9);
    events.push_back({{"name", step.sources.empty() ? step.kernel : step.sources},
                      {"cat", step.family},
                      {"ph", "X"}, // an event with a duration
                      {"ts", at},
                      {"dur", microseconds},
                      {"pid", 0},
                      {"tid", 0},
                      {"args",
                       {{"step", step.step},
                        {"kernel", step.kernel},
                        {"flops", step.flops},
                        {"bytes", step.bytes},
                        {"tasks", step.tasks},
                        {"GFLOP/s", double(step.flops) / seconds * 1e-9},
                        {"GB/s", double(step.bytes) / seconds * 1e-9},
                        {"% of peak", 100 * shareOfPeak(step, peak)}}}});
    if (step.arithmetic)
      events.back()["args"]["arithmetic"] = arithmeticText(*step.arithmetic);
    at += microseconds;
  }
  nlohmann::ordered_json json = {{"displayTimeUnit", "ns"}, {"traceEvents", events}};
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

} // namespace tenon::driver
