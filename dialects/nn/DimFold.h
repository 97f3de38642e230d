// Dim::fold: hands the canonical form of an expression to a caller who builds values from it. Included by NN.h.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::nn {

namespace detail {
template <typename T> T foldCall(const Dim::Folder<T> &f, CallAttr call) {
  T lhs = Dim(llvm::cast<ExprAttr>(call.getLhs())).fold(f), rhs = Dim(llvm::cast<ExprAttr>(call.getRhs())).fold(f);
  llvm::StringRef function = call.getFunction().getValue();
  if (function == "floordiv")
    return f.floorDiv(lhs, rhs);
  if (function == "mod")
    return f.mod(lhs, rhs);
  return function == "min" ? f.min(lhs, rhs) : f.max(lhs, rhs);
}

template <typename T> T foldAtom(const Dim::Folder<T> &f, mlir::Attribute atom) {
  if (auto symbol = llvm::dyn_cast<mlir::StringAttr>(atom))
    return f.symbol(symbol.getValue());
  if (auto call = llvm::dyn_cast<CallAttr>(atom))
    return foldCall(f, call);
  return f.constant(0); // overflow: refused by shape inference long before
}
} // namespace detail

template <typename T> T Dim::fold(const Folder<T> &f) const {
  ExprAttr expr = attr();
  std::optional<T> total;
  for (auto [coefficient, atoms] : llvm::zip_equal(expr.getCoefficients(), expr.getTerms())) {
    std::optional<T> term;
    for (mlir::Attribute atom : atoms) {
      T factor = detail::foldAtom(f, atom);
      term = term ? f.mul(*term, factor) : factor;
    }
    if (!term)
      term = f.constant(coefficient);
    else if (coefficient != 1)
      term = f.mul(*term, f.constant(coefficient));
    total = total ? f.add(*total, *term) : *term;
  }
  return total ? *total : f.constant(0);
}

} // namespace tenon::nn
