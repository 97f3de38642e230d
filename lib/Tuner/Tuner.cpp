// tuneFile: which kernels, in which order, for how long; what is kept.
#include "include/tenon/tuner.h"
#include "lib/Compiler/DiagnosticText.h"
#include "lib/Compiler/Session.h"
#include "lib/Target/Gpu.h"
#include "lib/Tuner/NetworkTuning.h"
#include "passes/4_schedule/ByteSums.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/4_schedule/SplitShares.h"
#include "passes/4_schedule/StrassenErrors.h"
#include "passes/4_schedule/WinogradErrors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include <set>

namespace tenon {
using namespace mlir;

namespace {

struct Kernel {
  kernel::FuncOp func;
  kernel::DispatchOp dispatch; // the first one
  std::string signature;
  KernelTuning report;
  double totalNs = 0; // of all its dispatches in one untuned run
};

class Tuning {
public:
  Tuning(const std::string &path, const TuneOptions &options, TuneReport &report)
      : path(path), options(options), report(report), deadline(options.seconds), machine(options.machine.empty() ? hostCpuName() : options.machine) {}

  LogicalResult run(MLIRContext &context) {
    if (failed(importKernels(context)))
      return failure();
    gatherKernels();
    if (!options.candidates.empty())
      return writeCandidates(context);
    if (failed(compileUntuned()) || failed(profile(context)))
      return failure();
    tuneKernels();
    tuneInNetwork();
    LogicalResult result = finish();
    for (Kernel &kernel : kernels)
      report.kernels.push_back(std::move(kernel.report));
    report.seconds = deadline.elapsed();
    return result;
  }

private:
  std::string untunedPlan() const { return options.folder + "/untuned.plan"; }

  /// The model up to its kernels, without schedules.
  LogicalResult importKernels(MLIRContext &context) {
    llvm::Expected<Target> parsed = Target::parse(options.target);
    if (!parsed)
      return emitError(UnknownLoc::get(&context)) << llvm::toString(parsed.takeError());
    target = std::move(*parsed);
    if (target.isGpu() && failed(findAssembler(context)))
      return failure();
    FailureOr<StringRef> storage = storageFor(options.precision, target, &context);
    if (failed(storage))
      return failure();
    if (options.threads > 0 && !target.isGpu())
      target.cores = options.threads;
    auto take = [](auto known, auto &field) { field = known > 0 ? known : field; };
    take(options.caches.l1Bytes, target.l1Bytes);
    take(options.caches.l1Ways, target.l1Ways);
    take(options.caches.l2Bytes, target.l2Bytes);
    take(options.caches.l3Bytes, target.l3Bytes);
    FailureOr<OwningOpRef<ModuleOp>> imported = importModel(&context, path, options.shapes, target);
    if (failed(imported))
      return failure();
    module = std::move(*imported);
    for (Phase phase : {Phase::Graph, Phase::Fuse})
      if (failed(runPhase(phase, *module, target, {}, false, {}, *storage)))
        return failure();
    schedule::markConstants(*module);
    schedule::markByteSums(*module);
    schedule::markWinogradErrors(*module);
    schedule::markStrassenErrors(*module);
    schedule::markSplitShares(*module, target);
    return success();
  }

  LogicalResult findAssembler(MLIRContext &context) {
    std::string reason;
    llvm::Expected<std::optional<Ptxas>> ptxas = Ptxas::find(ptxVersion(target), reason);
    if (!ptxas)
      return emitError(UnknownLoc::get(&context)) << llvm::toString(ptxas.takeError());
    if (!*ptxas)
      emitWarning(UnknownLoc::get(&context)) << "the driver compiles every plan that is measured, which takes time, and the tuned one has PTX alone: "
                                             << reason;
    return success();
  }

  LogicalResult compileUntuned() {
    double before = deadline.elapsed();
    OwningOpRef<ModuleOp> untuned = module->clone();
    if (failed(compileScheduled(*untuned, target, untunedPlan())))
      return failure();
    releaseConstants(*untuned, *module);
    // The tuned plan at the end takes as long, and the comparison some runs.
    constexpr double kCompareShare = 0.05, kLongestCompare = 2;
    compareSeconds = std::min(kLongestCompare, kCompareShare * options.seconds);
    compileSeconds = deadline.elapsed() - before;
    reserved = compileSeconds * 1.1 + compareSeconds;
    return success();
  }

