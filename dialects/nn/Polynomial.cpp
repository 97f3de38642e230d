#include "dialects/nn/Polynomial.h"

using namespace mlir;

namespace tenon::nn {

static int kindOf(Attribute atom) { return isa<StringAttr>(atom) ? 0 : isa<CallAttr>(atom) ? 1 : 2; }

int compareAtoms(Attribute a, Attribute b) {
  if (a == b)
    return 0;
  if (int difference = kindOf(a) - kindOf(b))
    return difference;
  if (auto symbol = dyn_cast<StringAttr>(a))
    return symbol.getValue().compare(cast<StringAttr>(b).getValue());
  auto x = cast<CallAttr>(a), y = cast<CallAttr>(b);
  if (int order = x.getFunction().getValue().compare(y.getFunction().getValue()))
    return order;
  if (int order = compareExprs(cast<ExprAttr>(x.getLhs()), cast<ExprAttr>(y.getLhs())))
    return order;
  return compareExprs(cast<ExprAttr>(x.getRhs()), cast<ExprAttr>(y.getRhs()));
}

int compareProducts(ArrayAttr a, ArrayAttr b) {
  if (a == b)
    return 0;
  if (a.size() != b.size())
    return a.size() > b.size() ? -1 : 1;
  for (auto [x, y] : llvm::zip_equal(a, b))
    if (int order = compareAtoms(x, y))
      return order;
  return 0;
}

int compareExprs(ExprAttr a, ExprAttr b) {
  if (a == b)
    return 0;
  for (auto [x, y] : llvm::zip(a.getTerms(), b.getTerms()))
    if (int order = compareProducts(x, y))
      return order;
  if (a.getTerms().size() != b.getTerms().size())
    return a.getTerms().size() < b.getTerms().size() ? -1 : 1;
  for (auto [x, y] : llvm::zip_equal(a.getCoefficients(), b.getCoefficients()))
    if (x != y)
      return x < y ? -1 : 1;
  return 0;
}

Dim overflowDim(MLIRContext *ctx) {
  return Dim(ExprAttr::get(ctx, {1}, {ArrayAttr::get(ctx, {UnitAttr::get(ctx)})}));
}

Dim makeDim(MLIRContext *ctx, SmallVector<Term> terms) {
  llvm::sort(terms, [](const Term &a, const Term &b) { return compareProducts(a.atoms, b.atoms) < 0; });
  SmallVector<int64_t> coefficients;
  SmallVector<ArrayAttr> products;
  for (const Term &term : terms) {
    if (products.empty() || products.back() != term.atoms) {
      if (!coefficients.empty() && coefficients.back() == 0) {
        coefficients.pop_back();
        products.pop_back();
      }
      coefficients.push_back(term.coefficient);
      products.push_back(term.atoms);
    } else if (__builtin_add_overflow(coefficients.back(), term.coefficient, &coefficients.back())) {
      return overflowDim(ctx);
    }
  }
  if (!coefficients.empty() && coefficients.back() == 0) {
    coefficients.pop_back();
    products.pop_back();
  }
  if (products.size() > kMaxTerms)
    return overflowDim(ctx);
  return Dim(ExprAttr::get(ctx, coefficients, products));
}

SmallVector<Term> termsOf(Dim dim) {
  SmallVector<Term> terms;
  ExprAttr expr = dim.attr();
  for (auto [coefficient, atoms] : llvm::zip_equal(expr.getCoefficients(), expr.getTerms()))
    terms.push_back({coefficient, atoms});
  return terms;
}

ArrayAttr multiplyAtoms(ArrayAttr a, ArrayAttr b) {
  if (a.empty())
    return b;
  if (b.empty())
    return a;
  SmallVector<Attribute> atoms;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(atoms),
             [](Attribute x, Attribute y) { return compareAtoms(x, y) < 0; });
  return ArrayAttr::get(a.getContext(), atoms);
}

ArrayAttr divideAtoms(ArrayAttr a, ArrayAttr b) {
  SmallVector<Attribute> rest(a.begin(), a.end());
  for (Attribute atom : b) {
    auto *found = llvm::find(rest, atom);
    if (found == rest.end())
      return {};
    rest.erase(found);
  }
  return ArrayAttr::get(a.getContext(), rest);
}

Dim atomDim(Attribute atom) {
  MLIRContext *ctx = atom.getContext();
  return Dim(ExprAttr::get(ctx, {1}, {ArrayAttr::get(ctx, {atom})}));
}

/// Nodes of the expression written out as a tree, counted up to `limit`.
static size_t treeSize(ExprAttr expr, size_t limit) {
  size_t nodes = 1;
  for (ArrayAttr product : expr.getTerms()) {
    for (Attribute atom : product) {
      if (++nodes > limit)
        return nodes;
      if (auto call = dyn_cast<CallAttr>(atom)) {
        nodes += treeSize(cast<ExprAttr>(call.getLhs()), limit - nodes);
        if (nodes > limit)
          return nodes;
        nodes += treeSize(cast<ExprAttr>(call.getRhs()), limit - nodes);
      }
      if (nodes > limit)
        return nodes;
    }
  }
  return nodes;
}

Dim callDim(StringRef function, Dim lhs, Dim rhs) {
  MLIRContext *ctx = lhs.context();
  size_t nodes = treeSize(lhs.attr(), kMaxExpressionNodes);
  if (nodes <= kMaxExpressionNodes)
    nodes += treeSize(rhs.attr(), kMaxExpressionNodes - nodes);
  if (nodes > kMaxExpressionNodes)
    return overflowDim(ctx);
  return atomDim(CallAttr::get(ctx, StringAttr::get(ctx, function), lhs.attr(), rhs.attr()));
}

int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0); }
int64_t floorModulo(int64_t a, int64_t b) { return a % b + (a % b < 0 ? b : 0); }

} // namespace tenon::nn
