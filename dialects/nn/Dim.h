// Symbolic dimensions: integer expressions over named sizes, in a canonical form so that equal means identical.
#pragma once
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tenon::nn {

class ExprAttr;
class DimsAttr;

/// An integer expression over symbols; a thin value around the uniqued attribute `#nn.expr`.
///
/// Canonical: a sum of products with integer coefficients, terms and factors in a fixed order that does not depend on
/// addresses. Two expressions with the same canonical form are the same attribute, so == is a pointer comparison.
/// Symbols are sizes: integers of at least 0. Arithmetic never traps; overflow gives an opaque expression
/// (`isOverflow`, written `overflow`) that shape inference reports.
/// Terms are ordered by degree, then by name; `floordiv(a, c)` keeps coefficients of a in [0, c): what c divides is outside.
/// So `floordiv(h - 1, 2) + 1` and `floordiv(h + 1, 2)` are the same, written in the second way.
class Dim {
public:
  Dim() = default;
  explicit Dim(ExprAttr attr);
  static Dim constant(mlir::MLIRContext *ctx, int64_t value);
  static Dim symbol(mlir::MLIRContext *ctx, llvm::StringRef name);

  explicit operator bool() const { return impl != nullptr; }
  ExprAttr attr() const;
  mlir::MLIRContext *context() const;

  bool isConstant() const;
  bool isConstant(int64_t value) const;
  std::optional<int64_t> asConstant() const;
  /// The result of arithmetic that overflowed, divided by a constant of 0 or less, or grew beyond all reason. It absorbs
  /// whatever it is combined with.
  bool isOverflow() const;
  /// The name when the expression is one bare symbol.
  std::optional<llvm::StringRef> asSymbol() const;

  friend bool operator==(Dim a, Dim b) { return a.impl == b.impl; }
  friend bool operator!=(Dim a, Dim b) { return a.impl != b.impl; }

  Dim operator+(Dim o) const;
  Dim operator-(Dim o) const;
  Dim operator*(Dim o) const;
  Dim operator+(int64_t o) const;
  Dim operator-(int64_t o) const;
  Dim operator*(int64_t o) const;
  /// Rounds towards minus infinity. The divisor is positive (a constant or a size).
  Dim floorDiv(Dim o) const;
  Dim floorDiv(int64_t o) const;
  Dim ceilDiv(Dim o) const;
  Dim ceilDiv(int64_t o) const;
  Dim mod(Dim o) const;
  Dim min(Dim o) const;
  Dim max(Dim o) const;

  /// The exact quotient where it can be proved (every term divisible), else none: reshape's -1 uses it first.
  std::optional<Dim> dividedExactlyBy(Dim o) const;
  /// Provable bounds with every symbol in [0, inf); none where nothing is known.
  std::optional<int64_t> lowerBound() const;
  std::optional<int64_t> upperBound() const;

  /// Evaluates with the given sizes; none if a symbol is missing, a divisor is not positive, or the result overflows.
  std::optional<int64_t> evaluate(const llvm::DenseMap<llvm::StringRef, int64_t> &sizes) const;
  Dim substitute(llvm::function_ref<std::optional<Dim>(llvm::StringRef)> lookup) const;
  /// Names of the symbols, sorted, without repetition, appended to `out`.
  void collectSymbols(llvm::SmallVectorImpl<llvm::StringRef> &out) const;
  std::string str() const;

  /// Structure, for code generators: visits the canonical form bottom up. `T` is the caller's value type. A negative
  /// coefficient is a multiplication by a negative constant; the expression does not overflow. Defined in DimFold.h.
  template <typename T> struct Folder {
    llvm::function_ref<T(int64_t)> constant;
    llvm::function_ref<T(llvm::StringRef)> symbol;
    llvm::function_ref<T(T, T)> add, mul, floorDiv, mod, min, max;
  };
  template <typename T> T fold(const Folder<T> &f) const;

private:
  const void *impl = nullptr;
};

/// One dimension expression for each axis of a ranked tensor. A `?` that no encoding names is `overflow` (no op accepts it).
llvm::SmallVector<Dim> dimsOf(mlir::Type tensor);
Dim dimOf(mlir::Type tensor, int64_t axis);
/// `tensor<dims x element>` with `?` and the encoding where they are needed. A negative constant becomes `overflow`: callers
/// that take sizes from input check them first (`checkedTensor` in Infer.h does).
mlir::RankedTensorType tensorOf(llvm::ArrayRef<Dim> dims, mlir::Type element);
mlir::RankedTensorType withElement(mlir::RankedTensorType type, mlir::Type element);
Dim numElements(mlir::Type tensor);
/// Bytes of one element in memory, of a tensor's type or an element's; booleans take one.
int64_t elementBytes(mlir::Type type);
Dim product(mlir::MLIRContext *ctx, llvm::ArrayRef<Dim> dims);
DimsAttr dimsAttr(mlir::MLIRContext *ctx, llvm::ArrayRef<Dim> dims);
DimsAttr dimsAttr(mlir::MLIRContext *ctx, llvm::ArrayRef<int64_t> dims);

/// Contents of an integer tensor that is known once input shapes are: an `nn.constant` of `dense` integers (at most
/// 4096 of them) or `#nn.dims`. Scalars give one entry.
std::optional<llvm::SmallVector<Dim>> constantDims(mlir::Value value);
std::optional<llvm::SmallVector<Dim>> constantDims(mlir::Attribute value, mlir::Type type);

} // namespace tenon::nn