  void gatherKernels() {
    llvm::MapVector<StringRef, SmallVector<kernel::DispatchOp>> dispatches;
    module->walk([&](kernel::DispatchOp dispatch) { dispatches[dispatch.getKernel()].push_back(dispatch); });
    SymbolTable symbols(*module);
    for (auto &[name, calls] : dispatches) {
      auto func = symbols.lookup<kernel::FuncOp>(name);
      Kernel kernel{func, calls.front(), schedule::signatureOf(func), {}};
      kernel.report.name = name.str();
      kernel.report.dispatches = calls.size();
      if (kernel::ScheduleAttr best = schedule::bestSchedule(func, target))
        kernel.report.family = best.getFamily().str();
      kernels.push_back(std::move(kernel));
    }
  }

  /// Plans of one kernel each, for a machine that cannot compile; their number in the folder is their place in the index.
  LogicalResult writeCandidates(MLIRContext &context) {
    auto isWanted = [&](const Kernel &kernel) { return options.family.empty() || kernel.report.family == options.family; };
    if (llvm::none_of(kernels, isWanted)) {
      std::set<std::string> families;
      for (const Kernel &kernel : kernels)
        families.insert(kernel.report.family);
      return emitError(UnknownLoc::get(&context)) << "no kernel is of the family '" << options.family << "'; there are "
                                                  << llvm::join(families, ", ");
    }
    std::error_code problem;
    llvm::raw_fd_ostream index(options.candidates + "/index.jsonl", problem);
    if (problem)
      return emitError(UnknownLoc::get(&context)) << options.candidates << "/index.jsonl: " << problem.message();
    for (Kernel &kernel : kernels) {
      SmallVector<kernel::ScheduleAttr> proposals;
      schedule::proposedSchedules(kernel.func, target, proposals);
      if (proposals.size() < 2 || !isWanted(kernel) || !kernel.func.getSymbols().empty())
        continue;
      if (options.most > 0)
        proposals.resize(std::min<size_t>(proposals.size(), options.most));
      std::vector<CandidatePlan> plans = compileCandidates(kernel.func, kernel.dispatch, proposals, target, options.candidates, report.candidates);
      report.candidates += int(plans.size());
      kernel.report.candidates = int(plans.size());
      for (auto [schedule, plan] : llvm::zip_equal(proposals, plans)) {
        if (plan.path.empty())
          kernel.report.discarded.push_back(plan.problem);
        else
          writeCandidate(index, kernel, schedule, plan.path);
      }
    }
    index.close();
    std::error_code failed = index.error();
    index.clear_error();
    if (failed)
      return emitError(UnknownLoc::get(&context)) << options.candidates << "/index.jsonl: " << failed.message();
    return success();
  }

  void writeCandidate(llvm::raw_ostream &index, Kernel &kernel, kernel::ScheduleAttr schedule, StringRef path) {
    std::string text, code;
    llvm::raw_string_ostream(text) << schedule;
    llvm::raw_string_ostream(code) << *kernel.func;
    llvm::json::OStream json(index);
    json.object([&] {
      json.attribute("plan", llvm::sys::path::filename(path).str());
      json.attribute("kernel", kernel.signature);
      json.attribute("name", kernel.report.name);
      json.attribute("family", schedule.getFamily().str());
      json.attribute("schedule", text);
      json.attribute("target", instructionSetOf(target));
      json.attribute("threads", target.cores);
      json.attribute("dispatches", kernel.report.dispatches);
      json.attribute("code", code);
    });
    index << '\n';
  }

  /// Phase memory numbers the clones that it makes of a kernel, and those that it makes of clones: "conv_3_0", "conv_3_0_1".
  static bool isCloneOf(StringRef name, StringRef kernel) {
    return name.consume_front(kernel) && name.consume_front("_") && llvm::all_of(name, [](char c) { return c == '_' || llvm::isDigit(c); });
  }
  Kernel *kernelNamed(StringRef name) {
    auto exact = llvm::find_if(kernels, [&](const Kernel &kernel) { return kernel.report.name == name; });
    auto clone = llvm::find_if(kernels, [&](const Kernel &kernel) { return isCloneOf(name, kernel.report.name); });
    return exact != kernels.end() ? &*exact : clone != kernels.end() ? &*clone : nullptr;
  }

