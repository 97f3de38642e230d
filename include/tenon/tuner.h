// Tuning: measures candidate schedules of a model's kernels, and keeps the best in a cache that compilations read.
//
// Free of LLVM and MLIR types; needs no exceptions and no RTTI. Link Tenon::compiler. docs/tuning.md explains the method and the file.
#pragma once
#include "tenon/compiler.h"

namespace tenon {

/// A schedule that was not much slower than the best, or the cost model's choice.
struct CloseSchedule {
  std::string schedule;
  double ns = 0;
};

/// The best schedule found for one kernel: one line of a tuning cache.
struct TuningRecord {
  std::string kernel;   ///< signature: 32 hexadecimal digits, a hash of what the kernel computes
  std::string name;     ///< of the kernel in the model it was tuned for, for people
  std::string family;   ///< of the schedule, for people
  std::string schedule; ///< the attribute as text: #kernel.schedule<"contraction", {...}>
  std::string target;   ///< instruction set: architecture and features; a record counts for equal ones only
  std::string cpu;      ///< machine that it was measured on
  int threads = 1;       ///< of a GPU: its multiprocessors, as the target has them
  double ns = 0;         ///< of one run with `schedule`
  double untunedNs = 0;  ///< of one run with the cost model's choice, measured in turn with it
  int candidates = 0;    ///< schedules tried, from the first of the compiler's list
  int discarded = 0;     ///< of those, how many crashed, hung, computed wrong numbers or could not be compiled
  bool complete = false; ///< false: time ran out before the list ended
  int network = 0; ///< how often a schedule that made a whole network faster took the place of another; of two records the one with more counts
  std::vector<CloseSchedule> close; ///< what may be tried in a network, the fastest alone first
  int line = 0;          ///< where it was read
};

struct TuningCache {
  std::vector<TuningRecord> records; ///< in the order of the file
  std::vector<std::string> problems; ///< of lines that were skipped: "line 7: ..."
};

/// Reads a cache. Lines that are no records are skipped and reported. A file that is absent is an empty cache; one that cannot be read
/// is reported as a problem.
TENON_API TuningCache readTuningCache(const std::string &path);

/// Appends one record, durably, by one write: a process that is killed leaves a whole record or, at worst, a broken last line.
/// Returns an empty string or what went wrong.
TENON_API std::string appendTuningRecord(const std::string &path, const TuningRecord &record);

/// Replaces the file by the best record of each kernel, target, machine and number of threads, from `path` and `others`, sorted; what
/// cannot be read is dropped. Whole or not at all. Returns an empty string or what went wrong.
TENON_API std::string rewriteTuningCache(const std::string &path, const std::vector<TuningRecord> &others);

/// What is to be timed, by whoever runs plans: never in the tuning process, which a candidate may crash.
struct MeasureJob {
  enum class Kind {
    Kernels, ///< plans of one kernel: weights cold, plans 1... against plan 0, those that are clearly slower given up early
    Models,  ///< whole models in turn, as they run; on a GPU with their tensors in its memory
    Profile, ///< one whole model, step by step
  };
  Kind kind = Kind::Kernels;
  std::vector<std::string> plans; ///< files
  int threads = 1;
  bool verify = false; ///< compare outputs with those of plan 0
  double seconds = 1;  ///< the most that measuring may take, about
  double tolerance = 0; ///< of `verify`: the largest difference, as a share of the largest number; 0: by the outputs' types
};

struct Measured {
  double ns = 0; ///< of one run; 0 where there is a problem
  int runs = 0;
  std::string problem;                                 ///< why this plan cannot be used: crashed, hung, computed wrong numbers
  std::vector<std::pair<std::string, double>> kernels; ///< Profile: nanoseconds of one run in each kernel, by name
};

struct TuneProgress {
  std::string kernel;
  int index = 0, kernels = 0; ///< the how-manieth of how many distinct kernels
  int candidates = 0;         ///< tried so far, in all
  double gain = 1;            ///< predicted: time of an untuned run / time of a tuned one, so far
  double secondsLeft = 0;
};

/// Data caches of one core; 0 where they are not known.
struct CacheSizes {
  int64_t l1Bytes = 0;
  int l1Ways = 0;
  int64_t l2Bytes = 0, l3Bytes = 0;
};

struct TuneOptions {
  std::string target = "native";
  std::string precision = "fp32";                          ///< as in CompileOptions
  std::vector<std::pair<std::string, std::string>> shapes; ///< as in CompileOptions
  std::string cache;                                       ///< file that is read, and appended to
  std::string output;                                      ///< where the tuned plan goes; empty: nowhere
  std::string folder;                                      ///< for plans of candidates, which come and go; must exist
  std::string machine;                                     ///< name of the CPU or GPU that measures; empty: this machine's CPU
  CacheSizes caches;                                       ///< of the machine that measures, where it is not this one
  double seconds = 300;                                    ///< wall clock for all
  int threads = 0;                                         ///< 0: the target's cores; of no use for a GPU
  bool verify = false;
  std::string candidates; ///< a folder that must exist: each candidate becomes a plan there, told of in index.jsonl, and nothing is measured
  std::string family;     ///< then only kernels of this family; empty: of all
  int most = 0;           ///< then so many schedules of a kernel, the cost model's best; 0: all
  /// Called on the tuning thread; returns one entry for each plan, or nothing where the job was lost: what measures is gone. Required.
  std::function<std::vector<Measured>(const MeasureJob &)> measure;
  std::function<void(const TuneProgress &)> progress;
};

struct KernelTuning {
  std::string name, family;
  int dispatches = 0;
  double share = 0; ///< of an untuned run's time, in [0, 1]
  double untunedNs = 0, ns = 0;
  int candidates = 0;                 ///< tried now
  int known = 0;                      ///< tried before, as the cache says
  std::vector<std::string> discarded; ///< "schedule: why"
  enum class State { Tuned, Partial, Cached, NotReached, Failed } state = State::NotReached;
};

/// A schedule that was kept for what the whole model gained.
struct NetworkChange {
  std::string kernel, before, after; ///< a name, and schedules
  double gain = 1;                   ///< of the model: time before / time after
};

struct TuneReport {
  bool ok = false;
  std::string message;               ///< diagnostics, one a line
  std::vector<KernelTuning> kernels; ///< the ones that take longest first
  int candidates = 0;
  double seconds = 0;
  double predictedGain = 1;          ///< from the kernels' times
  int networkTrials = 0;             ///< schedules that were tried in the whole model
  int networkFailures = 0;           ///< of those, how many could not be measured there
  std::string networkProblem;        ///< why, of the first: "schedule for kernel: why"
  double networkGain = 1;            ///< what the model gained by those that were kept
  std::vector<NetworkChange> networkChanges;
  double untunedNs = 0, tunedNs = 0; ///< of the whole model, measured in turn; 0 where time ran out before
};

/// Tunes the kernels of a model for one machine. The cache receives a record after each kernel; kernels that it has a complete record of
/// are not measured again. Never throws.
TENON_API TuneReport tuneFile(const std::string &model, const TuneOptions &options);

} // namespace tenon
