// The greedy choice of schedules in a whole network, whatever compiles and measures it.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace tenon {

/// A kernel that other schedules than the fastest alone may suit better beside its neighbours.
struct NetworkKernel {
  double ns = 0;                   ///< of all its calls in one run
  std::vector<std::string> others; ///< schedules to try, the most promising first
};

/// One kernel with another schedule.
struct NetworkTrial {
  size_t kernel = 0;
  std::string schedule;

  bool operator==(const NetworkTrial &) const = default;
};

/// Of the whole network, one run with all that was kept, and one with each trial's schedule beside it, measured in turn. 0 of a trial: it cannot be
/// used.
struct NetworkTimes {
  double bestNs = 0;
  std::vector<double> trialNs;
};

/// Whole networks: compiled and measured by the tuner, made up by tests.
class NetworkPlans {
public:
  virtual ~NetworkPlans() = default;
  /// How many trials can be made and measured together in the time that is left; 0: none.
  virtual size_t room() const = 0;
  /// Compiles the network as it is with one more change, for each trial.
  virtual void make(const std::vector<NetworkTrial> &trials) = 0;
  /// Compares some of what was made last, by number, with the best; nothing where measuring is over.
  virtual std::optional<NetworkTimes> compare(const std::vector<size_t> &numbers) = 0;
  /// What was made last under this number is the best from now on.
  virtual void keep(size_t number, const NetworkTrial &trial, double bestNs, double trialNs) = 0;
};

/// In the order of trying: of all kernels that matter the most promising schedules, up to `together` of one kernel, those that take longest first;
/// then the next ones.
std::vector<std::vector<NetworkTrial>> networkTrials(const std::vector<NetworkKernel> &kernels, size_t together);

struct NetworkChoice {
  double worthwhile = 0.99; ///< a change is kept if the network takes less than this share of its time, twice
  size_t together = 1;      ///< schedules of a kernel that are compared at once, of which one may be kept
};

/// Tries one change after the other. While something is kept, what was nearly as fast is tried again when all have been: its neighbours are others
/// then. Returns how many were tried.
int chooseInNetwork(std::vector<NetworkKernel> kernels, const NetworkChoice &choice, NetworkPlans &plans);

} // namespace tenon
