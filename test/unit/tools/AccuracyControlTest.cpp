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
  BudgetSearch search{inFloat, 1, maxDrop, [costs] { return costs; }, {}};
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
    EXPECT_LE(result.measured, 8) << "doubling, then bisection";
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

} // namespace
} // namespace tenon::driver
