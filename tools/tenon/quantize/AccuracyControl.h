// Which layers go back to f32 so that a network loses no more than its user allows.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

namespace tenon::driver {

struct BudgetSearch {
  std::vector<bool> inFloat;   // layers that are in f32 from the start, and stay there
  double floatScore = 0;       // the float model's
  double maxDrop = 0;
  std::function<std::vector<double>()> errors; // by layer: those with the largest go first; called where some have to go
  std::function<double(const std::vector<bool> &inFloat)> score; // measures a choice
};

struct BudgetResult {
  std::vector<bool> inFloat;
  double score = 0;
  bool isMet = false;  // false: the choice with the best score among those that were measured, which loses more than allowed
  int measured = 0;    // choices
};

/// The fewest layers in f32, most sensitive first, that keep the drop within the budget: found by doubling their number and then by bisection, in
/// 2 log2(number) measurements after the one of all layers in 8 bits. At least one layer stays in 8 bits: a model in f32 is no answer.
BudgetResult searchBudget(const BudgetSearch &search);

} // namespace tenon::driver