  LogicalResult profile(MLIRContext &context) {
    constexpr double kProfileSeconds = 1;
    MeasureJob job{MeasureJob::Kind::Profile, {untunedPlan()}, measuringThreads(target), false, std::min(kProfileSeconds, compareSeconds + 0.1)};
    std::vector<Measured> answer = options.measure(job);
    if (answer.empty())
      return emitError(UnknownLoc::get(&context)) << "the untuned plan cannot be measured: what measures is gone";
    Measured measured = std::move(answer.front());
    if (!measured.problem.empty())
      return emitError(UnknownLoc::get(&context)) << "the untuned plan cannot be measured: " << measured.problem;
    double sum = 0;
    for (auto &[name, ns] : measured.kernels) {
      SmallVector<StringRef> parts; // kernels that are launched together have the time together
      StringRef(name).split(parts, schedule::kPartSeparator);
      sum += ns;
      for (StringRef part : parts)
        if (Kernel *kernel = kernelNamed(part))
          kernel->totalNs += ns / double(parts.size());
    }
    for (Kernel &kernel : kernels) {
      kernel.report.share = sum > 0 ? kernel.totalNs / sum : 0;
      kernel.report.untunedNs = kernel.report.ns = kernel.totalNs / kernel.report.dispatches;
    }
    modelNs = sum;
    constexpr double kRunsToCompare = 10; // the fewest, of both plans, with the first ones
    reserved += kRunsToCompare * modelNs * 1e-9;
    llvm::sort(kernels, [](const Kernel &a, const Kernel &b) { return std::tie(b.totalNs, a.report.name) < std::tie(a.totalNs, b.report.name); });
    return success();
  }

  void tuneKernels() {
    TuningCache cache = readTuningCache(options.cache);
    for (const std::string &problem : cache.problems)
      report.message += options.cache + ": " + problem + "; skipped\n";
    double outstanding = 0, forNetwork = networkSeconds();
    for (const Kernel &kernel : kernels)
      outstanding += kernel.totalNs;
    for (auto [index, kernel] : llvm::enumerate(kernels)) {
      if (lostInARow >= kGone) {
        report.message += "jobs were lost again and again: what is left was not tuned; resume with the same cache\n";
        return;
      }
      double left = deadline.left() - reserved - forNetwork;
      constexpr double kLeastSeconds = 0.2; // for a kernel; less measures nothing
      // Its share of the time that is left: what one kernel does not need goes to the others.
      double allotted = std::max(kLeastSeconds, outstanding > 0 ? left * kernel.totalNs / outstanding : left);
      outstanding -= kernel.totalNs;
      tuneKernel(kernel, int(index), cache,
                 left < std::max(kLeastSeconds, pace.leastBatch()) ? 0 : std::min(left, std::max(allotted, pace.leastBatch())));
    }
  }

  void tuneKernel(Kernel &kernel, int index, const TuningCache &cache, double seconds) {
    const TuningRecord *known = knownRecord(kernel, cache);
    auto take = [&](const TuningRecord &record) {
      kernel.report.family = record.family;
      kernel.report.untunedNs = record.untunedNs;
      kernel.report.ns = record.ns;
    };
    if (known) {
      take(*known);
      kernel.report.known = known->candidates;
      kernel.report.state = known->complete ? KernelTuning::State::Cached : KernelTuning::State::Partial;
    }
    if (known && known->complete)
      return;
    if (!kernel.func.getSymbols().empty()) {
      kernel.report.discarded.push_back("its sizes are free: fix them with --shape");
      kernel.report.state = KernelTuning::State::Failed;
      return;
    }
    if (seconds <= 0)
      return;

    KernelSearch search(kernel.func, kernel.dispatch, target, options, pace);
    search.start(known);
    auto tell = [&] {
      if (options.progress)
        options.progress({kernel.report.name, index + 1, int(kernels.size()), report.candidates + search.tried(), predictedGain(), deadline.left()});
    };
    Deadline limit(seconds);
    do
      tell();
    while (search.step(limit));
    lostInARow = search.lost() ? lostInARow + 1 : 0;
    report.candidates += search.tried();
    kernel.report.candidates = search.tried();
    kernel.report.discarded = search.discarded();
    if (!search.usable() && search.lost())
      return;
    if (!search.usable()) {
      kernel.report.state = KernelTuning::State::Failed;
      return;
    }
    TuningRecord record = search.record();
    record.kernel = kernel.signature;
    record.name = kernel.report.name;
    record.target = instructionSetOf(target);
    record.cpu = machine;
    record.threads = target.cores;
    take(record);
    kernel.report.state = record.complete ? KernelTuning::State::Tuned : KernelTuning::State::Partial;
    if (std::string problem = appendTuningRecord(options.cache, record); !problem.empty())
      report.message += problem + ": the record of '" + record.name + "' is lost\n";
  }

