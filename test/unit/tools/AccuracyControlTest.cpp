// The search for the layers that go back to f32, on networks whose answers are arithmetic.
#include "tools/tenon/quantize/AccuracyControl.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace tenon::driver {
namespace {

/// Layers that cost what `costs` says, each on its own.
BudgetSearch searchOf(const std::vector<double> &costs, double maxDrop, std::vector<bool> inFloat = {}) {
  inFloat.resize(costs.size(), false);
  BudgetSearch search{inFloat, 1, maxDrop, [costs] { return costs; }, {}, {}};
  search.score = [costs](const std::vector<bool> &choice) {
    double score = 1;
    for (size_t i = 0; i < costs.size(); i++)
      score -= choice[i] ? 0 : costs[i];
    return score;
  };
  return search;
}

size_t floats(const BudgetResult &result) { return size_t(std::count(result.inFloat.begin(), result.inFloat.end(), true)); }

TEST(Budget, NothingIsReturnedWhereAllFits) {
  BudgetSearch search = searchOf({0.01, 0.02}, 0.05);
  search.errors = []() -> std::vector<double> { throw 0; }; // nobody asks for errors then
  BudgetResult result = searchBudget(search);
  EXPECT_TRUE(result.isMet);
  EXPECT_EQ(floats(result), 0u);
  EXPECT_EQ(result.measured, 1);
}

TEST(Budget, TheFewestLayersGo) {
  std::vector<double> costs(100, 0.001);
  for (size_t i : {7, 23, 24, 61, 99})
    costs[i] = 0.1;
  for (size_t wanted = 1; wanted <= 5; wanted++) {
    double budget = 0.0951 + 0.1 * double(5 - wanted);
    BudgetResult result = searchBudget(searchOf(costs, budget));
    EXPECT_TRUE(result.isMet);
    EXPECT_EQ(floats(result), wanted);
    EXPECT_LE(result.measured, 8 + 5) << "doubling, then bisection, and what may be given back";
    EXPECT_NEAR(result.score, 1 - 0.095 - 0.1 * double(5 - wanted), 1e-9);
  }
}

TEST(Budget, WhatIsInFloatStaysThere) {
  BudgetResult result = searchBudget(searchOf({0.5, 0.4, 0.3, 0}, 0.1, {false, false, true, false}));
  EXPECT_TRUE(result.isMet);
  EXPECT_EQ(result.inFloat, (std::vector<bool>{true, true, true, false}));
}

TEST(Budget, OneLayerStaysAndTheBestIsTold) {
  BudgetResult result = searchBudget(searchOf({0.3, 0.1, 0.2}, 0.05));
  EXPECT_FALSE(result.isMet);
  EXPECT_EQ(result.inFloat, (std::vector<bool>{true, false, true}));
  EXPECT_DOUBLE_EQ(result.score, 0.9);
  EXPECT_FALSE(searchBudget(searchOf({0.3}, 0.05)).isMet) << "a single layer";
}

/// Costs by which the outputs say nothing of the score: errors are the other way round.
BudgetSearch misleading(const std::vector<double> &costs, double maxDrop) {
  BudgetSearch search = searchOf(costs, maxDrop);
  search.errors = [costs] {
    std::vector<double> errors;
    for (double cost : costs)
      errors.push_back(1 - cost);
    return errors;
  };
  return search;
}

TEST(Budget, TheScoreRanksLayersWhereItIsCheap) {
  std::vector<double> costs(40, 0.001);
  costs[11] = costs[30] = 0.2;
  BudgetSearch search = misleading(costs, 0.05);
  std::vector<size_t> asked;
  search.affords = [&](size_t measurements) { asked.push_back(measurements); return true; };
  BudgetResult result = searchBudget(search);
  EXPECT_TRUE(result.isMet);
  EXPECT_EQ(floats(result), 2u);
  EXPECT_TRUE(result.inFloat[11] && result.inFloat[30]);
  EXPECT_NEAR(result.drops[30], 0.2, 1e-9);
  EXPECT_NEAR(result.drops[0], 0.001, 1e-9);
  EXPECT_EQ(asked.front(), 40u);
  EXPECT_EQ(asked.back(), 1u);
  EXPECT_LE(result.measured, 1 + 40 + 3);
}

TEST(Budget, ARankingThatTakesTooLongIsGivenUp) {
  BudgetSearch search = searchOf({0.1, 0.3, 0.001, 0.001}, 0.15);
  search.affords = [](size_t measurements) { return measurements > 3; }; // the first one took long
  BudgetResult result = searchBudget(search);
  EXPECT_TRUE(result.isMet && result.drops.empty());
  EXPECT_EQ(result.inFloat, (std::vector<bool>{false, true, false, false}));
}

TEST(Budget, EqualScoresAreRankedByErrors) {
  BudgetSearch search = searchOf({0.1, 0.3, 0.2}, 0.35);
  // Right answers: nothing is lost by one layer alone, and something by all.
  search.score = [](const std::vector<bool> &choice) { return choice[1] || std::count(choice.begin(), choice.end(), true) == 2 ? 1 : 0.5; };
  search.affords = [](size_t) { return true; };
  BudgetResult result = searchBudget(search);
  EXPECT_EQ(result.inFloat, (std::vector<bool>{false, true, false}));
}

TEST(Budget, WhatNeedNotBeInFloatIsGivenBack) {
  std::vector<double> costs(64, 0.0001);
  costs[20] = 0.1; // the 44th by its error
  BudgetSearch search = searchOf(costs, 0.05);
  search.errors = [] {
    std::vector<double> errors;
    for (size_t i = 0; i < 64; i++)
      errors.push_back(double(64 - i));
    errors[20] = 20.5;
    return errors;
  };
  BudgetResult result = searchBudget(search);
  EXPECT_TRUE(result.isMet && result.inFloat[20]);
  EXPECT_LE(floats(result), 3u);
  EXPECT_LE(result.measured, 1 + 12 + 16);
}

TEST(Budget, ScoresThatAreNotSumsStillEnd) {
  // Nothing fits but what few would guess: the best is told, and measurements are bounded.
  BudgetSearch search = searchOf(std::vector<double>(100, 0.01), 0.5);
  search.score = [](const std::vector<bool> &choice) {
    size_t count = size_t(std::count(choice.begin(), choice.end(), true));
    return count >= 60 || count % 7 == 3 ? 0.6 : 0.1;
  };
  BudgetResult result = searchBudget(search);
  EXPECT_TRUE(result.isMet);
  EXPECT_LE(result.measured, 1 + 14 + 16);
}

} // namespace
} // namespace tenon::driver
