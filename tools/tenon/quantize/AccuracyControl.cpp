#include "tools/tenon/quantize/AccuracyControl.h"

#include <algorithm>
#include <utility>

namespace tenon::driver {

BudgetResult searchBudget(const BudgetSearch &search) {
  std::vector<size_t> ranking;
  for (size_t i = 0; i < search.inFloat.size(); i++)
    if (!search.inFloat[i])
      ranking.push_back(i);

  BudgetResult best;
  auto fits = [&](size_t returned) {
    std::vector<bool> inFloat = search.inFloat;
    for (size_t i = 0; i < returned; i++)
      inFloat[ranking[i]] = true;
    double score = search.score(inFloat);
    bool isMet = search.floatScore - score <= search.maxDrop;
    // Each choice that meets the budget has fewer layers in f32 than the one before.
    if (best.measured++ == 0 || isMet || (!best.isMet && score > best.score))
      best.inFloat = inFloat, best.score = score, best.isMet = isMet;
    return isMet;
  };
  if (fits(0) || ranking.size() < 2)
    return best;
  std::vector<double> errors = search.errors();
  std::sort(ranking.begin(), ranking.end(), [&](size_t a, size_t b) { return std::pair(-errors[a], a) < std::pair(-errors[b], b); });
  // Few layers are enough as a rule: doubling finds such an end sooner than halving all of them.
  size_t tooFew = 0, most = ranking.size() - 1, enough = 1;
  while (!fits(enough)) {
    if (enough == most)
      return best;
    tooFew = enough;
    enough = std::min(enough * 2, most);
  }
  while (enough - tooFew > 1) {
    size_t middle = tooFew + (enough - tooFew) / 2;
    (fits(middle) ? enough : tooFew) = middle;
  }
  return best;
}

} // namespace tenon::driver
