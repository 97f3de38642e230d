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
};

/// Of the whole network, one run with all that was kept and one with a trial's schedule beside it, measured in turn. No `trialNs`: it cannot be used.
struct NetworkTimes {
  double bestNs = 0, trialNs = 0;
};

/// Whole networks: compiled and measured by the tuner, made up by tests.
class NetworkPlans {
public:
  virtual ~NetworkPlans() = default;
  /// Whether another trial can be made and measured.
  virtual bool hasTime() const = 0;
  /// Compiles the network as it is with one more change; false where that is not possible.
  virtual bool make(const NetworkTrial &trial) = 0;
  /// Compares what was made last with the best; nothing where measuring is over.
  virtual std::optional<NetworkTimes> compare() = 0;
  /// What was made last is the best from now on.
  virtual void keep(const NetworkTrial &trial, const NetworkTimes &times) = 0;
};

/// In the order of trying: of all kernels that matter the most promising schedule, those that take longest first; then the next ones.
std::vector<NetworkTrial> networkTrials(const std::vector<NetworkKernel> &kernels);

/// Tries one change after the other, and keeps those with which the network takes less than `worthwhile` of its time, twice. Returns how many were
/// tried.
int chooseInNetwork(const std::vector<NetworkKernel> &kernels, double worthwhile, NetworkPlans &plans);

} // namespace tenon
