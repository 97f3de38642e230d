#include "lib/Tuner/NetworkTuning.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"

namespace tenon {
using namespace mlir;

// Runs of a GPU repeat within a few thousandths; a processor shares caches and clock with what else runs on it.
static constexpr double kWorthwhileOnGpu = 0.995, kWorthwhile = 0.99;

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

NetworkTuning::NetworkTuning(const NetworkSetting &setting, std::vector<TuningRecord> given, std::vector<double> ns)
    : setting(setting), records(std::move(given)), kernelNs(std::move(ns)), best(setting.options.folder + "/network.plan"),
      trial(setting.options.folder + "/trial.plan"), trialCache(setting.options.folder + "/trial.jsonl"), pace(secondsOfTrial(setting)) {}

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
  report->networkTrials = chooseInNetwork(kernels, setting.target.isGpu() ? kWorthwhileOnGpu : kWorthwhile, *this);
  report->networkGain = firstNs > 0 && lastNs > 0 ? firstNs / lastNs : 1;
  for (const std::string &file : {best, trial, trialCache})
    llvm::sys::fs::remove(file);
}

bool NetworkTuning::hasTime() const {
  return setting.deadline.left() - setting.reserved >= pace;
}

bool NetworkTuning::compile(const std::string &path, const std::string &cache) {
  // What the cache holds is told of once, when the tuned plan is made.
  ScopedDiagnosticHandler quiet(setting.module.getContext(), [](Diagnostic &) { return success(); });
  OwningOpRef<ModuleOp> module = setting.module.clone();
  return succeeded(compileScheduled(*module, setting.target, path, cache));
}

bool NetworkTuning::make(const NetworkTrial &wanted) {
  TuningRecord record = recordOf(wanted);
  if (setting.options.progress) {
    double gain = firstNs > 0 && lastNs > 0 ? firstNs / lastNs : 1;
    setting.options.progress({"in the network: " + record.name, int(records.size()), int(records.size()), report->candidates,
                              report->predictedGain * gain, setting.deadline.left()});
  }
  Deadline compiling(0);
  // What is measured is what a compilation with the cache gives, once it says so.
  if (llvm::sys::fs::copy_file(setting.options.cache, trialCache) || !appendTuningRecord(trialCache, record).empty())
    return false;
  bool made = compile(trial, trialCache);
  constexpr double kSpread = 1.1;
  setting.compileSeconds = compiling.elapsed();
  pace = std::max(secondsOfTrial(setting), kSpread * compiling.elapsed());
  return made;
}

std::optional<NetworkTimes> NetworkTuning::compare() {
  MeasureJob job{MeasureJob::Kind::Models, {best, trial}, measuringThreads(setting.target), setting.options.verify, comparisonSeconds(setting)};
  std::vector<Measured> both = setting.options.measure(job);
  if (both.empty() || !both[0].problem.empty())
    return std::nullopt;
  NetworkTimes times{both[0].ns, both[1].problem.empty() ? both[1].ns : 0};
  if (firstNs == 0)
    firstNs = lastNs = times.bestNs;
  return times;
}

void NetworkTuning::keep(const NetworkTrial &kept, const NetworkTimes &times) {
  TuningRecord record = recordOf(kept);
  if (std::string problem = appendTuningRecord(setting.options.cache, record); !problem.empty()) {
    report->message += problem + ": the record of '" + record.name + "' is lost\n";
    return;
  }
  if (llvm::sys::fs::rename(trial, best))
    return; // the next trials are compared with what was the best before
  // Machines drift: what counts is the share of the time in each comparison.
  lastNs *= times.trialNs / times.bestNs;
  report->networkChanges.push_back({record.name, records[kept.kernel].schedule, record.schedule, times.bestNs / times.trialNs});
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
