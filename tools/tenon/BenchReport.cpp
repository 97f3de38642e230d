#include "tools/tenon/BenchReport.h"
#include "tools/tenon/Table.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <tuple>

namespace tenon::driver {
namespace {

double percentile(const std::vector<double> &sorted, double fraction) {
  return sorted[std::min(sorted.size() - 1, size_t(fraction * double(sorted.size())))];
}

double meanOf(const std::vector<double> &seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / double(seconds.size());
}

/// Milliseconds of sorted times.
nlohmann::ordered_json latencyJson(const std::vector<double> &runs, double mean) {
  return {{"min", runs.front() * 1e3},          {"median", percentile(runs, 0.5) * 1e3},
          {"p90", percentile(runs, 0.9) * 1e3}, {"p99", percentile(runs, 0.99) * 1e3},
          {"max", runs.back() * 1e3},           {"mean", mean * 1e3}};
}

void addDeviceJson(nlohmann::ordered_json &json, const Measurement &measured) {
  const DeviceMeasurement &device = measured.onDevice;
  json["gpu"] = {{"name", measured.gpu.name}, {"capability", measured.gpu.capability}, {"multiprocessors", measured.gpu.multiprocessors}};
  json["on_device_ms"] = latencyJson(device.runs, meanOf(device.runs));
  json["on_device"] = {{"clock", device.waits ? "processor" : "events"}, {"runs_in_a_row", device.inARow}, {"samples", device.runs.size()}};
  json["copies"] = {{"inputs_ms", device.toDevice * 1e3},
                    {"inputs_bytes", measured.inputBytes},
                    {"outputs_ms", device.fromDevice * 1e3},
                    {"outputs_bytes", measured.outputBytes}};
}

nlohmann::ordered_json peakJson(const Measurement &measured) {
  nlohmann::ordered_json json = {{"gflops", measured.peak.flopsOf(Arithmetic::F32) * 1e-9}, {"gbytes_per_s", measured.peak.bytes * 1e-9}};
  for (auto [arithmetic, flops] : measured.peak.flops)
    if (arithmetic != Arithmetic::F32)
      json["matrix_gflops"][arithmeticText(arithmetic)] = flops * 1e-9;
  return json;
}

/// "2 threads", or the GPU's name
std::string processorText(const Measurement &measured) {
  if (measured.gpu.name[0])
    return measured.gpu.name;
  return std::to_string(measured.threads) + " thread" + (measured.threads == 1 ? "" : "s");
}

/// "2100.0 GFLOP/s", on a GPU of each arithmetic that a step has.
std::string peakText(const Measurement &measured) {
  if (!measured.gpu.name[0])
    return numberText(measured.peak.flopsOf(Arithmetic::F32) * 1e-9, 1) + " GFLOP/s";
  std::string text;
  for (auto [arithmetic, flops] : measured.peak.flops)
    if (std::any_of(measured.steps.begin(), measured.steps.end(), [&](const StepProfile &step) { return step.arithmetic == arithmetic; }))
      text += std::string(text.empty() ? "" : ", ") + arithmeticText(arithmetic) + " " + numberText(flops * 1e-12, 1);
  return text.empty() ? "no kernels" : "TFLOP/s of " + text;
}

/// 1e9 a second of what a step does; "" where only a run knows how much that is.
std::string rateText(int64_t amount, double seconds) {
  return amount < 0 ? "" : numberText(double(amount) / std::max(seconds, 1e-9) * 1e-9, 1);
}

/// Steps with their shares of the peak and of `total` seconds.
std::string stepsText(const Measurement &measured, const std::vector<StepProfile> &steps, double total) {
  bool isOnGpu = measured.gpu.name[0];
  std::vector<Table::Column> columns = {{"step", Align::Right},    {"us", Align::Right},   {"%", Align::Right},
                                        {"GFLOP/s", Align::Right}, {"GB/s", Align::Right}, {"% peak", Align::Right}};
  if (isOnGpu)
    columns.push_back({"of"});
  columns.insert(columns.end(), {{"family"}, {"nodes"}});
  Table table(columns);
  for (const StepProfile &step : steps) {
    std::vector<std::string> row = {
        std::to_string(step.step),          numberText(step.seconds * 1e6, 1),  numberText(100 * step.seconds / total, 1),
        rateText(step.flops, step.seconds), rateText(step.bytes, step.seconds), numberText(100 * shareOfPeak(step, measured.peak), 0)};
    if (isOnGpu)
      row.push_back(step.arithmetic ? arithmeticText(*step.arithmetic) : "");
    row.insert(row.end(), {step.family, step.sources});
    table.add(row);
  }
  return table.text();
}

double secondsOf(std::span<const StepProfile> steps) {
  return std::accumulate(steps.begin(), steps.end(), 0.0, [](double sum, const StepProfile &step) { return sum + step.seconds; });
}

/// The slowest steps first; the whole list only where it was asked for.
void printProfile(const Measurement &measured, bool everything) {
  constexpr size_t kShown = 12;
  std::vector<StepProfile> steps = measured.steps;
  std::sort(steps.begin(), steps.end(),
            [](const StepProfile &a, const StepProfile &b) { return std::tie(b.seconds, a.step) < std::tie(a.seconds, b.step); });
  size_t shown = everything ? steps.size() : std::min(kShown, steps.size());
  double sum = secondsOf(steps), total = std::max(sum, 1e-9), rest = secondsOf(std::span(steps).subspan(shown));
  steps.resize(shown);
  std::printf("\n  peak of %s: %s, %s GB/s\n", processorText(measured).c_str(), peakText(measured).c_str(),
              numberText(measured.peak.bytes * 1e-9, 1).c_str());
  if (measured.gpu.name[0])
    std::printf("  steps       %s us in all, one by one; a run takes %s\n", numberText(sum * 1e6, 1).c_str(),
                timeText(percentile(measured.onDevice.runs, 0.5)).c_str());
  std::printf("\n%s", stepsText(measured, steps, total).c_str());
  if (shown < measured.steps.size())
    std::printf("  and %zu more steps: %s us, %s %% (--profile lists all)\n", measured.steps.size() - shown, numberText(rest * 1e6, 1).c_str(),
                numberText(100 * rest / total, 1).c_str());
}

/// "min 1 us, median 1 us, p90 1 us, p99 1 us"
std::string latencyText(const std::vector<double> &runs) {
  return "min " + timeText(runs.front()) + ", median " + timeText(percentile(runs, 0.5)) + ", p90 " + timeText(percentile(runs, 0.9)) + ", p99 " +
         timeText(percentile(runs, 0.99));
}

/// The time of a run on a GPU without copies, and that of the copies.
void printDeviceTimes(const Measurement &measured) {
  const DeviceMeasurement &device = measured.onDevice;
  std::string how = device.waits ? "it waits" : std::to_string(device.inARow) + " in a row";
  std::printf("  GPU time    %s (no copies, %s)\n", latencyText(device.runs).c_str(), how.c_str());
  std::printf("  copies      %s to the GPU %s, %s back %s, each by itself\n", bytesText(measured.inputBytes).c_str(),
              timeText(device.toDevice).c_str(), bytesText(measured.outputBytes).c_str(), timeText(device.fromDevice).c_str());
}

} // namespace

void printBenchJson(const std::string &plan, const Measurement &measured) {
  nlohmann::ordered_json json;
  json["plan"] = plan;
  json["threads"] = measured.threads;
  if (measured.gpu.name[0])
    addDeviceJson(json, measured);
  json["runs"] = measured.runs.size();
  json["latency_ms"] = latencyJson(measured.runs, measured.mean());
  json["throughput_per_s"] = 1 / measured.mean();
  json["open_ms"] = measured.open * 1e3;
  json["context_ms"] = measured.context * 1e3;
  json["first_run_ms"] = measured.first * 1e3;
  json["first_result_at_s"] = measured.firstAt;
  if (measured.contexts > 1)
    json["together"] = {{"contexts", measured.contexts}, {"runs_per_s", measured.together}};
  json["memory"] = {{"weights_bytes", measured.memory.weights_bytes}, {"arena_bytes", measured.memory.arena_bytes},
                    {"lower_bound", measured.memory.lower_bound},     {"naive_bytes", measured.memory.naive_bytes},
                    {"context_bytes", measured.contextBytes},         {"tensor_bytes", measured.inputBytes + measured.outputBytes},
                    {"peak_process_bytes", measured.processBytes}};
  if (!measured.steps.empty())
    json["peak"] = peakJson(measured);
  for (const StepProfile &step : measured.steps) {
    json["profile"].push_back({{"step", step.step},
                               {"kernel", step.kernel},
                               {"family", step.family},
                               {"sources", step.sources},
                               {"min_us", step.seconds * 1e6},
                               {"flops", step.flops},
                               {"bytes", step.bytes},
                               {"tasks", step.tasks},
                               {"share_of_peak", shareOfPeak(step, measured.peak)}});
    if (!measured.gpu.name[0])
      continue;
    json["profile"].back()["alone_us"] = step.alone * 1e6;
    if (step.arithmetic)
      json["profile"].back()["arithmetic"] = arithmeticText(*step.arithmetic);
  }
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void printBenchReport(const std::string &plan, const Measurement &measured, bool everything) {
  std::printf("%s: %zu runs with %s\n", plan.c_str(), measured.runs.size(), processorText(measured).c_str());
  bool isOnGpu = measured.gpu.name[0];
  if (isOnGpu)
    printDeviceTimes(measured);
  std::printf("  latency     %s%s\n", latencyText(measured.runs).c_str(), isOnGpu ? " (with copies)" : "");
  if (isOnGpu)
    std::printf("  throughput  %s runs/s on the GPU, %s with copies\n", numberText(1 / meanOf(measured.onDevice.runs), 1).c_str(),
                numberText(1 / measured.mean(), 1).c_str());
  else
    std::printf("  throughput  %s runs/s\n", numberText(1 / measured.mean(), 1).c_str());
  if (measured.contexts > 1)
    std::printf("  together    %u contexts: %s runs/s\n", measured.contexts, numberText(measured.together, 1).c_str());
  std::printf("  start       open %s, context %s, first run %s\n", timeText(measured.open).c_str(), timeText(measured.context).c_str(),
              timeText(measured.first).c_str());
  std::printf("  memory      weights %s, arena %s (lower bound %s), peak of this process %s\n", bytesText(measured.memory.weights_bytes).c_str(),
              bytesText(measured.memory.arena_bytes).c_str(), bytesText(measured.memory.lower_bound).c_str(),
              bytesText(measured.processBytes).c_str());
  for (const std::string &symbol : measured.assumed)
    std::printf("  note        free dimension '%s' was taken as small as it may be; set it with --shape or --inputs\n", symbol.c_str());
  if (!measured.steps.empty())
    printProfile(measured, everything);
}

} // namespace tenon::driver
