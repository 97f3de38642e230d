#include "lib/Tuner/NetworkTuning.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Threading.h"
#include "llvm/Support/FileSystem.h"
#include <thread>

namespace tenon {
using namespace mlir;

// Runs of a GPU repeat within a few thousandths; a processor shares caches and clock with what else runs on it.
static constexpr double kWorthwhileOnGpu = 0.997, kWorthwhile = 0.99;

/// That measuring two plans in turn takes: some tens of runs of each.
static double comparisonSeconds(const NetworkSetting &setting) {
  constexpr double kRuns = 80, kLeast = 0.15, kMost = 1;
  return std::clamp(kRuns * setting.modelNs * 1e-9, kLeast, kMost);
}

double secondsOfTrial(const NetworkSetting &setting) {
  constexpr double kSpread = 1.1;
  double start = setting.target.isGpu() ? 1 : 0.1; // of a process that opens both plans
  return kSpread * setting.compileSeconds + 2 * (comparisonSeconds(setting) + start);
}

/// How many plans of the whole network are made and measured together. A processor measures one against the best, as others would take its caches.
static size_t mostTogether(const NetworkSetting &setting) {
  constexpr size_t kMost = 16, kFewest = 2;
  constexpr uint64_t kBytes = uint64_t(2) << 30; // of a GPU's memory, and of files
  if (!setting.target.isGpu())
    return 1;
  uint64_t size = 0;
  if (llvm::sys::fs::file_size(setting.options.folder + "/untuned.plan", size) || size == 0)
    return 1;
  return std::clamp<size_t>(std::min<size_t>(kBytes / size, std::thread::hardware_concurrency()), kFewest, kMost);
}

NetworkTuning::NetworkTuning(const NetworkSetting &setting, std::vector<TuningRecord> given, std::vector<double> ns)
    : setting(setting), records(std::move(given)), kernelNs(std::move(ns)), best(setting.options.folder + "/network.plan"),
      together(mostTogether(setting)), pace(secondsOfTrial(setting)) {}

void NetworkTuning::run(TuneReport &told) {
  report = &told;
  std::vector<NetworkKernel> kernels;
  bool hasOthers = false;
  for (auto [record, ns] : llvm::zip_equal(records, kernelNs)) {
    NetworkKernel &kernel = kernels.emplace_back(NetworkKernel{ns, {}});
    for (const CloseSchedule &close : record.close)
      kernel.others.push_back(close.schedule);
    hasOthers |= !kernel.others.empty();
  }
  double left = setting.deadline.left() - setting.reserved - setting.compileSeconds;
  if (!hasOthers || left < pace || !compile(best, setting.options.cache))
    return;
  report->networkTrials = chooseInNetwork(std::move(kernels), {setting.target.isGpu() ? kWorthwhileOnGpu : kWorthwhile, together}, *this);
  report->networkGain = firstNs > 0 && lastNs > 0 ? firstNs / lastNs : 1;
  llvm::sys::fs::remove(best);
  for (size_t i = 0; i < together; i++)
    for (const char *ending : {"plan", "jsonl"})
      llvm::sys::fs::remove(trialFile(i, ending));
}

std::string NetworkTuning::trialFile(size_t number, const char *ending) const {
  return setting.options.folder + "/trial" + std::to_string(number) + "." + ending;
}

size_t NetworkTuning::room() const {
  double left = setting.deadline.left() - setting.reserved;
  return std::min(together, size_t(std::max(0.0, left / pace)));
}

/// May be called by several threads at once.
bool NetworkTuning::compile(const std::string &path, const std::string &cache) {
  OwningOpRef<ModuleOp> module = setting.module.clone();
  bool made = succeeded(compileScheduled(*module, setting.target, path, cache));
  releaseConstants(*module, setting.module);
  return made;
}

void NetworkTuning::tell(const NetworkTrial &trial) const {
  if (!setting.options.progress)
    return;
  double gain = firstNs > 0 && lastNs > 0 ? firstNs / lastNs : 1;
  setting.options.progress({"in the network: " + records[trial.kernel].name, int(records.size()), int(records.size()), report->candidates,
                            report->predictedGain * gain, setting.deadline.left()});
}

void NetworkTuning::make(const std::vector<NetworkTrial> &trials) {
  tell(trials.front());
  MLIRContext *context = setting.module.getContext();
  // What the cache holds is told of once, when the tuned plan is made.
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  Deadline compiling(0);
  isMade.assign(trials.size(), false);
  tried = trials;
  parallelFor(context, 0, trials.size(), [&](size_t i) {
    // What is measured is what a compilation with the cache gives, once it says so.
    std::string cache = trialFile(i, "jsonl");
    isMade[i] = !llvm::sys::fs::copy_file(setting.options.cache, cache) && appendTuningRecord(cache, recordOf(trials[i])).empty() &&
                compile(trialFile(i, "plan"), cache);
  });
  for (size_t i = 0; i < trials.size(); i++)
    if (!isMade[i])
      fail(i, "cannot be compiled");
  if (trials.size() == 1)
    setting.compileSeconds = compiling.elapsed();
  lastMade = compiling.elapsed();
}

std::optional<NetworkTimes> NetworkTuning::compare(const std::vector<size_t> &numbers) {
  Deadline comparing(0);
  NetworkTimes times{0, std::vector<double>(numbers.size(), 0)};
  MeasureJob job{MeasureJob::Kind::Models, {best}, measuringThreads(setting.target), setting.options.verify, 0, verifyTolerance(setting.options)};
  std::vector<size_t> places;
  for (auto [place, number] : llvm::enumerate(numbers)) {
    if (!isMade[number])
      continue;
    job.plans.push_back(trialFile(number, "plan"));
    places.push_back(place);
  }
  if (places.empty())
    return times;
  job.seconds = comparisonSeconds(setting) * double(job.plans.size()) / 2;
  std::vector<Measured> measured = setting.options.measure(job);
  if (measured.empty() || !measured[0].problem.empty()) {
    report->message += "the search in the network ended: " + (measured.empty() ? "what measures is gone" : measured[0].problem) + "\n";
    return std::nullopt;
  }
  times.bestNs = measured[0].ns;
  for (auto [place, result] : llvm::zip_equal(places, ArrayRef(measured).drop_front())) {
    times.trialNs[place] = result.problem.empty() ? result.ns : 0;
    if (!result.problem.empty())
      fail(numbers[place], result.problem);
  }
  if (firstNs == 0)
    firstNs = lastNs = times.bestNs;
  constexpr double kSpread = 1.1, kTwice = 2; // what is faster is measured once more
  if (numbers.size() == isMade.size())
    pace = kSpread * (lastMade + kTwice * comparing.elapsed()) / double(numbers.size());
  return times;
}

void NetworkTuning::fail(size_t number, StringRef why) {
  const NetworkTrial &trial = tried[number];
  if (report->networkFailures++ == 0)
    report->networkProblem = trial.schedule + " for " + records[trial.kernel].name + ": " + why.str();
}

void NetworkTuning::keep(size_t number, const NetworkTrial &kept, double bestNs, double trialNs) {
  TuningRecord record = recordOf(kept);
  if (std::string problem = appendTuningRecord(setting.options.cache, record); !problem.empty()) {
    report->message += problem + ": the record of '" + record.name + "' is lost\n";
    return;
  }
  if (llvm::sys::fs::rename(trialFile(number, "plan"), best))
    return; // the next trials are compared with what was the best before
  // Machines drift: what counts is the share of the time in each comparison.
  lastNs *= trialNs / bestNs;
  report->networkChanges.push_back({record.name, records[kept.kernel].schedule, record.schedule, bestNs / trialNs});
  records[kept.kernel] = std::move(record);
}

TuningRecord NetworkTuning::recordOf(const NetworkTrial &wanted) const {
  TuningRecord record = records[wanted.kernel];
  CloseSchedule before{record.schedule, record.ns};
  record.schedule = wanted.schedule;
  for (CloseSchedule &close : record.close)
    if (close.schedule == wanted.schedule) {
      record.ns = close.ns;
      close = before;
    }
  StringRef family = wanted.schedule;
  record.family = family.split('"').second.split('"').first.str();
  record.network++;
  return record;
}

} // namespace tenon
