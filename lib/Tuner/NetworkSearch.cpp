#include "lib/Tuner/NetworkSearch.h"
#include <algorithm>
#include <numeric>

namespace tenon {

static constexpr double kLeastShare = 0.01; // of a run: what takes less cannot make it faster by more than noise

std::vector<std::vector<NetworkTrial>> networkTrials(const std::vector<NetworkKernel> &kernels, size_t together) {
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
  std::vector<std::vector<NetworkTrial>> groups;
  for (size_t first = 0; first < most; first += together)
    for (size_t kernel : order) {
      std::vector<NetworkTrial> group;
      for (size_t rank = first; rank < std::min(first + together, kernels[kernel].others.size()); rank++)
        group.push_back({kernel, kernels[kernel].others[rank]});
      if (!group.empty())
        groups.push_back(std::move(group));
    }
  return groups;
}

namespace {

class Search {
public:
  Search(std::vector<NetworkKernel> kernels, const NetworkChoice &choice, NetworkPlans &plans)
      : kernels(std::move(kernels)), choice(choice), plans(plans) {}

  int run() {
    while (pass() && again())
      ;
    return tried;
  }

private:
  /// False where time or measuring is over.
  bool pass() {
    kept = 0;
    near.assign(kernels.size(), {});
    for (const std::vector<NetworkTrial> &group : networkTrials(kernels, choice.together))
      for (size_t done = 0; done < group.size();) {
        size_t count = std::min(plans.room(), group.size() - done);
        if (count == 0 || !tryTogether({group.begin() + long(done), group.begin() + long(done + count)}))
          return false;
        done += count;
      }
    return true;
  }

  bool tryTogether(const std::vector<NetworkTrial> &trials) {
    constexpr double kNear = 1.01; // times as long as the best
    tried += int(trials.size());
    plans.make(trials);
    std::vector<size_t> all(trials.size());
    std::iota(all.begin(), all.end(), 0);
    std::optional<NetworkTimes> first = plans.compare(all);
    if (!first)
      return false;
    std::vector<size_t> faster;
    for (size_t i : all) {
      if (isFaster(*first, i))
        faster.push_back(i);
      if (first->trialNs[i] > 0 && first->trialNs[i] < kNear * first->bestNs)
        near[trials[i].kernel].push_back({first->trialNs[i] / first->bestNs, trials[i].schedule});
    }
    std::stable_sort(faster.begin(), faster.end(), [&](size_t a, size_t b) { return first->trialNs[a] < first->trialNs[b]; });
    constexpr size_t kMost = 3;
    faster.resize(std::min(faster.size(), kMost));
    if (faster.empty())
      return true;
    // The luckiest of many trials looks faster than it is: what is kept must win again.
    std::optional<NetworkTimes> second = plans.compare(faster);
    if (!second)
      return false;
    size_t best =
        size_t(std::min_element(second->trialNs.begin(), second->trialNs.end(), [](double a, double b) { return a > 0 && (b <= 0 || a < b); }) -
               second->trialNs.begin());
    if (!isFaster(*second, best))
      return true;
    plans.keep(faster[best], trials[faster[best]], second->bestNs, second->trialNs[best]);
    kept++;
    std::erase_if(near[trials.front().kernel], [&](const Near &other) { return other.schedule == trials[faster[best]].schedule; });
    return true;
  }

  bool isFaster(const NetworkTimes &times, size_t i) const { return times.trialNs[i] > 0 && times.trialNs[i] < choice.worthwhile * times.bestNs; }

  /// Whether there is something to try once more, which `kernels` then has.
  bool again() {
    if (kept == 0)
      return false;
    bool any = false;
    for (size_t i = 0; i < kernels.size(); i++) {
      std::stable_sort(near[i].begin(), near[i].end(), [](const Near &a, const Near &b) { return a.share < b.share; });
      kernels[i].others.clear();
      for (const Near &other : near[i])
        kernels[i].others.push_back(other.schedule);
      any |= !near[i].empty();
    }
    return any;
  }

  struct Near {
    double share; // of the best's time
    std::string schedule;
  };

  std::vector<NetworkKernel> kernels;
  const NetworkChoice &choice;
  NetworkPlans &plans;
  std::vector<std::vector<Near>> near; // of each kernel, in this pass
  int tried = 0, kept = 0;
};

} // namespace

int chooseInNetwork(std::vector<NetworkKernel> kernels, const NetworkChoice &choice, NetworkPlans &plans) {
  return Search(std::move(kernels), choice, plans).run();
}

} // namespace tenon
