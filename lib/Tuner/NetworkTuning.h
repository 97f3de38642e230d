// The second stage of tuning: schedules that were close to the fastest alone, tried in the whole network.
#pragma once
#include "lib/Tuner/KernelSearch.h"
#include "lib/Tuner/NetworkSearch.h"
#include "lib/Tuner/TuningCache.h"

namespace tenon {

struct NetworkSetting {
  mlir::ModuleOp module; ///< up to its kernels, without schedules
  const Target &target;
  const TuneOptions &options;
  const Deadline &deadline;
  double reserved = 0;       ///< seconds that must be left at the end
  double compileSeconds = 0; ///< of the whole network
  double modelNs = 0;        ///< of one run, about
};

/// What one more trial takes, about, by itself.
double secondsOfTrial(const NetworkSetting &setting);

class NetworkTuning : NetworkPlans {
public:
  /// `records` are what the cache now says of kernels of this network, `ns` the time of all calls of each in a run.
  NetworkTuning(const NetworkSetting &setting, std::vector<TuningRecord> records, std::vector<double> ns);

  /// Appends what was kept to the cache, and tells of it in `report`.
  void run(TuneReport &report);

private:
  size_t room() const override;
  void make(const std::vector<NetworkTrial> &trials) override;
  std::optional<NetworkTimes> compare(const std::vector<size_t> &numbers) override;
  void keep(size_t number, const NetworkTrial &trial, double bestNs, double trialNs) override;

  bool compile(const std::string &path, const std::string &cache);
  /// Tells of one of the last trials that it cannot be measured.
  void fail(size_t number, llvm::StringRef why);
  std::string trialFile(size_t number, const char *ending) const;
  /// The record that says that a trial's schedule is the kernel's.
  TuningRecord recordOf(const NetworkTrial &trial) const;
  void tell(const NetworkTrial &trial) const;

  NetworkSetting setting;
  std::vector<TuningRecord> records;
  std::vector<double> kernelNs;
  std::string best;               // file
  std::vector<NetworkTrial> tried; // last
  std::vector<char> isMade;        // of these
  size_t together = 1;            // the most trials
  double firstNs = 0, lastNs = 0; // of the network before and after all that was kept
  double lastMade = 0;            // seconds that making the last trials took
  double pace = 0;                // seconds of a trial, beside others
  TuneReport *report = nullptr;
};

} // namespace tenon
