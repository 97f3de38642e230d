#include "dialects/nn/Polynomial.h"

using namespace mlir;

namespace tenon::nn {

// --- construction and queries

Dim::Dim(ExprAttr attr) : impl(attr.getAsOpaquePointer()) {}
ExprAttr Dim::attr() const { return llvm::cast<ExprAttr>(Attribute::getFromOpaquePointer(impl)); }
MLIRContext *Dim::context() const { return attr().getContext(); }

Dim Dim::constant(MLIRContext *ctx, int64_t value) {
  if (value == 0)
    return Dim(ExprAttr::get(ctx, {}, {}));
  return Dim(ExprAttr::get(ctx, {value}, {ArrayAttr::get(ctx, {})}));
}
Dim Dim::symbol(MLIRContext *ctx, StringRef name) { return atomDim(StringAttr::get(ctx, name)); }

std::optional<int64_t> Dim::asConstant() const {
  ExprAttr expr = attr();
  if (expr.getTerms().empty())
    return 0;
  if (expr.getTerms().size() == 1 && expr.getTerms()[0].empty())
    return expr.getCoefficients()[0];
  return std::nullopt;
}
bool Dim::isConstant() const { return asConstant().has_value(); }
bool Dim::isConstant(int64_t value) const { return asConstant() == value; }

bool Dim::isOverflow() const {
  ArrayRef<ArrayAttr> terms = attr().getTerms();
  return terms.size() == 1 && terms[0].size() == 1 && isa<UnitAttr>(terms[0][0]);
}

std::optional<StringRef> Dim::asSymbol() const {
  ExprAttr expr = attr();
  if (expr.getTerms().size() != 1 || expr.getCoefficients()[0] != 1 || expr.getTerms()[0].size() != 1)
    return std::nullopt;
  if (auto name = dyn_cast<StringAttr>(expr.getTerms()[0][0]))
    return name.getValue();
  return std::nullopt;
}

// --- sums and products

static bool eitherOverflows(Dim a, Dim b) { return a.isOverflow() || b.isOverflow(); }

Dim Dim::operator+(Dim o) const {
  if (eitherOverflows(*this, o))
    return overflowDim(context());
  SmallVector<Term> terms = termsOf(*this);
  terms.append(termsOf(o));
  return makeDim(context(), std::move(terms));
}

Dim Dim::operator*(Dim o) const {
  if (eitherOverflows(*this, o))
    return overflowDim(context());
  SmallVector<Term> a = termsOf(*this), b = termsOf(o), terms;
  if (a.size() * b.size() > kMaxTerms * 4)
    return overflowDim(context());
  for (const Term &x : a) {
    for (const Term &y : b) {
      int64_t coefficient;
      if (__builtin_mul_overflow(x.coefficient, y.coefficient, &coefficient))
        return overflowDim(context());
      terms.push_back({coefficient, multiplyAtoms(x.atoms, y.atoms)});
      if (terms.back().atoms.size() > kMaxTerms)
        return overflowDim(context());
    }
  }
  return makeDim(context(), std::move(terms));
}

Dim Dim::operator-(Dim o) const { return *this + o * -1; }
Dim Dim::operator+(int64_t o) const { return *this + constant(context(), o); }
Dim Dim::operator-(int64_t o) const { return *this - constant(context(), o); }
Dim Dim::operator*(int64_t o) const { return *this * constant(context(), o); }

// --- division

std::optional<Dim> Dim::dividedExactlyBy(Dim o) const {
  if (eitherOverflows(*this, o) || o.isConstant(0))
    return std::nullopt;
  // Polynomial long division: the leading term of what is left must be a multiple of the divisor's leading term.
  Term lead = termsOf(o).front();
  Dim rest = *this, quotient = constant(context(), 0);
  for (size_t step = 0; step < kMaxTerms; ++step) {
    if (rest.isConstant(0))
      return quotient;
    if (rest.isOverflow())
      return std::nullopt;
    Term top = termsOf(rest).front();
    ArrayAttr atoms = divideAtoms(top.atoms, lead.atoms);
    bool representable = lead.coefficient != -1 || top.coefficient != INT64_MIN;
    if (!atoms || !representable || top.coefficient % lead.coefficient != 0)
      return std::nullopt;
    Dim piece = makeDim(context(), {{top.coefficient / lead.coefficient, atoms}});
    quotient = quotient + piece;
    rest = rest - piece * o;
  }
  return std::nullopt;
}

/// Splits `a` into `multiple * b + rest`, term by term: coefficients of `rest` are in [0, b).
static std::pair<Dim, Dim> splitByConstant(Dim a, int64_t b) {
  SmallVector<Term> multiple, rest;
  for (const Term &term : termsOf(a)) {
    multiple.push_back({floorDivide(term.coefficient, b), term.atoms});
    rest.push_back({floorModulo(term.coefficient, b), term.atoms});
  }
  return {makeDim(a.context(), std::move(multiple)), makeDim(a.context(), std::move(rest))};
}

/// Splits `a` into `multiple * b + rest` where `b` is one product with symbols; `rest` holds the indivisible terms.
static std::pair<Dim, Dim> splitBySymbols(Dim a, Dim b) {
  SmallVector<Term> divisor = termsOf(b), multiple, rest;
  for (const Term &term : termsOf(a)) {
    ArrayAttr atoms = divisor.size() == 1 ? divideAtoms(term.atoms, divisor[0].atoms) : ArrayAttr();
    int64_t c = divisor[0].coefficient;
    if (atoms && c > 0 && term.coefficient % c == 0)
      multiple.push_back({term.coefficient / c, atoms});
    else
      rest.push_back(term);
  }
  return {makeDim(a.context(), std::move(multiple)), makeDim(a.context(), std::move(rest))};
}

/// Of magnitudes, so that no input traps; 1 where it does not fit.
static int64_t gcd(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? -uint64_t(a) : a, y = b < 0 ? -uint64_t(b) : b;
  while (y)
    std::tie(x, y) = std::pair(y, x % y);
  return x > uint64_t(INT64_MAX) ? 1 : x;
}

/// The greatest common divisor of `start` and the coefficients of the terms with symbols.
static int64_t symbolicGcd(Dim a, int64_t start) {
  for (const Term &term : termsOf(a))
    if (!term.atoms.empty())
      start = gcd(start, term.coefficient);
  return start;
}

/// (a - constant) / g + floor(constant / g): g divides every coefficient but the constant's.
static Dim divideByGcd(Dim a, int64_t g) {
  SmallVector<Term> terms = termsOf(a);
  for (Term &term : terms)
    term.coefficient = floorDivide(term.coefficient, g);
  return makeDim(a.context(), std::move(terms));
}

static int64_t constantTerm(Dim a) {
  SmallVector<Term> terms = termsOf(a);
  return !terms.empty() && terms.back().atoms.empty() ? terms.back().coefficient : 0;
}

/// floordiv(x, c) + k with constants c and k, taken apart.
struct NestedDivision {
  Dim numerator;
  int64_t divisor, offset;
};
static std::optional<NestedDivision> nestedDivision(Dim a) {
  SmallVector<Term> terms = termsOf(a);
  if (terms.empty() || terms.size() > 2 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1)
    return std::nullopt;
  if (terms.size() == 2 && !terms[1].atoms.empty())
    return std::nullopt;
  auto call = dyn_cast<CallAttr>(terms[0].atoms[0]);
  if (!call || call.getFunction() != "floordiv")
    return std::nullopt;
  std::optional<int64_t> divisor = Dim(cast<ExprAttr>(call.getRhs())).asConstant();
  if (!divisor)
    return std::nullopt;
  return NestedDivision{Dim(cast<ExprAttr>(call.getLhs())), *divisor, constantTerm(a)};
}

static Dim floorDivByConstant(Dim a, int64_t b) {
  auto [multiple, rest] = splitByConstant(a, b);
  if (std::optional<int64_t> c = rest.asConstant())
    return multiple; // 0 <= c < b
  int64_t g = symbolicGcd(rest, b);
  rest = divideByGcd(rest, g);
  b /= g;
  if (b == 1)
    return multiple + rest;
  if (std::optional<NestedDivision> inner = nestedDivision(rest)) {
    int64_t divisor;
    if (!__builtin_mul_overflow(inner->divisor, b, &divisor)) {
      Dim shift = Dim::constant(a.context(), inner->offset) * inner->divisor;
      return multiple + (inner->numerator + shift).floorDiv(divisor);
    }
  }
  std::optional<int64_t> low = rest.lowerBound(), high = rest.upperBound();
  if (low && high && floorDivide(*low, b) == floorDivide(*high, b))
    return multiple + floorDivide(*low, b);
  return multiple + callDim("floordiv", rest, Dim::constant(a.context(), b));
}

Dim Dim::floorDiv(Dim o) const {
  if (eitherOverflows(*this, o))
    return overflowDim(context());
  if (std::optional<int64_t> b = o.asConstant())
    return *b <= 0 ? overflowDim(context()) : floorDivByConstant(*this, *b);
  if (std::optional<Dim> exact = dividedExactlyBy(o))
    return *exact;
  auto [multiple, rest] = splitBySymbols(*this, o);
  // A factor common to all terms of both goes away.
  int64_t g = symbolicGcd(rest, 0);
  g = gcd(gcd(g, constantTerm(rest)), gcd(symbolicGcd(o, 0), constantTerm(o)));
  if (g > 1)
    return multiple + divideByGcd(rest, g).floorDiv(divideByGcd(o, g));
  return multiple + callDim("floordiv", rest, o);
}
Dim Dim::ceilDiv(Dim o) const { return (*this + o - 1).floorDiv(o); }
Dim Dim::floorDiv(int64_t o) const { return floorDiv(constant(context(), o)); }
Dim Dim::ceilDiv(int64_t o) const { return ceilDiv(constant(context(), o)); }

Dim Dim::mod(Dim o) const {
  if (eitherOverflows(*this, o))
    return overflowDim(context());
  if (std::optional<int64_t> b = o.asConstant()) {
    if (*b <= 0)
      return overflowDim(context());
    Dim rest = splitByConstant(*this, *b).second;
    if (rest.isConstant())
      return rest;
    int64_t g = symbolicGcd(rest, *b);
    if (g > 1) // g x + c = g (x + floor(c / g)) + c mod g
      return divideByGcd(rest, g).mod(constant(context(), *b / g)) * g + floorModulo(constantTerm(rest), g);
    std::optional<int64_t> low = rest.lowerBound(), high = rest.upperBound();
    if (low && high && *low >= 0 && *high < *b)
      return rest;
    return callDim("mod", rest, o);
  }
  if (dividedExactlyBy(o))
    return constant(context(), 0);
  Dim rest = splitBySymbols(*this, o).second;
  return callDim("mod", rest, o);
}

// --- minimum and maximum

/// The operands of nested calls of `function`, flattened.
static void flatten(StringRef function, Dim a, SmallVectorImpl<Dim> &out) {
  ExprAttr expr = a.attr();
  if (expr.getTerms().size() == 1 && expr.getCoefficients()[0] == 1 && expr.getTerms()[0].size() == 1) {
    auto call = dyn_cast<CallAttr>(expr.getTerms()[0][0]);
    if (call && call.getFunction() == function) {
      flatten(function, Dim(cast<ExprAttr>(call.getLhs())), out);
      flatten(function, Dim(cast<ExprAttr>(call.getRhs())), out);
      return;
    }
  }
  out.push_back(a);
}

static bool provedAtLeast(Dim a, Dim b) {
  std::optional<int64_t> low = (a - b).lowerBound();
  return low && *low >= 0;
}

/// The extreme of all of `a` and `b`: operands that another one dominates are dropped, the rest is put in order.
static Dim extreme(StringRef function, Dim a, Dim b) {
  bool maximum = function == "max";
  SmallVector<Dim> operands, kept;
  flatten(function, a, operands);
  flatten(function, b, operands);
  for (Dim candidate : operands) {
    auto beats = [&](Dim x, Dim y) { return maximum ? provedAtLeast(x, y) : provedAtLeast(y, x); };
    if (llvm::any_of(kept, [&](Dim k) { return beats(k, candidate); }))
      continue;
    llvm::erase_if(kept, [&](Dim k) { return beats(candidate, k); });
    kept.push_back(candidate);
  }
  if (kept.size() > kMaxTerms)
    return overflowDim(a.context());
  llvm::sort(kept, [](Dim x, Dim y) { return compareExprs(x.attr(), y.attr()) < 0; });
  Dim result = kept.back();
  for (Dim operand : llvm::reverse(ArrayRef(kept).drop_back()))
    result = callDim(function, operand, result);
  return result;
}

Dim Dim::min(Dim o) const { return eitherOverflows(*this, o) ? overflowDim(context()) : extreme("min", *this, o); }
Dim Dim::max(Dim o) const { return eitherOverflows(*this, o) ? overflowDim(context()) : extreme("max", *this, o); }

} // namespace tenon::nn
