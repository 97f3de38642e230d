// tenon bench: how long a plan takes to open, to run first, and to run again and again.
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Inputs.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Peak.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Profile.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/Throughput.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string plan, duration = "2s", warmup = "0.2s";
  InputOptions inputs;
  std::vector<std::string> shapes;
  uint32_t threads = 0, contexts = 1;
  std::string trace;
  bool wholeProfile = false, noProfile = false, json = false, quiet = false;
};

struct Measurement {
  double open = 0, context = 0, first = 0, elapsed = 0; // seconds
  double firstAt = 0;                                   // end of the first run on the system's monotonic clock, in seconds
  double together = 0;                                  // runs a second of all contexts; 0 where there is one
  std::vector<double> runs;                             // sorted seconds of each measured run
  uint32_t threads = 0;
  uint64_t contextBytes = 0, tensorBytes = 0; // inputs and outputs
  uint64_t processBytes = 0;                  // of the whole process: its peak, measuring the processor left out
  tn_memory_info memory{};
  std::vector<std::string> assumed; ///< free dimensions that nobody gave a size
  std::vector<StepProfile> steps;
  Peak peak; ///< of the GPU, or of as many threads as the plan ran with
  tn_device_info gpu{}; ///< no name: the plan runs on the CPU

  double percentile(double fraction) const { return runs[std::min(runs.size() - 1, size_t(fraction * double(runs.size())))]; }
  double mean() const { return elapsed / double(runs.size()); }
};

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Peak resident memory of this process; 0 where the kernel does not tell. getrusage's would count the parent's at the fork.
uint64_t peakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (unsigned long long kilobytes = 0; std::sscanf(line.c_str(), "VmHWM: %llu", &kilobytes) == 1)
      return uint64_t(kilobytes) << 10;
  return 0;
}

/// Runs a plan on one set of inputs, outputs placed by the context.
class Bench {
public:
  Bench(const Arguments &arguments, Measurement &measured) : arguments(arguments) {
    auto start = Clock::now();
    plan = openPlan(arguments.plan);
    measured.open = secondsSince(start);
    isMadeUp = arguments.inputs.files.empty() && arguments.inputs.single.empty();
    if (isMadeUp)
      inputs = randomInputs(plan.get(), inputShapes(plan.get(), parseShapes(arguments.shapes), &measured.assumed));
    else
      inputs = readInputs(plan.get(), arguments.inputs);
    for (HostTensor &input : inputs)
      views.push_back(input.view());
    outputs.resize(infoOfPlan(plan.get()).output_count);

    start = Clock::now();
    context = makeContext(plan.get(), arguments.threads, false);
    measured.context = secondsSince(start);
    measured.threads = tn_context_threads(context.get());
    measured.first = run();
    measured.firstAt = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
    measured.contextBytes = tn_context_bytes(context.get());
    for (const std::vector<tn_tensor> *tensors : {&views, &outputs})
      for (const tn_tensor &tensor : *tensors)
        measured.tensorBytes += tensor.bytes;
    tn_layout *made = nullptr;
    require(tn_layout_create(tn_context_plan(context.get()), views.data(), &made), arguments.plan);
    layout.reset(made);
    measured.memory = infoOf<tn_memory_info>([&](tn_memory_info *info) { return tn_layout_memory(made, info); });
  }

  void measure(Measurement &measured) {
    Progress progress(arguments.plan, !arguments.quiet && !arguments.json);
    double warmup = parseDuration(arguments.warmup), duration = parseDuration(arguments.duration);
    for (auto start = Clock::now(); secondsSince(start) < warmup;)
      run();
    auto start = Clock::now();
    double shown = 0;
    do {
      measured.runs.push_back(run());
      measured.elapsed += measured.runs.back();
      if (double now = secondsSince(start); now - shown > 0.2)
        progress.update(std::to_string(measured.runs.size()) + " runs", (shown = now) / std::max(duration, 1e-9));
    } while (secondsSince(start) < duration);
    std::sort(measured.runs.begin(), measured.runs.end());
    if (arguments.contexts > 1)
      measured.together = measureThroughput(plan.get(), views, {arguments.contexts, measured.threads, warmup, duration});
    if (!arguments.noProfile)
      profile(measured, std::min(duration, 0.5));
    measured.processBytes = peakBytes();
    bool isOnGpu = std::string_view(infoOfPlan(plan.get()).device) == "cuda";
    if (isOnGpu)
      measured.gpu = infoOf<tn_device_info>([](tn_device_info *info) { return tn_device_get_info(0, info); });
    if (!arguments.noProfile)
      measured.peak = isOnGpu ? peakOf(measured.gpu) : measurePeak(measured.threads);
  }

private:
  double run() {
    auto start = Clock::now();
    tn_status status = tn_run(context.get(), views.data(), outputs.data());
    double seconds = secondsSince(start);
    if (status != TN_OK)
      throw Failure(arguments.plan + ": " + tn_last_message(context.get()) + " (" + tn_status_name(status) + ")" +
                    (isMadeUp ? "; the inputs were made up: give others with --inputs FILE.npz or --input NAME=@FILE" : ""));
    return seconds;
  }

