#include "lib/Tuner/KernelSearch.h"
#include "passes/4_schedule/Schedules.h"
#include "llvm/Support/FileSystem.h"
#include <thread>

namespace tenon {
using namespace mlir;

static constexpr double kWorthwhile = 0.98;  // a schedule replaces another only if it takes less than this share of its time
static constexpr double kSecondsEach = 0.25; // most that measuring takes for one candidate

/// Candidates that are compiled and measured together. For a GPU the processes that assemble them take a core each, and one that measures takes long
/// to start; on a processor others wait in turn, while the machine changes.
static size_t batchFor(const Target &target) {
  constexpr size_t kFewest = 8, kMost = 32;
  return target.isGpu() ? std::clamp<size_t>(std::thread::hardware_concurrency(), kFewest, kMost) : kFewest;
}

static std::string text(kernel::ScheduleAttr schedule) {
  std::string result;
  llvm::raw_string_ostream(result) << schedule;
  return result;
}

KernelSearch::KernelSearch(kernel::FuncOp func, kernel::DispatchOp dispatch, const Target &target, const TuneOptions &options, SearchPace &pace)
    : func(func), dispatch(dispatch), target(target), options(options), pace(pace) {
  schedule::proposedSchedules(func, target, proposals);
}

void KernelSearch::start(const TuningRecord *known) {
  broken = proposals.empty();
  if (broken)
    return;
  best = proposals.front();
  if (!known)
    return;
  network = known->network;
  auto found = llvm::find_if(proposals, [&](kernel::ScheduleAttr schedule) { return text(schedule) == known->schedule; });
  if (found == proposals.end())
    return; // of another compiler: its list is not this one's
  best = *found;
  first = next = std::min<size_t>(known->candidates, proposals.size());
  earlierDiscards = known->discarded;
  untunedNs = known->untunedNs;
  bestNs = known->ns;
  if (untunedNs <= 0)
    return;
  note(best, bestNs / untunedNs);
  for (const CloseSchedule &close : known->close)
    if (auto it = llvm::find_if(proposals, [&](kernel::ScheduleAttr schedule) { return text(schedule) == close.schedule; }); it != proposals.end())
      note(*it, close.ns / untunedNs);
}

bool KernelSearch::step(const Deadline &limit) {
  if (broken || next >= proposals.size() || limit.left() <= 0 || (next > first && limit.left() < pace.leastBatch()))
    return false;
  Deadline batch(limit.left());
  SmallVector<kernel::ScheduleAttr> schedules{proposals.front()};
  if (best != proposals.front())
    schedules.push_back(best);
  double most = double(batchFor(target)), room = pace.secondsEach > 0 ? limit.left() / pace.secondsEach - double(schedules.size()) : most;
  size_t end = std::min(proposals.size(), std::max<size_t>(next, 1) + size_t(std::clamp(room, 1.0, most)));
  for (size_t i = std::max<size_t>(next, 1); i < end; ++i)
    if (proposals[i] != best)
      schedules.push_back(proposals[i]);
  std::vector<CandidatePlan> plans = compileCandidates(func, dispatch, schedules, target, options.folder, 0);
  measure(schedules, plans, std::clamp(batch.left(), 0.1, kSecondsEach * schedules.size()));
  for (const CandidatePlan &plan : plans)
    if (!plan.path.empty())
      llvm::sys::fs::remove(plan.path);
  if (jobLost)
    return false; // these candidates are tried again when tuning is resumed
  next = end;
  pace.secondsEach = batch.elapsed() / double(schedules.size());
  return !broken;
}

void KernelSearch::measure(ArrayRef<kernel::ScheduleAttr> schedules, ArrayRef<CandidatePlan> plans, double seconds) {
  if (!plans.front().problem.empty()) {
    discard(schedules.front(), plans.front().problem);
    broken = true;
    return;
  }
  MeasureJob job{MeasureJob::Kind::Kernels, {}, measuringThreads(target), options.verify, seconds, verifyTolerance(options)};
  SmallVector<size_t> measuredIndex;
  for (auto [i, plan] : llvm::enumerate(plans)) {
    if (!plan.problem.empty()) {
      discard(schedules[i], plan.problem);
      continue;
    }
    job.plans.push_back(plan.path);
    measuredIndex.push_back(i);
  }
  std::vector<Measured> measured = options.measure(job);
  jobLost = measured.empty();
  if (jobLost)
    return;
  if (!measured.front().problem.empty()) {
    discard(schedules.front(), measured.front().problem);
    broken = true;
    return;
  }
  untunedNs = measured.front().ns;
  // The best so far as it did in this batch; should it fail now, the cost model's choice is the best again.
  kernel::ScheduleAttr champion = schedules.front();
  double championNs = untunedNs;
  for (auto [i, result] : llvm::zip_equal(measuredIndex, measured)) {
    if (!result.problem.empty())
      discard(schedules[i], result.problem);
    else if (schedules[i] == best)
      champion = best, championNs = result.ns;
    if (result.problem.empty() && untunedNs > 0)
      note(schedules[i], result.ns / untunedNs);
  }
  kernel::ScheduleAttr fastest = champion;
  double fastestNs = championNs;
  for (auto [i, result] : llvm::zip_equal(measuredIndex, measured))
    if (result.problem.empty() && result.ns > 0 && result.ns < fastestNs)
      fastest = schedules[i], fastestNs = result.ns;
  bool replaced = fastestNs < kWorthwhile * championNs;
  best = replaced ? fastest : champion;
  bestNs = replaced ? fastestNs : championNs;
}

void KernelSearch::note(kernel::ScheduleAttr schedule, double share) {
  shares[schedule] = share;
}

std::vector<CloseSchedule> KernelSearch::closeSchedules() const {
  // Times as long as the best; the cost model's choice was made for networks, however long it takes alone. On a GPU, whose kernels overlap, times
  // alone say less.
  const double kClose = target.isGpu() ? 1.5 : 1.25;
  const size_t kMost = target.isGpu() ? 32 : 4;
  std::vector<CloseSchedule> close;
  for (auto [schedule, share] : shares)
    if (schedule != best && (schedule == proposals.front() || share * untunedNs <= kClose * bestNs))
      close.push_back({text(schedule), share * untunedNs});
  llvm::stable_sort(close, [](const CloseSchedule &a, const CloseSchedule &b) { return a.ns < b.ns; });
  std::string untuned = text(proposals.front());
  while (close.size() > kMost) {
    bool isUntuned = close.back().schedule == untuned;
    close.erase(close.end() - (isUntuned ? 2 : 1));
  }
  return close;
}

void KernelSearch::discard(kernel::ScheduleAttr schedule, const std::string &why) {
  shares.erase(schedule);
  discards.push_back(text(schedule) + ": " + why);
}

TuningRecord KernelSearch::record() const {
  TuningRecord record;
  record.family = best.getFamily().str();
  record.schedule = text(best);
  record.ns = bestNs;
  record.untunedNs = untunedNs;
  record.candidates = int(next);
  record.discarded = earlierDiscards + int(discards.size());
  record.complete = next >= proposals.size();
  record.network = network; // or what time did not suffice for now would be forgotten for what was known before
  record.close = closeSchedules();
  return record;
}

} // namespace tenon
