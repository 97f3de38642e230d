// The search for one kernel's best schedule.
#pragma once
#include "include/tenon/tuner.h"
#include "lib/Tuner/CandidatePlans.h"
#include "llvm/ADT/MapVector.h"
#include <chrono>

namespace tenon {

/// Threads of the contexts that measure.
inline int measuringThreads(const Target &target) {
  return target.isGpu() ? 1 : target.cores;
}

/// How far numbers of two schedules may be apart, as a share of the largest one; 0: by the type of the numbers. What is stored in a half type between
/// kernels has its precision, whatever is computed of it in the end.
inline double verifyTolerance(const TuneOptions &options) {
  constexpr double kOfBf16 = 4e-2, kOfOthers = 1e-2;
  return options.precision == "fp32" ? 0 : options.precision == "bf16" ? kOfBf16 : kOfOthers;
}

/// A time limit that starts when it is made.
class Deadline {
public:
  explicit Deadline(double seconds) : seconds(seconds) {}
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - begin).count(); }
  double left() const { return seconds - elapsed(); }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin = Clock::now();
  double seconds;
};

/// How long a candidate takes, compiled and measured: learnt from batches, for the next ones of any kernel.
struct SearchPace {
  double secondsEach = 0; ///< 0: not known yet
  /// What the smallest batch takes: the cost model's choice, the best so far, a new one.
  double leastBatch() const { return 3 * secondsEach; }
};

/// Tries the proposed schedules of a kernel in batches. Every batch is measured in turn with the cost model's choice and with the best so far,
/// so that noise of the machine hits all of them alike.
class KernelSearch {
public:
  /// All references must outlive the search.
  KernelSearch(kernel::FuncOp func, kernel::DispatchOp dispatch, const Target &target, const TuneOptions &options, SearchPace &pace);

  /// Goes on where `known`, a partial record, ended; null: starts anew.
  void start(const TuningRecord *known);
  /// Tries the next batch; false when all have been tried, the limit is reached, or nothing can be measured.
  bool step(const Deadline &limit);

  /// Whether the search ended because a job was lost.
  bool lost() const { return jobLost; }
  /// Whether there is something to record.
  bool usable() const { return untunedNs > 0; }
  /// Everything but the kernel's name, signature and machine.
  TuningRecord record() const;
  /// Schedules tried by this object.
  int tried() const { return int(next - first); }
  const std::vector<std::string> &discarded() const { return discards; }

private:
  void measure(llvm::ArrayRef<kernel::ScheduleAttr> schedules, llvm::ArrayRef<CandidatePlan> plans, double seconds);
  /// Notes how long a schedule took, as a share of the cost model's choice in the same rounds.
  void note(kernel::ScheduleAttr schedule, double share);
  std::vector<CloseSchedule> closeSchedules() const;
  void discard(kernel::ScheduleAttr schedule, const std::string &why);

  kernel::FuncOp func;
  kernel::DispatchOp dispatch;
  const Target &target;
  const TuneOptions &options;
  SearchPace &pace;
  llvm::SmallVector<kernel::ScheduleAttr> proposals; // the cost model's choice first
  size_t first = 0, next = 0;                        // proposals tried by this object: [first, next)
  kernel::ScheduleAttr best;
  double untunedNs = 0, bestNs = 0;
  llvm::MapVector<kernel::ScheduleAttr, double> shares; // of those that ran, by what note was told last
  int earlierDiscards = 0, network = 0;                 // of the record that this goes on with
  bool broken = false, jobLost = false;
  std::vector<std::string> discards;
};

} // namespace tenon