  /// After the measurement of the whole, which reading the clock at every step would disturb.
  void profile(Measurement &measured, double duration) {
    if (tn_profile(context.get(), 1) != TN_OK)
      throw Failure(arguments.plan + ": " + tn_last_message(context.get()));
    auto start = Clock::now();
    do
      run();
    while (secondsSince(start) < duration);
    measured.steps = profileOf(context.get(), layout.get());
  }

  const Arguments &arguments;
  bool isMadeUp = false; ///< the inputs
  PlanHandle plan;
  ContextHandle context;
  LayoutHandle layout;
  std::vector<HostTensor> inputs;
  std::vector<tn_tensor> views, outputs;
};

void printJson(const Arguments &arguments, const Measurement &measured) {
  nlohmann::ordered_json json;
  json["plan"] = arguments.plan;
  json["threads"] = measured.threads;
  if (measured.gpu.name[0])
    json["gpu"] = {{"name", measured.gpu.name}, {"capability", measured.gpu.capability}, {"multiprocessors", measured.gpu.multiprocessors}};
  json["runs"] = measured.runs.size();
  json["latency_ms"] = {{"min", measured.runs.front() * 1e3},     {"median", measured.percentile(0.5) * 1e3}, {"p90", measured.percentile(0.9) * 1e3},
                        {"p99", measured.percentile(0.99) * 1e3}, {"max", measured.runs.back() * 1e3},        {"mean", measured.mean() * 1e3}};
  json["throughput_per_s"] = 1 / measured.mean();
  json["open_ms"] = measured.open * 1e3;
  json["context_ms"] = measured.context * 1e3;
  json["first_run_ms"] = measured.first * 1e3;
  json["first_result_at_s"] = measured.firstAt;
  if (arguments.contexts > 1)
    json["together"] = {{"contexts", arguments.contexts}, {"runs_per_s", measured.together}};
  json["memory"] = {{"weights_bytes", measured.memory.weights_bytes}, {"arena_bytes", measured.memory.arena_bytes},
                    {"lower_bound", measured.memory.lower_bound},     {"naive_bytes", measured.memory.naive_bytes},
                    {"context_bytes", measured.contextBytes},         {"tensor_bytes", measured.tensorBytes},
                    {"peak_process_bytes", measured.processBytes}};
  if (!measured.steps.empty())
    json["peak"] = {{"gflops", measured.peak.flops * 1e-9}, {"gbytes_per_s", measured.peak.bytes * 1e-9}};
  for (const StepProfile &step : measured.steps)
    json["profile"].push_back({{"step", step.step},
                               {"kernel", step.kernel},
                               {"family", step.family},
                               {"sources", step.sources},
                               {"min_us", step.seconds * 1e6},
                               {"flops", step.flops},
                               {"bytes", step.bytes},
                               {"tasks", step.tasks},
                               {"share_of_peak", shareOfPeak(step, measured.peak)}});
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

/// "2 threads", or the GPU's name
std::string processorText(const Measurement &measured) {
  if (measured.gpu.name[0])
    return measured.gpu.name;
  return std::to_string(measured.threads) + " thread" + (measured.threads == 1 ? "" : "s");
}

/// The slowest steps first; the whole list only where it was asked for.
void printProfile(const Arguments &arguments, const Measurement &measured) {
  constexpr size_t kShown = 12;
  double total = 0;
  for (const StepProfile &step : measured.steps)
    total += step.seconds;
  std::vector<StepProfile> steps = measured.steps;
  std::sort(steps.begin(), steps.end(),
            [](const StepProfile &a, const StepProfile &b) { return std::tie(b.seconds, a.step) < std::tie(a.seconds, b.step); });
  Table table({{"step", Align::Right},
               {"us", Align::Right},
               {"%", Align::Right},
               {"GFLOP/s", Align::Right},
               {"GB/s", Align::Right},
               {"% peak", Align::Right},
               {"family"},
               {"nodes"}});
  size_t shown = arguments.wholeProfile ? steps.size() : std::min(kShown, steps.size());
  double rest = 0;
  for (size_t i = shown; i < steps.size(); i++)
    rest += steps[i].seconds;
  steps.resize(shown);
  for (const StepProfile &step : steps) {
    double seconds = std::max(step.seconds, 1e-9);
    table.add({std::to_string(step.step), numberText(step.seconds * 1e6, 1), numberText(100 * step.seconds / std::max(total, 1e-9), 1),
               numberText(double(step.flops) / seconds * 1e-9, 1), numberText(double(step.bytes) / seconds * 1e-9, 1),
               numberText(100 * shareOfPeak(step, measured.peak), 0), step.family, step.sources});
  }
  const char *what = measured.gpu.name[0] ? " of halves on matrix units" : "";
  std::printf("\n  peak of %s: %s GFLOP/s%s, %s GB/s\n\n%s", processorText(measured).c_str(), numberText(measured.peak.flops * 1e-9, 1).c_str(), what,
              numberText(measured.peak.bytes * 1e-9, 1).c_str(), table.text().c_str());
  if (shown < measured.steps.size())
    std::printf("  and %zu more steps: %s us, %s %% (--profile lists all)\n", measured.steps.size() - shown, numberText(rest * 1e6, 1).c_str(),
                numberText(100 * rest / std::max(total, 1e-9), 1).c_str());
}

void printText(const Arguments &arguments, const Measurement &measured) {
  std::printf("%s: %zu runs with %s\n", arguments.plan.c_str(), measured.runs.size(), processorText(measured).c_str());
  std::printf("  latency     min %s, median %s, p90 %s, p99 %s\n", timeText(measured.runs.front()).c_str(),
              timeText(measured.percentile(0.5)).c_str(), timeText(measured.percentile(0.9)).c_str(), timeText(measured.percentile(0.99)).c_str());
  std::printf("  throughput  %s runs/s\n", numberText(1 / measured.mean(), 1).c_str());
  if (arguments.contexts > 1)
    std::printf("  together    %u contexts: %s runs/s\n", arguments.contexts, numberText(measured.together, 1).c_str());
  std::printf("  start       open %s, context %s, first run %s\n", timeText(measured.open).c_str(), timeText(measured.context).c_str(),
              timeText(measured.first).c_str());
  std::printf("  memory      weights %s, arena %s (lower bound %s), peak of this process %s\n", bytesText(measured.memory.weights_bytes).c_str(),
              bytesText(measured.memory.arena_bytes).c_str(), bytesText(measured.memory.lower_bound).c_str(),
              bytesText(measured.processBytes).c_str());
  for (const std::string &symbol : measured.assumed)
    std::printf("  note        free dimension '%s' was taken as small as it may be; set it with --shape or --inputs\n", symbol.c_str());
  if (!measured.steps.empty())
    printProfile(arguments, measured);
}

int benchPlan(const Arguments &arguments) {
  constexpr uint32_t kMostContexts = 1024;
  if (arguments.contexts < 1 || arguments.contexts > kMostContexts)
    throw UsageFailure("--contexts must be 1 to 1024");
  if (arguments.noProfile && arguments.wholeProfile)
    throw UsageFailure("--profile and --no-profile exclude each other");
  if (arguments.noProfile && !arguments.trace.empty())
    throw UsageFailure("--trace and --no-profile exclude each other");
  Measurement measured;
  Bench bench(arguments, measured);
  bench.measure(measured);
  if (!arguments.trace.empty()) {
    std::string trace = traceText(measured.steps, measured.peak);
    writeFile(arguments.trace, std::as_bytes(std::span(trace)));
  }
  if (arguments.json)
    printJson(arguments, measured);
  else
    printText(arguments, measured);
  return 0;
}

} // namespace

