// The choice of schedules in a whole network, which is made up: its time is a sum of what its kernels take beside their neighbours.
#include "lib/Tuner/NetworkSearch.h"
#include <gtest/gtest.h>
#include <map>

namespace tenon {
namespace {

/// Kernels whose schedules change the network's time by so many nanoseconds, against the fastest alone.
class FakeNetwork : public NetworkPlans {
public:
  using Changes = std::map<std::string, double>;
  explicit FakeNetwork(Changes changes) : changes(std::move(changes)) {}

  bool hasTime() const override { return int(made.size()) < mostTrials; }
  bool make(const NetworkTrial &given) override {
    made.push_back(std::to_string(given.kernel) + given.schedule);
    trialNs = ns - changes[std::to_string(given.kernel)] + changes[made.back()];
    return made.back() != broken;
  }
  std::optional<NetworkTimes> compare() override {
    if (++comparisons == lostAt)
      return std::nullopt;
    bool isNoisy = made.back() == noisy && made.back() != lastCompared;
    lastCompared = made.back();
    return NetworkTimes{ns, isNoisy ? 0.9 * ns : made.back() == wrong ? 0 : trialNs};
  }
  void keep(const NetworkTrial &kept, const NetworkTimes &times) override {
    EXPECT_LT(times.trialNs, times.bestNs);
    changes[std::to_string(kept.kernel)] = changes[made.back()];
    ns = trialNs;
    all.push_back(made.back());
  }

  Changes changes;
  double ns = 1000, trialNs = 0;
  int mostTrials = 100, comparisons = 0, lostAt = 0;
  std::string broken, noisy, wrong, lastCompared;
  std::vector<std::string> made, all; // tried, kept
};

using Names = std::vector<std::string>;

const std::vector<NetworkKernel> kKernels = {{100, {"a", "b"}}, {600, {"a", "b", "c"}}, {3, {"a"}}, {300, {}}};

TEST(NetworkSearch, KernelsThatTakeLongestComeFirstAndThoseOfNoWeightNever) {
  FakeNetwork network({});
  EXPECT_EQ(chooseInNetwork(kKernels, 0.995, network), 5);
  EXPECT_EQ(network.made, (Names{"1a", "0a", "1b", "0b", "1c"}));
  EXPECT_TRUE(network.all.empty());
}

TEST(NetworkSearch, WhatIsFasterIsKeptAndTheNextIsComparedWithIt) {
  FakeNetwork network({{"1a", -50}, {"1b", -20}, {"1c", -80}, {"0a", 30}, {"0b", -10}});
  chooseInNetwork(kKernels, 0.995, network);
  EXPECT_EQ(network.all, (Names{"1a", "0b", "1c"})); // 1b is better than what was there at first, and worse than 1a
  EXPECT_EQ(network.ns, 910);
}

TEST(NetworkSearch, WhatIsFasterByNoMoreThanNoiseIsNotKept) {
  FakeNetwork network({{"1a", -4}});
  chooseInNetwork(kKernels, 0.995, network);
  EXPECT_TRUE(network.all.empty());
  EXPECT_EQ(network.comparisons, 5);
}

TEST(NetworkSearch, WhatIsFasterOnceIsNotKept) {
  FakeNetwork network({{"0b", -100}});
  network.noisy = "1a";
  chooseInNetwork(kKernels, 0.995, network);
  EXPECT_EQ(network.all, Names{"0b"});
  EXPECT_EQ(network.comparisons, 7); // two schedules are measured twice
}

TEST(NetworkSearch, WhatCannotBeCompiledOrComputesWrongNumbersIsPassedOver) {
  FakeNetwork network({{"1a", -100}, {"1b", -100}, {"0a", -100}});
  network.broken = "1a";
  network.wrong = "1b";
  EXPECT_EQ(chooseInNetwork(kKernels, 0.995, network), 5);
  EXPECT_EQ(network.all, Names{"0a"});
}

TEST(NetworkSearch, EndsWithTheTime) {
  FakeNetwork network({{"1a", -100}, {"1b", -200}});
  network.mostTrials = 2;
  EXPECT_EQ(chooseInNetwork(kKernels, 0.995, network), 2);
  EXPECT_EQ(network.all, Names{"1a"});
}

TEST(NetworkSearch, EndsWhereMeasuringIsOver) {
  for (int lostAt : {1, 2}) { // at the first comparison, or where it is to be confirmed
    FakeNetwork network({{"1a", -100}, {"0a", -100}});
    network.lostAt = lostAt;
    EXPECT_EQ(chooseInNetwork(kKernels, 0.995, network), 1);
    EXPECT_TRUE(network.all.empty());
  }
}

} // namespace
} // namespace tenon
