// tenon bench: how long a plan takes to open, to run first, and to run again and again.
#include "tools/tenon/BenchReport.h"
#include "tools/tenon/DeviceRuns.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Inputs.h"
#include "tools/tenon/KernelArithmetic.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Throughput.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string plan, duration = "2s", warmup = "0.2s";
  InputOptions inputs;
  std::vector<std::string> shapes;
  uint32_t threads = 0, contexts = 1;
  std::optional<uint32_t> device;
  std::string trace;
  bool wholeProfile = false, noProfile = false, json = false, quiet = false;
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
    context = makeContext(plan.get(), arguments.threads, false, arguments.device);
    measured.context = secondsSince(start);
    measured.threads = tn_context_threads(context.get());
    measured.first = run();
    measured.firstAt = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
    measured.contextBytes = tn_context_bytes(context.get());
    for (const std::vector<tn_tensor> *tensors : {&views, &outputs})
      for (const tn_tensor &tensor : *tensors)
        (tensors == &views ? measured.inputBytes : measured.outputBytes) += tensor.bytes;
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
    measured.contexts = arguments.contexts;
    if (arguments.contexts > 1)
      measured.together = measureThroughput(plan.get(), views, {arguments.contexts, measured.threads, warmup, duration, arguments.device});
    bool isOnGpu = isForGpu(plan.get());
    if (!isOnGpu && !arguments.noProfile)
      profile(measured, std::min(duration, 0.5));
    measured.processBytes = peakBytes();
    if (isOnGpu)
      measureOnGpu(measured, duration);
    else if (!arguments.noProfile)
      measured.peak = measurePeak(measured.threads);
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
    constexpr int kByItself = 1;
    runProfiled(kByItself, duration);
    measured.steps = profileOf(context.get(), layout.get());
  }

  void runProfiled(int how, double duration) {
    if (tn_profile(context.get(), how) != TN_OK)
      throw Failure(arguments.plan + ": " + tn_last_message(context.get()));
    auto start = Clock::now();
    do
      run();
    while (secondsSince(start) < duration);
  }

  /// What kernels multiply with.
  void findArithmetic(std::vector<StepProfile> &steps) {
    std::vector<std::byte> file = readFile(arguments.plan);
    auto arithmetic =
        arithmeticOfKernels({reinterpret_cast<const char *>(file.data()), file.size()}, infoOfPlan(tn_context_plan(context.get())).arch);
    for (StepProfile &step : steps)
      if (auto found = arithmetic.find(step.kernel); found != arithmetic.end())
        step.arithmetic = found->second;
      else if (step.isLaunch) // a library's, which may use halves
        step.arithmetic = Arithmetic::F16;
  }

  /// The time of short kernels without the gap around a launch by itself. Not of those whose time depends on what they read, which is not what it was
  /// when steps are repeated, nor where the processor decides by such values.
  void profileInARow(std::vector<StepProfile> &steps, double duration) {
    constexpr double kShort = 100e-6; // a gap is 1 to 3 us
    constexpr int kInARow = 2;
    constexpr std::string_view kByValues[] = {"gpu.select", "gpu.ranks", "gpu.suppress", "gpu.scan"};
    if (std::any_of(steps.begin(), steps.end(), [](const StepProfile &step) { return step.decides; }))
      return;
    runProfiled(kInARow, duration);
    for (StepProfile &step : steps)
      if (step.isLaunch && step.seconds < kShort && std::find(std::begin(kByValues), std::end(kByValues), step.family) == std::end(kByValues))
        step.seconds = std::min(step.seconds, stepSeconds(context.get(), step.step));
  }

  void measureOnGpu(Measurement &measured, double duration) {
    measured.gpu = infoOfDevice(arguments.device.value_or(0));
    measureOnDevice(measured.onDevice, duration);
    if (arguments.noProfile)
      return;
    profile(measured, std::min(duration, 0.5));
    profileInARow(measured.steps, std::min(duration, 0.5));
    findArithmetic(measured.steps);
    measured.peak = peakOf(measured.gpu);
  }

  void measureOnDevice(DeviceMeasurement &measured, double duration) {
    DeviceRuns runs(context.get(), arguments.device.value_or(0), views, outputs);
    auto start = Clock::now();
    do
      measured.runs.push_back(runs.run());
    while (secondsSince(start) < duration);
    std::sort(measured.runs.begin(), measured.runs.end());
    measured.inARow = runs.inARow();
    measured.waits = runs.waits();
    measured.toDevice = runs.copyInputs();
    measured.fromDevice = runs.copyOutputs();
  }

  const Arguments &arguments;
  bool isMadeUp = false; ///< the inputs
  PlanHandle plan;
  ContextHandle context;
  LayoutHandle layout;
  std::vector<HostTensor> inputs;
  std::vector<tn_tensor> views, outputs;
};

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
    printBenchJson(arguments.plan, measured);
  else
    printBenchReport(arguments.plan, measured, arguments.wholeProfile);
  return 0;
}

} // namespace

void addBench(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand(
      "bench", "Measure how fast a plan runs; on a GPU between events, with tensors in its memory, and with the copies from and to the host");
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
  addDeviceOption(*verb, arguments->device, "run a plan for a GPU on this one");
  verb->add_option("--duration", arguments->duration, "how long to measure; on a GPU twice, with tensors in its memory and on the host")
      ->type_name("TIME")
      ->capture_default_str();
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
