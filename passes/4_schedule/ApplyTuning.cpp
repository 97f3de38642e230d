// Gives kernels the schedules that a tuning cache holds for them.
#include "passes/4_schedule/ByteSums.h"
#include "passes/4_schedule/Passes.h"
#include "lib/Target/Gpu.h"
#include "passes/PassTarget.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/4_schedule/SplitShares.h"
#include "passes/4_schedule/StrassenErrors.h"
#include "passes/4_schedule/WinogradErrors.h"
#include "lib/Tuner/TuningCache.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"

namespace tenon::schedule {
#define GEN_PASS_DEF_APPLYTUNING
#include "passes/4_schedule/Passes.h.inc"

namespace {
using namespace mlir;

/// The schedule that a record spells; null if it spells none.
kernel::ScheduleAttr parseSchedule(const TuningRecord &record, MLIRContext *context) {
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  return dyn_cast_or_null<kernel::ScheduleAttr>(parseAttribute(record.schedule, context));
}

class ApplyTuningPass : public impl::ApplyTuningBase<ApplyTuningPass> {
public:
  using ApplyTuningBase::ApplyTuningBase;
  ApplyTuningPass(const Target &target, StringRef cacheFile, bool keepOrder) : given(target) {
    targetName = target.name;
    file = cacheFile.str();
    exactOrder = keepOrder;
  }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    given = *target;
    here = UnknownLoc::get(&getContext());
    TuningCache cache = readTuningCache(file);
    constexpr size_t kShown = 10;
    for (const std::string &problem : ArrayRef(cache.problems).take_front(kShown))
      emitWarning(*here) << file << ": " << problem << "; skipped";
    if (cache.problems.size() > kShown)
      emitWarning(*here) << file << ": " << cache.problems.size() - kShown << " more lines are skipped";
    markConstants(getOperation());
    markByteSums(getOperation());
    markSplitShares(getOperation(), *target);
    if (!exactOrder) {
      markWinogradErrors(getOperation());
      markStrassenErrors(getOperation());
    }
    int64_t kernels = 0, found = 0;
    for (auto func : getOperation().getOps<kernel::FuncOp>()) {
      ++kernels;
      found += apply(func, cache);
    }
    tuned += found;
    summarize(cache, found, kernels);
  }

private:
  /// Whether a record has a schedule for `func`, which it then has.
  bool apply(kernel::FuncOp func, const TuningCache &cache) {
    std::string signature = signatureOf(func);
    std::vector<const TuningRecord *> records = recordsFor(cache, signature, instructionSetOf(*given), hostName, given->cores);
    if (records.empty()) // what was chosen among the compiler's own schedules
      records = recordsFor(cache, signature, instructionSetOf(withoutLibraries(*given)), hostName, given->cores);
    for (const TuningRecord *record : records) {
      kernel::ScheduleAttr schedule = parseSchedule(*record, &getContext());
      if (!isProposed(func, schedule, record->threads)) {
        emitWarning(*here) << file << ": line " << record->line << ": " << record->schedule << " is not a schedule that this compiler tries for the kernel '"
                           << func.getSymName() << "'; skipped, tune again";
        ++refused;
        continue;
      }
      func.setScheduleAttr(schedule);
      machines.insert(record->cpu);
      return true;
    }
    return false;
  }

  /// Files are not trusted: only what the families themselves propose, for as many cores as the record was tuned for, reaches them.
  bool isProposed(kernel::FuncOp func, kernel::ScheduleAttr schedule, int threads) const {
    if (!schedule)
      return false;
    Target tunedFor = *given;
    tunedFor.cores = threads;
    SmallVector<kernel::ScheduleAttr> proposed;
    proposedSchedules(func, tunedFor, proposed);
    return llvm::is_contained(proposed, schedule);
  }

  void summarize(const TuningCache &cache, int64_t found, int64_t kernels) {
    std::string isa = instructionSetOf(*given), alone = instructionSetOf(withoutLibraries(*given));
    int64_t foreign = llvm::count_if(cache.records, [&](const TuningRecord &record) { return record.target != isa && record.target != alone; });
    if (foreign)
      emitWarning(*here) << file << ": " << foreign << " of " << cache.records.size() << " records are for other instruction sets"
                         << (given->isGpu() ? " or libraries" : "") << "; skipped";
    for (const std::string &machine : machines)
      if (machine != hostName && given->name == "native")
        emitWarning(*here) << file << ": measured on '" << machine << "', this machine is '" << hostName << "': other schedules may be faster here";
    emitRemark(*here) << file << ": schedules for " << found << " of " << kernels << " kernels";
    std::string summary = std::to_string(found) + " of " + std::to_string(kernels) + " kernels tuned on " + llvm::join(machines, ", ");
    if (found)
      getOperation()->setAttr("tenon.tuning", StringAttr::get(&getContext(), summary));
  }

  std::optional<Target> given;
  std::optional<Location> here;
  std::string hostName = hostCpuName();
  std::set<std::string> machines;
};
} // namespace

std::unique_ptr<Pass> createApplyTuning(const Target &target, StringRef cache, bool exactOrder) {
  return std::make_unique<ApplyTuningPass>(target, cache, exactOrder);
}

} // namespace tenon::schedule
