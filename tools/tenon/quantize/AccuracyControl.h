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
  std::function<std::vector<double>()> errors; // by layer, of the outputs; called where some have to go
  std::function<double(const std::vector<bool> &inFloat)> score; // measures a choice
  std::function<bool(size_t measurements)> affords; // whether so many more scores may be measured to rank layers by; null: none
};

struct BudgetResult {
  std::vector<bool> inFloat;
  double score = 0;
  bool isMet = false;  // false: the choice with the best score among those that were measured, which loses more than allowed
  int measured = 0;    // choices
  std::vector<double> drops; // by layer: what it alone in 8 bits costs the score, NaN where it is in f32 from the start; empty: layers were ranked by errors
};

/// Few layers in f32 that keep the drop within the budget. Layers are ranked by what each of them alone in 8 bits costs the score, where that many
/// measurements are affordable, and by their errors. The number of those in f32, most sensitive first, is doubled and then bisected, and what may still be given
/// back to 8 bits in groups is, in some 16 measurements. At least one layer stays in 8 bits: a model in f32 is no answer.
BudgetResult searchBudget(const BudgetSearch &search);

} // namespace tenon::driver
