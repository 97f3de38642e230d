// tenon tune: measures schedules of a model's kernels on this machine; lists, prunes and merges the cache that holds the best.
#include "tools/tenon/AgentClient.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/GpuTargets.h"
#include "tools/tenon/LocalGpu.h"
#include "tools/tenon/MeasureProcess.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/TemporaryFolder.h"
#include "tools/tenon/TuneReport.h"
#include "tools/tenon/TuningCacheVerb.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string model, cache, budget = "5m", agent, tokenFile, libraries;
  std::vector<std::string> shapes, merge;
  TuneOptions options;
  std::optional<uint32_t> device;
  bool list = false, prune = false, json = false, quiet = false, all = false;
};

/// A bar on a terminal; else one line for each kernel.
class TuneDisplay {
public:
  TuneDisplay(const std::string &model, double seconds, bool wanted) : bar(model, wanted), lines(wanted && !::isatty(2)), seconds(seconds) {}

  void show(const TuneProgress &progress) {
    double left = std::max(0.0, progress.secondsLeft);
    char text[256];
    std::snprintf(text, sizeof text, "gain %.2fx, %d/%d, %d tried, %d:%02d left, %s", progress.gain, progress.index, progress.kernels,
                  progress.candidates, int(left) / 60, int(left) % 60, progress.kernel.c_str());
    bar.update(text, 1 - left / std::max(seconds, 1e-9));
    if (lines && progress.kernel != shown)
      std::fprintf(stderr, "%s\n", text);
    shown = progress.kernel;
  }
  void finish() { bar.finish(); }

private:
  Progress bar;
  bool lines;
  double seconds;
  std::string shown;
};

int manageCache(const Arguments &arguments) {
  if (!arguments.model.empty())
    throw UsageFailure("--list, --prune and --merge take a --cache and no model");
  if (arguments.cache.empty())
    throw UsageFailure("--list, --prune and --merge need --cache FILE");
  if (arguments.list)
    return listCache(arguments.cache, arguments.json);
  return rewriteCache(arguments.cache, arguments.merge, arguments.quiet);
}

using Measure = std::function<std::vector<Measured>(const MeasureJob &)>;

/// `measure` without exceptions, which must not cross the compiler, built without them: what goes wrong costs the job, and is told at the end.
Measure guarded(Measure measure, std::string &problems) {
  return [measure = std::move(measure), &problems](const MeasureJob &job) -> std::vector<Measured> {
    try {
      return measure(job);
    } catch (const std::exception &failure) {
      problems += std::string(failure.what()) + "\n";
      return {};
    }
  };
}

/// Refuses a cache that cannot be written before minutes are spent on what it should hold.
void requireWritable(const std::string &cache) {
  std::filesystem::path folder = std::filesystem::path(cache).parent_path();
  int file = ::open(cache.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  bool writable = file >= 0 || (errno == ENOENT && ::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0);
  if (!writable)
    throw Failure(cache + ": the cache cannot be written: " + std::strerror(errno));
  if (file >= 0)
    ::close(file);
}

/// Tunes for the machine's GPU, by the name "cuda" or that of its architecture.
void useGpu(const Machine &machine, TuneOptions &options) {
  if (machine.gpu.empty())
    throw Failure("--target " + options.target +
                  ": there is no GPU on the machine that measures; --agent names another one, --candidates writes what sweep.py measures elsewhere");
  if (options.target == "cuda" && machine.gpuTarget.empty())
    throw Failure("--target cuda: " + machine.gpu + " is older than all GPUs that can be compiled for");
  if (options.target == "cuda")
    options.target = machine.gpuTarget;
  options.machine = machine.gpu;
  options.threads = 1;
}

/// Tunes for the agent's machine where the command line names no other.
void useAgent(AgentClient &agent, TuneOptions &options) {
  const Machine &machine = agent.machine();
  if (isGpu(options.target))
    return useGpu(machine, options);
  if (options.target == "native")
    options.target = machine.target;
  if (options.threads == 0)
    options.threads = machine.cores;
  if (options.threads > machine.cores)
    throw UsageFailure("--threads " + std::to_string(options.threads) + ": the agent's machine has " + std::to_string(machine.cores) + " cores");
  options.machine = machine.cpu;
  options.caches = {machine.l1Bytes, machine.l1Ways, machine.l2Bytes, machine.l3Bytes};
}

/// Whether --device N names a GPU that can measure here.
void requireDevice(uint32_t device, const Arguments &arguments) {
  std::string option = "--device " + std::to_string(device);
  if (!arguments.agent.empty())
    throw UsageFailure(option + ": the GPU of an agent's machine is chosen there: tenon agent " + option);
  if (!isGpu(arguments.options.target))
    throw UsageFailure(option + " is for GPUs: --target cuda");
  if (arguments.options.candidates.empty())
    infoOfDevice(device);
}

int tuneModel(Arguments &arguments) {
  if (arguments.list || arguments.prune || !arguments.merge.empty())
    return manageCache(arguments);
  if (arguments.model.empty())
    throw UsageFailure("tune needs a model, or --cache FILE with --list, --prune or --merge");
  if (arguments.options.candidates.empty() && (!arguments.options.family.empty() || arguments.options.most))
    throw UsageFailure("--family and --most are for --candidates");
  if (arguments.options.threads < 0)
    throw UsageFailure("--threads must be at least 1");
  if (arguments.options.target.find(',') != std::string::npos)
    throw UsageFailure("--target " + arguments.options.target +
                       ": one target is tuned for at a time; the same --cache takes what was measured for each");
  TuneOptions &options = arguments.options;
  if (!arguments.libraries.empty())
    withLibraries(options.target, arguments.libraries); // refuses what cannot be before anything is done
  for (const std::string &text : arguments.shapes)
    options.shapes.push_back(splitShape(text));
  options.seconds = parseDuration(arguments.budget);
  if (options.seconds <= 0)
    throw UsageFailure("--budget must be more than nothing");
  if (arguments.agent.empty() && !arguments.tokenFile.empty())
    throw UsageFailure("--token-file is for an --agent");
  if (arguments.device)
    requireDevice(*arguments.device, arguments);
  options.cache =
      arguments.cache.empty() ? std::filesystem::path(arguments.model).filename().replace_extension(".tuning.jsonl").string() : arguments.cache;
  if (options.candidates.empty())
    requireWritable(options.cache);
  std::optional<AgentClient> agent;
  std::string problems;
  uint32_t device = arguments.device.value_or(0);
  options.measure = guarded([=](const MeasureJob &job) { return measureInProcess(job, device); }, problems);
  if (!arguments.agent.empty()) {
    useAgent(agent.emplace(arguments.agent, arguments.tokenFile.empty() ? "" : readToken(arguments.tokenFile)), options);
    options.measure = guarded([&](const MeasureJob &job) { return agent->measure(job); }, problems);
  }
  if (!options.candidates.empty())
    options.target = withLocalGpu(options.target, device);
  else if (!agent && isGpu(options.target))
    useGpu(thisMachine(device), options);
  if (options.threads == 0)
    options.threads = coresOfThisProcess();
  if (!arguments.libraries.empty())
    options.target = withLibraries(options.target, arguments.libraries);

  TemporaryFolder folder;
  TuneDisplay display(arguments.model, options.seconds, !arguments.quiet && !arguments.json);
  options.folder = folder.path;
  options.progress = [&](const TuneProgress &progress) { display.show(progress); };
  TuneReport report = compiler().tuneFile(arguments.model, options);
  display.finish();
  report.message += problems + (agent ? agent->losses() : "");
  if (!report.ok)
    throw Failure(report.message.empty() ? arguments.model + ": cannot be tuned" : report.message);
  if (!report.message.empty() && !arguments.quiet)
    std::fputs(report.message.c_str(), stderr);
  if (!options.candidates.empty()) {
    std::printf("%s: %d plans in %s, told of in index.jsonl\n", arguments.model.c_str(), report.candidates, options.candidates.c_str());
    return 0;
  }
  if (arguments.json)
    printTuneJson(arguments.model, options.cache, report, options.threads);
  else if (!arguments.quiet)
    printTuneReport(arguments.model, report, options.threads, arguments.all);
  return 0;
}

} // namespace

