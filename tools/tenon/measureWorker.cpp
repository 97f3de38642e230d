// tenon measure-worker: the process that candidates of a tuning run in, which may take it down. Job on standard input, events and result on
// standard output: MeasureProtocol.h. Not for people.
#include "tools/tenon/Failure.h"
#include "tools/tenon/MeasuredPlan.h"
#include "tools/tenon/MeasureProtocol.h"
#include "tools/tenon/Profile.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kReferenceLimit = 60;   // seconds that a plan may take that nothing is known of
constexpr double kLeastLimit = 1;        // and one that is compared with another
constexpr double kHangsAfter = 50;       // times as long as the reference
constexpr double kLoadsAfter = 10;       // times as long as the reference of a whole network takes to be opened, with its weights

/// "3=crash,4=lost,5=hang,6=wrong,7=race" in TENON_TUNE_FAULT: what the plan in the file 3.plan does instead of running. For tests.
std::string plantedFault(const std::string &path) {
  const char *faults = std::getenv("TENON_TUNE_FAULT");
  std::string key = std::filesystem::path(path).stem().string() + "=", text = faults ? std::string(",") + faults + "," : "";
  size_t found = text.find("," + key);
  if (found == std::string::npos)
    return "";
  size_t start = found + 1 + key.size();
  return text.substr(start, text.find(',', start) - start);
}

class Worker {
public:
  Worker(MeasureJob given, uint32_t device) : job(std::move(given)), device(device), start(Clock::now()) {}

  std::vector<Measured> run() {
    open();
    if (plans.front()->problem.empty())
      switch (job.kind) {
      case MeasureJob::Kind::Kernels: timeKernels(); break;
      case MeasureJob::Kind::Models: timeModels(); break;
      case MeasureJob::Kind::Profile: break;
      }
    std::vector<Measured> results;
    for (auto &plan : plans)
      results.push_back(summarize(*plan));
    if (job.kind == MeasureJob::Kind::Profile && plans.front()->problem.empty())
      profile(results.front());
    return results;
  }

private:
  struct Slot {
    std::unique_ptr<MeasuredPlan> plan;
    std::string problem, fault;
    bool given = false; // given up: clearly slower than another
    std::vector<double> samples;
    double least() const { return *std::min_element(samples.begin(), samples.end()); }
    double median() const {
      std::vector<double> sorted = samples;
      std::nth_element(sorted.begin(), sorted.begin() + ptrdiff_t(sorted.size() / 2), sorted.end());
      return sorted[sorted.size() / 2];
    }
  };

  double elapsed() const { return std::chrono::duration<double>(Clock::now() - start).count(); }

  void tell(size_t plan) { tell(plan, plan == 0 ? kReferenceLimit : std::max(kLeastLimit, kHangsAfter * reference) + kLoadsAfter * referenceOpens); }

  /// What comes is about `plan`, and takes at most `seconds`.
  void tell(size_t plan, double seconds) { say(eventLine({plan, seconds})); }

  static void say(const std::string &line) {
    if (::write(STDOUT_FILENO, line.data(), line.size()) != ssize_t(line.size()))
      std::exit(1); // nobody listens any more
  }

  /// Calls `action`, whose failures become the problem of the plan.
  template <typename Action> void attempt(size_t index, Action action) {
    tell(index);
    try {
      action(*plans[index]);
    } catch (const DeviceLost &failure) {
      say(failureLine(std::string("failed on the GPU: ") + failure.what()));
      std::_Exit(1); // as a crash on a CPU would: the other plans go on in another process
    } catch (const std::exception &failure) {
      plans[index]->problem = failure.what();
    }
  }

  void open() {
    std::vector<HostTensor> expected;
    for (size_t i = 0; i < job.plans.size(); i++) {
      plans.push_back(std::make_unique<Slot>());
      attempt(i, [&](Slot &slot) {
        std::string fault = slot.fault = plantedFault(job.plans[i]);
        if (fault == "crash")
          std::raise(SIGSEGV);
        if (fault == "lost")
          throw DeviceLost("planted");
        while (fault == "hang")
          std::this_thread::sleep_for(std::chrono::seconds(1));
        slot.plan =
            std::make_unique<MeasuredPlan>(job.plans[i], job.threads, device, [&](bool isSlow) { isSlow ? tell(i, kReferenceLimit) : tell(i); });
        if (mustRepeat(slot))
          slot.plan->repeatsItself(); // the first of its runs
        if (i == 0)
          reference = slot.plan->run();
        if (i == 0 && job.kind == MeasureJob::Kind::Models)
          referenceOpens = elapsed();
        if (!job.verify)
          return;
        if (i == 0)
          expected = slot.plan->results();
        std::string difference = fault == "wrong" ? "planted" : slot.plan->difference(expected, job.tolerance);
        if (!difference.empty())
          slot.problem = "computes wrong numbers: " + difference;
      });
      if (i == 0 && !plans[0]->problem.empty())
        job.plans.resize(1); // nothing to compare with
    }
  }

  /// Whether every run is compared with the first: on a GPU always, whose threads may race.
  bool mustRepeat(const Slot &slot) const { return job.verify || slot.plan->isForGpu(); }

  /// One warm run, then timed ones. Threads of the plan before have gone to sleep by then: they would take its cores.
  void sample(Slot &slot, bool cold) {
    constexpr double kShort = 300e-6;
    constexpr int kShortRuns = 3;
    if (job.threads > 1)
      std::this_thread::sleep_for(longestSpin());
    slot.plan->run();
    if (slot.fault == "race")
      slot.plan->disturb();
    if (mustRepeat(slot) && !slot.plan->repeatsItself())
      throw Failure("races: another run gives other numbers");
    for (int i = 0; i < kShortRuns; i++) {
      if (cold)
        slot.plan->cool();
      slot.samples.push_back(cold ? slot.plan->runKernels() : slot.plan->runNetwork());
      if (slot.samples.back() > kShort)
        return;
    }
  }

