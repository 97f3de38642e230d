// What can be proved about an expression when every symbol is a size: bounds, evaluation, substitution.
#include "dialects/nn/Polynomial.h"

using namespace mlir;

namespace tenon::nn {

namespace {
using Bound = std::optional<int64_t>; // none: unbounded

struct Interval {
  Bound low, high;
};

Bound sum(Bound a, Bound b) {
  int64_t result;
  if (!a || !b || __builtin_add_overflow(*a, *b, &result))
    return std::nullopt;
  return result;
}

/// Product of bounds; `zeroWins` because 0 times an unbounded size is 0.
Bound product(Bound a, Bound b) {
  if ((a && *a == 0) || (b && *b == 0))
    return 0;
  int64_t result;
  if (!a || !b || __builtin_mul_overflow(*a, *b, &result))
    return std::nullopt;
  return result;
}

Interval scaled(Interval x, int64_t factor) {
  Interval result{product(x.low, factor), product(x.high, factor)};
  if (factor < 0)
    std::swap(result.low, result.high);
  return result;
}

/// Products of factors that may be negative are only bounded when all four corners are known.
Interval multiplied(Interval x, Interval y) {
  bool nonNegative = x.low && *x.low >= 0 && y.low && *y.low >= 0;
  if (nonNegative)
    return {product(x.low, y.low), product(x.high, y.high)};
  if (!x.low || !x.high || !y.low || !y.high)
    return {};
  Bound corners[] = {product(x.low, y.low), product(x.low, y.high), product(x.high, y.low), product(x.high, y.high)};
  if (llvm::any_of(corners, [](Bound b) { return !b; }))
    return {};
  auto [low, high] = std::minmax_element(std::begin(corners), std::end(corners));
  return {*low, *high};
}

Bound extremum(Bound a, Bound b, bool maximum) { return maximum ? std::max(*a, *b) : std::min(*a, *b); }

Interval boundsOf(ExprAttr expr);

Interval boundsOfCall(CallAttr call) {
  Interval a = boundsOf(cast<ExprAttr>(call.getLhs())), b = boundsOf(cast<ExprAttr>(call.getRhs()));
  StringRef function = call.getFunction().getValue();
  if (function == "mod") // the divisor is positive
    return {0, b.high ? Bound(*b.high - 1) : std::nullopt};
  if (function == "floordiv") {
    if (b.low && b.low == b.high && *b.low > 0)
      return {a.low ? Bound(floorDivide(*a.low, *b.low)) : a.low, a.high ? Bound(floorDivide(*a.high, *b.low)) : a.high};
    bool nonNegative = a.low && *a.low >= 0;
    return {nonNegative ? Bound(0) : std::nullopt, nonNegative ? a.high : std::nullopt};
  }
  bool maximum = function == "max";
  // One known side bounds a maximum from below and a minimum from above.
  auto oneSided = [&](Bound x, Bound y) { return x && y ? extremum(x, y, maximum) : (x ? x : y); };
  auto bothSided = [&](Bound x, Bound y) { return x && y ? extremum(x, y, maximum) : std::nullopt; };
  return maximum ? Interval{oneSided(a.low, b.low), bothSided(a.high, b.high)}
                 : Interval{bothSided(a.low, b.low), oneSided(a.high, b.high)};
}

Interval boundsOfAtom(Attribute atom) {
  if (isa<StringAttr>(atom))
    return {0, std::nullopt};
  if (auto call = dyn_cast<CallAttr>(atom))
    return boundsOfCall(call);
  return {};
}

Interval boundsOf(ExprAttr expr) {
  Interval total{0, 0};
  for (auto [coefficient, atoms] : llvm::zip_equal(expr.getCoefficients(), expr.getTerms())) {
    Interval term{1, 1};
    for (Attribute atom : atoms)
      term = multiplied(term, boundsOfAtom(atom));
    term = scaled(term, coefficient);
    total = {sum(total.low, term.low), sum(total.high, term.high)};
  }
  return total;
}

/// How many atoms may be relaxed on the way to a bound: each may try two expressions.
constexpr int kRelaxations = 4;

/// Raises nothing: an expression that is nowhere larger than `scale * dim`, with one call atom replaced by what bounds it.
/// max(a, b) >= a; -min(a, b) >= -a; -c floordiv(a, c) >= -a; c floordiv(a, c) >= a - c + 1.
void relaxBelow(Dim dim, SmallVectorImpl<std::pair<Dim, int64_t>> &out) {
  for (const Term &term : termsOf(dim)) {
    if (term.atoms.size() != 1)
      continue;
    auto call = dyn_cast<CallAttr>(term.atoms[0]);
    if (!call)
      continue;
    Dim lhs(cast<ExprAttr>(call.getLhs())), rhs(cast<ExprAttr>(call.getRhs())), atom = atomDim(call);
    StringRef function = call.getFunction().getValue();
    if ((function == "max" && term.coefficient > 0) || (function == "min" && term.coefficient < 0)) {
      out.push_back({dim + (lhs - atom) * term.coefficient, 1});
      out.push_back({dim + (rhs - atom) * term.coefficient, 1});
      return;
    }
    std::optional<int64_t> divisor = rhs.asConstant();
    if (function == "floordiv" && divisor) {
      Dim bound = term.coefficient < 0 ? lhs : lhs - (*divisor - 1);
      out.push_back({(dim - atom * term.coefficient) * *divisor + bound * term.coefficient, *divisor});
      return;
    }
  }
}

/// The two expressions of which one is what `dim` is, where it adds a minimum or subtracts a maximum: the atom is one of its operands.
std::optional<std::pair<Dim, Dim>> casesOf(Dim dim) {
  for (const Term &term : termsOf(dim)) {
    auto call = term.atoms.size() == 1 ? dyn_cast<CallAttr>(term.atoms[0]) : CallAttr();
    if (!call)
      continue;
    StringRef function = call.getFunction().getValue();
    if ((function == "min" && term.coefficient > 0) || (function == "max" && term.coefficient < 0)) {
      Dim rest = dim - atomDim(call) * term.coefficient;
      Dim lhs(cast<ExprAttr>(call.getLhs())), rhs(cast<ExprAttr>(call.getRhs()));
      return std::pair(rest + lhs * term.coefficient, rest + rhs * term.coefficient);
    }
  }
  return std::nullopt;
}

Bound lowerBoundOf(Dim dim, int relaxations) {
  if (dim.isOverflow())
    return std::nullopt;
  Bound best = boundsOf(dim.attr()).low;
  if (relaxations == 0)
    return best;
  SmallVector<std::pair<Dim, int64_t>> relaxed;
  relaxBelow(dim, relaxed);
  for (auto [below, scale] : relaxed) {
    Bound low = lowerBoundOf(below, relaxations - 1);
    if (low)
      low = -floorDivide(-*low, scale);
    if (low && (!best || *low > *best))
      best = low;
  }
  if (auto cases = casesOf(dim)) {
    Bound first = lowerBoundOf(cases->first, relaxations - 1), second = first ? lowerBoundOf(cases->second, relaxations - 1) : std::nullopt;
    if (second && (!best || std::min(*first, *second) > *best))
      best = std::min(*first, *second);
  }
  return best;
}
} // namespace

std::optional<int64_t> Dim::lowerBound() const { return lowerBoundOf(*this, kRelaxations); }

std::optional<int64_t> Dim::upperBound() const {
  Bound negated = lowerBoundOf(*this * -1, kRelaxations);
  if (!negated || *negated == INT64_MIN)
    return std::nullopt;
  return -*negated;
}

// --- evaluation and substitution

static std::optional<int64_t> evaluateCall(CallAttr call, const llvm::DenseMap<StringRef, int64_t> &sizes) {
  std::optional<int64_t> a = Dim(cast<ExprAttr>(call.getLhs())).evaluate(sizes);
  std::optional<int64_t> b = Dim(cast<ExprAttr>(call.getRhs())).evaluate(sizes);
  if (!a || !b)
    return std::nullopt;
  StringRef function = call.getFunction().getValue();
  if (function == "min")
    return std::min(*a, *b);
  if (function == "max")
    return std::max(*a, *b);
  if (*b <= 0)
    return std::nullopt;
  return function == "floordiv" ? floorDivide(*a, *b) : floorModulo(*a, *b);
}

static std::optional<int64_t> evaluateAtom(Attribute atom, const llvm::DenseMap<StringRef, int64_t> &sizes) {
  if (auto call = dyn_cast<CallAttr>(atom))
    return evaluateCall(call, sizes);
  auto symbol = dyn_cast<StringAttr>(atom);
  auto found = symbol ? sizes.find(symbol.getValue()) : sizes.end();
  return found == sizes.end() ? std::nullopt : std::optional(found->second);
}

std::optional<int64_t> Dim::evaluate(const llvm::DenseMap<StringRef, int64_t> &sizes) const {
  int64_t total = 0;
  for (const Term &term : termsOf(*this)) {
    int64_t value = term.coefficient;
    for (Attribute atom : term.atoms) {
      std::optional<int64_t> factor = evaluateAtom(atom, sizes);
      if (!factor || __builtin_mul_overflow(value, *factor, &value))
        return std::nullopt;
    }
    if (__builtin_add_overflow(total, value, &total))
      return std::nullopt;
  }
  return total;
}

Dim applyCall(StringRef function, Dim lhs, Dim rhs) {
  if (function == "floordiv")
    return lhs.floorDiv(rhs);
  if (function == "mod")
    return lhs.mod(rhs);
  return function == "min" ? lhs.min(rhs) : lhs.max(rhs);
}

Dim Dim::substitute(llvm::function_ref<std::optional<Dim>(StringRef)> lookup) const {
  Dim total = constant(context(), 0);
  for (const Term &term : termsOf(*this)) {
    Dim value = constant(context(), term.coefficient);
    for (Attribute atom : term.atoms) {
      Dim factor = atomDim(atom);
      if (auto call = dyn_cast<CallAttr>(atom))
        factor = applyCall(call.getFunction().getValue(), Dim(cast<ExprAttr>(call.getLhs())).substitute(lookup),
                           Dim(cast<ExprAttr>(call.getRhs())).substitute(lookup));
      else if (auto symbol = dyn_cast<StringAttr>(atom))
        factor = lookup(symbol.getValue()).value_or(factor);
      value = value * factor;
    }
    total = total + value;
  }
  return total;
}

static void collect(ExprAttr expr, llvm::SetVector<StringRef> &names) {
  for (ArrayAttr atoms : expr.getTerms()) {
    for (Attribute atom : atoms) {
      if (auto symbol = dyn_cast<StringAttr>(atom))
        names.insert(symbol.getValue());
      if (auto call = dyn_cast<CallAttr>(atom)) {
        collect(cast<ExprAttr>(call.getLhs()), names);
        collect(cast<ExprAttr>(call.getRhs()), names);
      }
    }
  }
}

void Dim::collectSymbols(SmallVectorImpl<StringRef> &out) const {
  llvm::SetVector<StringRef> names(out.begin(), out.end());
  collect(attr(), names);
  out.assign(names.begin(), names.end());
  llvm::sort(out);
}

} // namespace tenon::nn