  /// What the cache knows of a kernel on this machine with these threads; null if nothing.
  const TuningRecord *knownRecord(const Kernel &kernel, const TuningCache &cache) const {
    std::vector<const TuningRecord *> records = recordsFor(cache, kernel.signature, instructionSetOf(target), machine, target.cores);
    bool mine = !records.empty() && records.front()->cpu == machine && records.front()->threads == target.cores;
    return mine ? records.front() : nullptr;
  }

  NetworkSetting networkSetting() { return {*module, target, options, deadline, reserved, compileSeconds, modelNs}; }

  /// What is kept for trying schedules in the whole network. On a processor that takes what kernels leave: their weights come from memory alone as
  /// they do in a network, and times alone say more.
  double networkSeconds() {
    constexpr double kShare = 0.4;
    constexpr int kFewest = 3; // trials; fewer are not worth what compiling the network first takes
    double seconds = kShare * options.seconds;
    return target.isGpu() && seconds >= kFewest * secondsOfTrial(networkSetting()) ? seconds : 0;
  }

  void tuneInNetwork() {
    report.predictedGain = predictedGain();
    if (lostInARow >= kGone)
      return;
    TuningCache cache = readTuningCache(options.cache);
    std::vector<TuningRecord> records;
    std::vector<double> ns;
    for (const Kernel &kernel : kernels) {
      const TuningRecord *known = knownRecord(kernel, cache);
      if (!known)
        continue;
      if (auto same = llvm::find_if(records, [&](const TuningRecord &record) { return record.kernel == known->kernel; }); same != records.end()) {
        ns[same - records.begin()] += kernel.totalNs;
        continue;
      }
      records.push_back(*known);
      ns.push_back(kernel.totalNs);
      for (const TuningRecord &record : cache.records) // another machine's must not come before what is tried here
        if (record.kernel == known->kernel && record.target == known->target)
          records.back().network = std::max(records.back().network, record.network);
    }
    NetworkTuning(networkSetting(), std::move(records), std::move(ns)).run(report);
  }

  double predictedGain() const {
    double tuned = modelNs;
    for (const Kernel &kernel : kernels)
      if (kernel.report.untunedNs > 0)
        tuned -= kernel.totalNs * (1 - kernel.report.ns / kernel.report.untunedNs);
    return tuned > 0 ? modelNs / tuned : 1;
  }

  LogicalResult finish() {
    std::string path = options.output.empty() ? options.folder + "/tuned.plan" : options.output;
    if (failed(compileScheduled(*module, target, path, options.cache)))
      return failure();
    // On a GPU results are there at once, and nothing else has compared the candidates' numbers.
    bool verify = options.verify || target.isGpu();
    MeasureJob job{
        MeasureJob::Kind::Models, {untunedPlan(), path}, measuringThreads(target), verify, std::max(0.2, std::min(compareSeconds, deadline.left())),
        verifyTolerance(options)};
    std::vector<Measured> both;
    if (lostInARow < kGone) // who is gone would only be waited for once more
      both = options.measure(job);
    if (both.empty()) {
      report.message += "the whole model was not compared: what measures is gone\n";
      return success();
    }
    for (const Measured &measured : both)
      if (!measured.problem.empty())
        report.message += "the comparison of the whole model failed: " + measured.problem + "\n";
    report.untunedNs = both[0].ns;
    report.tunedNs = both[1].ns;
    constexpr double kSlower = 1.02;
    if (report.tunedNs > kSlower * report.untunedNs && report.untunedNs > 0)
      report.message +=
          path + ": the tuned plan ran slower than the untuned one; was the machine busy? Tune again into a new cache, with more time\n";
    return success();
  }

  const std::string &path;
  const TuneOptions &options;
  TuneReport &report;
  Deadline deadline;
  std::string machine;
  Target target;
  OwningOpRef<ModuleOp> module;
  std::vector<Kernel> kernels;
  SearchPace pace;
  static constexpr int kGone = 3; // jobs lost one after the other
  int lostInARow = 0;
  double reserved = 0, compareSeconds = 0, compileSeconds = 0, modelNs = 0;
};

} // namespace

TuneReport tuneFile(const std::string &model, const TuneOptions &options) {
  TuneReport report;
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false);
  DiagnosticText diagnostics(&context, model);
  report.ok = succeeded(Tuning(model, options, report).run(context));
  report.message += diagnostics.take();
  return report;
}

} // namespace tenon
