#include "lib/Tuner/NetworkSearch.h"
#include <algorithm>

namespace tenon {

static constexpr double kLeastShare = 0.01; // of a run: what takes less cannot make it faster by more than noise

std::vector<NetworkTrial> networkTrials(const std::vector<NetworkKernel> &kernels) {
  double sum = 0;
  size_t most = 0;
  std::vector<size_t> order;
  for (const NetworkKernel &kernel : kernels)
    sum += kernel.ns;
  for (size_t i = 0; i < kernels.size(); i++) {
    if (kernels[i].ns < kLeastShare * sum)
      continue;
    order.push_back(i);
    most = std::max(most, kernels[i].others.size());
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return kernels[a].ns > kernels[b].ns; });
  std::vector<NetworkTrial> trials;
  for (size_t rank = 0; rank < most; rank++)
    for (size_t kernel : order)
      if (rank < kernels[kernel].others.size())
        trials.push_back({kernel, kernels[kernel].others[rank]});
  return trials;
}

int chooseInNetwork(const std::vector<NetworkKernel> &kernels, double worthwhile, NetworkPlans &plans) {
  auto isFaster = [&](const NetworkTimes &times) { return times.trialNs > 0 && times.trialNs < worthwhile * times.bestNs; };
  int tried = 0;
  for (const NetworkTrial &trial : networkTrials(kernels)) {
    if (!plans.hasTime())
      break;
    tried++;
    if (!plans.make(trial))
      continue;
    std::optional<NetworkTimes> first = plans.compare();
    if (!first)
      break;
    if (!isFaster(*first))
      continue;
    // The luckiest of many trials looks faster than it is: what is kept must win again.
    std::optional<NetworkTimes> second = plans.compare();
    if (!second)
      break;
    if (isFaster(*second))
      plans.keep(trial, *second);
  }
  return tried;
}

} // namespace tenon