void addBench(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("bench", "Measure how fast a plan runs");
  verb->add_option("plan", arguments->plan, "file that `tenon compile` wrote")->required();
  verb->add_option("--inputs", arguments->inputs.files, ".npz with keys NAME or in:NAME; without it floats in [0, 1) and integers 0 or 1")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb->add_option("--input", arguments->inputs.single, "NAME=@FILE: one input from a .npy or .pb file")
      ->type_name("NAME=@FILE")
      ->allow_extra_args(false);
  verb->add_option("--shape", arguments->shapes, "NAME=1x3x224x224: sizes of free dimensions for made-up inputs")
      ->type_name("NAME=DIMS")
      ->allow_extra_args(false);
  verb->add_option("--threads", arguments->threads, "threads to run with; one for each core by default")->type_name("N");
  verb->add_option("--duration", arguments->duration, "how long to measure")->type_name("TIME")->capture_default_str();
  verb->add_option("--warmup", arguments->warmup, "how long to run before")->type_name("TIME")->capture_default_str();
  verb->add_option("--contexts", arguments->contexts, "also run so many contexts at once, each with --threads")->type_name("N");
  verb->add_flag("--no-profile", arguments->noProfile, "measure runs only, neither steps nor the processor");
  verb->add_flag("--profile", arguments->wholeProfile, "list every step, not just the slowest");
  verb->add_option("--trace", arguments->trace, "write the steps as a trace for chrome://tracing or Perfetto")->type_name("FILE");
  verb->add_flag("--json", arguments->json, "print JSON");
  verb->add_flag("--quiet", arguments->quiet, "no progress");
  verb->callback([arguments, &action] { action = [arguments] { return benchPlan(*arguments); }; });
}

} // namespace tenon::driver
