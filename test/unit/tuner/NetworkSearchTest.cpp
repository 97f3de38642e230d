// The choice of schedules in a whole network, which is made up: its time is a sum of what its kernels take beside their neighbours.
#include "lib/Tuner/NetworkSearch.h"
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace tenon {
namespace {

/// Kernels whose schedules change the network's time by so many nanoseconds, against the fastest alone.
class FakeNetwork : public NetworkPlans {
public:
  using Changes = std::map<std::string, double>;
  explicit FakeNetwork(Changes changes) : changes(std::move(changes)) {}

  size_t room() const override { return size_t(std::max(0, mostTrials - int(made.size()))); }
  void make(const std::vector<NetworkTrial> &given) override {
    last.clear();
    for (const NetworkTrial &trial : given)
      last.push_back(std::to_string(trial.kernel) + trial.schedule);
    made.insert(made.end(), last.begin(), last.end());
    groups.push_back(last.size());
    compared.clear();
  }
  std::optional<NetworkTimes> compare(const std::vector<size_t> &numbers) override {
    if (++comparisons == lostAt)
      return std::nullopt;
    NetworkTimes times{ns, {}};
    for (size_t number : numbers) {
      const std::string &name = last[number];
      bool isNoisy = name == noisy && !compared.contains(name);
      compared.insert(name);
      times.trialNs.push_back(name == broken || name == wrong ? 0 : isNoisy ? 0.8 * ns : nsWith(name));
    }
    return times;
  }
  void keep(size_t number, const NetworkTrial &kept, double bestNs, double trialNs) override {
    EXPECT_LT(trialNs, bestNs);
    EXPECT_EQ(last[number], std::to_string(kept.kernel) + kept.schedule);
    ns = nsWith(last[number]);
    changes[last[number].substr(0, 1)] = changes[last[number]];
    all.push_back(last[number]);
    if (all.size() == 1)
      for (const auto &[name, change] : later)
        changes[name] = change;
  }
  double nsWith(const std::string &name) { return ns - changes[name.substr(0, 1)] + changes[name]; }

  Changes changes, later; // later: once something was kept
  double ns = 1000;
  int mostTrials = 100, comparisons = 0, lostAt = 0;
  std::string broken, noisy, wrong;
  std::set<std::string> compared;
  std::vector<std::string> last, made, all; // made last, tried, kept
  std::vector<size_t> groups;
};

using Names = std::vector<std::string>;
using Sizes = std::vector<size_t>;

const std::vector<NetworkKernel> kKernels = {{100, {"a", "b"}}, {600, {"a", "b", "c"}}, {3, {"a"}}, {300, {}}};
const NetworkChoice kOneByOne{0.995, 1}, kTogether{0.995, 2};

TEST(NetworkSearch, KernelsThatTakeLongestComeFirstAndThoseOfNoWeightNever) {
  FakeNetwork network({});
  EXPECT_EQ(chooseInNetwork(kKernels, kOneByOne, network), 5);
  EXPECT_EQ(network.made, (Names{"1a", "0a", "1b", "0b", "1c"}));
  EXPECT_TRUE(network.all.empty());
}

TEST(NetworkSearch, SchedulesOfAKernelAreComparedTogether) {
  FakeNetwork network({});
  EXPECT_EQ(chooseInNetwork(kKernels, kTogether, network), 5);
  EXPECT_EQ(network.made, (Names{"1a", "1b", "0a", "0b", "1c"}));
  EXPECT_EQ(network.groups, (Sizes{2, 2, 1}));
  EXPECT_EQ(network.comparisons, 3);
}

TEST(NetworkSearch, WhatIsFasterIsKeptAndTheNextIsComparedWithIt) {
  FakeNetwork network({{"1a", -50}, {"1b", -20}, {"1c", -80}, {"0a", 30}, {"0b", -10}});
  chooseInNetwork(kKernels, kOneByOne, network);
  EXPECT_EQ(network.all, (Names{"1a", "0b", "1c"})); // 1b is better than what was there at first, and worse than 1a
  EXPECT_EQ(network.ns, 910);
}

TEST(NetworkSearch, OfThoseThatAreComparedTogetherTheFastestIsKept) {
  FakeNetwork network({{"1a", -20}, {"1b", -50}, {"0a", -30}, {"0b", -40}});
  chooseInNetwork(kKernels, kTogether, network);
  EXPECT_EQ(network.all, (Names{"1b", "0b"}));
  EXPECT_EQ(network.ns, 910);
}

TEST(NetworkSearch, WhatIsFasterByNoMoreThanNoiseIsNotKept) {
  FakeNetwork network({{"1a", -4}});
  chooseInNetwork(kKernels, kOneByOne, network);
  EXPECT_TRUE(network.all.empty());
  EXPECT_EQ(network.comparisons, 5);
}

TEST(NetworkSearch, WhatIsFasterOnceIsNotKept) {
  FakeNetwork network({{"0b", -100}});
  network.noisy = "1a";
  network.mostTrials = 3;
  chooseInNetwork({{100, {"a", "b"}}, {600, {"a"}}}, kOneByOne, network);
  EXPECT_EQ(network.made, (Names{"1a", "0a", "0b"}));
  EXPECT_EQ(network.all, Names{"0b"});
  EXPECT_EQ(network.comparisons, 5); // two schedules are measured twice
}

TEST(NetworkSearch, TheSecondFastestIsKeptWhereTheFastestWasLucky) {
  FakeNetwork network({{"1a", -10}, {"1b", -100}});
  network.noisy = "1a";
  chooseInNetwork({{100, {}}, {600, {"a", "b"}}}, kTogether, network);
  EXPECT_EQ(network.all, Names{"1b"});
}

TEST(NetworkSearch, WhatWasNearIsTriedAgainBesideWhatWasKept) {
  FakeNetwork network({{"1a", 5}, {"1b", 500}, {"0a", -100}});
  network.later = {{"1c", -50}}; // beside 0a
  chooseInNetwork({{100, {"a"}}, {600, {"a", "b", "c"}}}, {0.995, 3}, network);
  EXPECT_EQ(network.made,
            (Names{"1a", "1b", "1c", "0a", "1c", "1a", "1a"})); // 1b had taken half as long again; then 1c was kept, and 1a stays what it is
  EXPECT_EQ(network.all, (Names{"0a", "1c"}));
}

TEST(NetworkSearch, WhatCannotBeCompiledOrComputesWrongNumbersIsPassedOver) {
  for (const NetworkChoice &choice : {kOneByOne, kTogether}) {
    FakeNetwork network({{"1a", -100}, {"1b", -100}, {"0a", -100}});
    network.broken = "1a";
    network.wrong = "1b";
    chooseInNetwork(kKernels, choice, network);
    EXPECT_EQ(network.all, Names{"0a"});
  }
}

TEST(NetworkSearch, EndsWithTheTime) {
  for (const NetworkChoice &choice : {kOneByOne, kTogether}) {
    FakeNetwork network({{"1a", -100}, {"1b", 200}});
    network.mostTrials = 3;
    EXPECT_EQ(chooseInNetwork(kKernels, choice, network), 3);
    EXPECT_EQ(network.all, Names{"1a"});
  }
}

TEST(NetworkSearch, EndsWhereMeasuringIsOver) {
  for (int lostAt : {1, 2}) { // at the first comparison, or where it is to be confirmed
    FakeNetwork network({{"1a", -100}, {"0a", -100}});
    network.lostAt = lostAt;
    EXPECT_EQ(chooseInNetwork(kKernels, kOneByOne, network), 1);
    EXPECT_TRUE(network.all.empty());
  }
}

} // namespace
} // namespace tenon
