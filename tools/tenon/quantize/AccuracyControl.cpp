#include "tools/tenon/quantize/AccuracyControl.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace tenon::driver {
namespace {

class Search {
public:
  explicit Search(const BudgetSearch &search) : search(search) {
    for (size_t i = 0; i < search.inFloat.size(); i++)
      if (!search.inFloat[i])
        ranking.push_back(i);
  }

  BudgetResult run() {
    if (fits({}) || ranking.size() < 2)
      return best;
    rank();
    std::vector<size_t> returned = leastPrefix();
    if (best.isMet)
      giveBack(std::move(returned));
    return best;
  }

private:
  bool fits(const std::vector<size_t> &returned) {
    std::vector<bool> inFloat = search.inFloat;
    for (size_t layer : returned)
      inFloat[layer] = true;
    double score = search.score(inFloat);
    bool isMet = search.floatScore - score <= search.maxDrop;
    // Each choice that meets the budget has fewer layers in f32 than the one before.
    if (best.measured++ == 0 || isMet || (!best.isMet && score > best.score))
      best.inFloat = inFloat, best.score = score, best.isMet = isMet;
    return isMet;
  }

  /// What each layer alone in 8 bits costs; none where that takes too long.
  std::vector<double> measuredDrops() {
    std::vector<double> drops(search.inFloat.size(), NAN);
    for (size_t i = 0; i < ranking.size(); i++) {
      if (!search.affords || !search.affords(ranking.size() - i))
        return {};
      std::vector<bool> inFloat(search.inFloat.size(), true);
      inFloat[ranking[i]] = false;
      drops[ranking[i]] = search.floatScore - search.score(inFloat);
      best.measured++;
    }
    return drops;
  }

  void rank() {
    std::vector<double> errors = search.errors();
    best.drops = measuredDrops();
    // Scores that count right answers are the same for many layers.
    auto place = [&](size_t layer) { return std::tuple(best.drops.empty() ? 0 : -best.drops[layer], -errors[layer], layer); };
    std::sort(ranking.begin(), ranking.end(), [&](size_t a, size_t b) { return place(a) < place(b); });
  }

  std::vector<size_t> prefix(size_t count) const { return {ranking.begin(), ranking.begin() + int64_t(count)}; }

  std::vector<size_t> leastPrefix() {
    // Few layers are enough as a rule: doubling finds such an end sooner than halving all of them.
    size_t tooFew = 0, most = ranking.size() - 1, enough = 1;
    while (!fits(prefix(enough))) {
      if (enough == most)
        return {};
      tooFew = enough;
      enough = std::min(enough * 2, most);
    }
    while (enough - tooFew > 1) {
      size_t middle = tooFew + (enough - tooFew) / 2;
      (fits(prefix(middle)) ? enough : tooFew) = middle;
    }
    return prefix(enough);
  }

  /// A ranking does not know how errors of layers add up: tries what fits without parts of `returned`, large ones first, the least sensitive layers first.
  void giveBack(std::vector<size_t> returned) {
    constexpr int kMostTries = 16;
    int tries = 0;
    bool isPrefix = true; // shorter prefixes do not fit
    for (size_t size = returned.size() / 2; size > 0; size /= 2) {
      size_t end = returned.size();
      while (end > 0 && returned.size() > size) {
        size_t begin = end - std::min(size, end);
        std::vector<size_t> fewer = returned;
        fewer.erase(fewer.begin() + int64_t(begin), fewer.begin() + int64_t(end));
        bool isShorterPrefix = isPrefix && end == returned.size();
        end = begin;
        if (isShorterPrefix)
          continue;
        if (tries++ == kMostTries)
          return;
        if (!fits(fewer))
          continue;
        returned = std::move(fewer);
        isPrefix = false;
      }
    }
  }

  const BudgetSearch &search;
  std::vector<size_t> ranking; // layers that may go, from the most sensitive one
  BudgetResult best;
};

} // namespace

BudgetResult searchBudget(const BudgetSearch &search) { return Search(search).run(); }

} // namespace tenon::driver