void addTune(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("tune", "Measure schedules of a model's kernels here, and keep the best in a cache for `compile`");
  verb->add_option("model", arguments->model, "model.onnx");
  verb->add_option("-o,--output", arguments->options.output, "write the tuned plan here")->type_name("PLAN");
  verb->add_option("--cache", arguments->cache, "cache to read and append to; MODEL.tuning.jsonl here by default")->type_name("FILE");
  verb->add_option("--budget", arguments->budget, "wall-clock time for all: 90s, 5m, 1h")->capture_default_str()->type_name("TIME");
  verb->add_option("--threads", arguments->options.threads, "threads to tune for; one for each core by default")->type_name("N");
  verb->add_option("--target", arguments->options.target, "machine to tune for, which must run here: see `tenon targets`; cuda is this machine's GPU")->capture_default_str();
  addDeviceOption(*verb, arguments->device, "measure on this GPU");
  verb->add_option("--precision", arguments->options.precision, "on GPUs, how f32 tensors are stored and multiplied: fp32, tf32, fp16 or bf16; on CPUs that multiply it bf16 is for the factors of products")->capture_default_str();
  verb->add_option("--libraries", arguments->libraries, "on GPUs, try libraries beside the kernels of the compiler: cublaslt, cudnn; they must be there to measure")->type_name("NAMES");
  verb->add_option("--agent", arguments->agent, "measure on another machine, where `tenon agent` runs; it is tuned for")->type_name("HOST:PORT");
  verb->add_option("--token-file", arguments->tokenFile, "the agent's secret")->type_name("FILE");
  verb->add_option("--shape", arguments->shapes, "name=1x3x224x224: fix the free dimensions of an input")
      ->type_name("NAME=DIMS")
      ->allow_extra_args(false);
  verb->add_option("--candidates", arguments->options.candidates, "measure nothing: write the candidates' plans here, for a machine without a compiler")
      ->type_name("FOLDER")
      ->check(CLI::ExistingDirectory);
  verb->add_option("--family", arguments->options.family, "with --candidates: only kernels of this family")->type_name("NAME");
  verb->add_option("--most", arguments->options.most, "with --candidates: so many schedules of each kernel")->type_name("N");
  verb->add_flag("--verify", arguments->options.verify, "discard schedules whose numbers differ from the untuned ones'");
  verb->add_flag("--list", arguments->list, "list the records of --cache");
  verb->add_flag("--prune", arguments->prune, "keep the best record of each kernel in --cache, drop unreadable lines");
  verb->add_option("--merge", arguments->merge, "add the records of this cache to --cache, the best of each kernel wins")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb->add_flag("--all", arguments->all, "report every kernel");
  verb->add_flag("--json", arguments->json, "print JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return tuneModel(*arguments); }; });
}

} // namespace tenon::driver