  std::chrono::microseconds longestSpin() const {
    std::chrono::microseconds longest{};
    for (const auto &slot : plans)
      if (slot->plan)
        longest = std::max(longest, slot->plan->spin());
    return longest;
  }

  void round(bool cold) {
    for (size_t i = 0; i < plans.size(); i++)
      if (plans[i]->problem.empty() && !plans[i]->given)
        attempt(i, [&](Slot &slot) { sample(slot, cold); });
  }

  void timeKernels() {
    // After so many rounds, plans that took more than this share of the fastest one's time are given up.
    constexpr std::pair<int, double> kGiveUp[] = {{1, 2.0}, {2, 1.5}, {4, 1.2}, {8, 1.07}};
    constexpr int kMostRounds = 24;
    for (int rounds = 1; rounds <= kMostRounds; rounds++) {
      round(true);
      if (!plans[0]->problem.empty())
        return; // nothing to compare with
      double best = std::numeric_limits<double>::infinity(), share = 0;
      for (const auto &slot : plans)
        if (slot->problem.empty() && !slot->samples.empty())
          best = std::min(best, slot->least());
      for (auto [after, allowed] : kGiveUp)
        share = rounds >= after ? allowed : share;
      for (size_t i = 1; i < plans.size(); i++)
        plans[i]->given |= plans[i]->problem.empty() && plans[i]->least() > share * best;
      if (elapsed() > job.seconds)
        return;
    }
  }

  /// Of many plans those that are clearly slower than the first one are given up after some rounds.
  void timeModels() {
    constexpr int kRounds = 5;
    constexpr double kSlower = 1.03;
    double begin = elapsed(); // opening plans on a GPU may take longer than all their runs
    for (int rounds = 1; rounds == 1 || elapsed() - begin < job.seconds; rounds++) {
      round(false);
      if (!plans[0]->problem.empty())
        return;
      for (size_t i = 1; plans.size() > 2 && rounds % kRounds == 0 && i < plans.size(); i++)
        plans[i]->given |= plans[i]->problem.empty() && plans[i]->median() > kSlower * plans[0]->median();
    }
  }

  void profile(Measured &result) {
    attempt(0, [&](Slot &slot) {
      constexpr int kLeastRuns = 3;
      constexpr int kInARow = 2; // on a GPU, as steps overlap in a run
      require(tn_profile(slot.plan->runner(), kInARow), "profile");
      for (int runs = 0; runs < kLeastRuns || elapsed() < job.seconds; runs++)
        tell(0), slot.plan->run();
      for (uint32_t step = 0; step < infoOfPlan(slot.plan->get()).step_count; step++) {
        auto measured = infoOf<tn_step_profile>([&](tn_step_profile *info) { return tn_profile_step(slot.plan->runner(), step, info); });
        result.kernels.emplace_back(describeStep(slot.plan->get(), step).kernel, double(measured.total_ns) / std::max(measured.runs, 1u));
      }
    });
    result.problem = plans.front()->problem;
  }

  /// The fastest run: disturbances only ever add time, and what else runs on the machine may disturb most runs with several threads. Of networks on a GPU,
  /// where each sample is the mean of many runs, the median: nothing else runs there, and its clock goes both ways.
  Measured summarize(const Slot &slot) const {
    Measured measured;
    measured.problem = slot.problem;
    measured.runs = int(slot.samples.size());
    if (slot.samples.empty())
      return measured;
    bool takesMedian = job.kind == MeasureJob::Kind::Models && slot.plan && slot.plan->isForGpu();
    measured.ns = 1e9 * (takesMedian ? slot.median() : slot.least());
    return measured;
  }

  MeasureJob job;
  uint32_t device;
  Clock::time_point start;
  double reference = 0, referenceOpens = 0; // seconds of plan 0: a run, and until it ran where plans are whole networks
  std::vector<std::unique_ptr<Slot>> plans;
};

/// A candidate that asks for all memory fails alone: allocations end where the machine's memory does, and the kernel's choice falls on this process.
void limitMemory() {
  rlim_t memory = rlim_t(::sysconf(_SC_PHYS_PAGES)) * rlim_t(::sysconf(_SC_PAGESIZE));
  struct rlimit limit{};
#if !defined(__SANITIZE_ADDRESS__)
  // What is written, not what is mapped: the driver of a GPU reserves as many addresses as all memories together have.
  if (::getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur > memory) {
    limit.rlim_cur = memory;
    ::setrlimit(RLIMIT_DATA, &limit);
  }
#endif
  std::ofstream("/proc/self/oom_score_adj") << 1000;
}

int measure(uint32_t device) {
  std::string line;
  if (!std::getline(std::cin, line))
    throw Failure("measure-worker: no job on standard input");
  MeasureJob job = parseJob(line);
  if (job.plans.empty() || job.threads < 1)
    throw Failure("measure-worker: a job without plans or threads");
  limitMemory();
  size_t count = job.plans.size();
  std::vector<Measured> results = Worker(std::move(job), device).run();
  for (size_t i = results.size(); i < count; i++)
    results.push_back({0, 0, "not measured: there is nothing to compare with", {}});
  std::cout << resultLine(results) << std::flush;
  return 0;
}

} // namespace

void addMeasureWorker(CLI::App &app, Action &action) {
  CLI::App *verb = app.add_subcommand("measure-worker", "Measure plans for `tenon tune`")->group("");
  auto device = std::make_shared<uint32_t>(0);
  verb->add_option("--device", *device);
  verb->callback([device, &action] { action = [device] { return measure(*device); }; });
}

} // namespace tenon::driver
