// What the result type inference of the ops shares. Private to the dialect.
//
// Inference takes attributes and types as a file may hold them: every function here checks, reports at the location (none:
// silently) and never asserts.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::nn {

using Where = std::optional<mlir::Location>;
using Types = llvm::SmallVectorImpl<mlir::Type>;

/// Reports an error, as in `return refuse(where, "expected ", n, " pads")`.
template <typename... T> mlir::LogicalResult refuse(Where where, const T &...text) {
  std::string message;
  llvm::raw_string_ostream os(message);
  ((os << text), ...);
  return mlir::emitOptionalError(where, message);
}

/// "[3, h, 4]" for messages.
std::string text(llvm::ArrayRef<Dim> dims);
std::string text(llvm::ArrayRef<int64_t> values);

int64_t rankOf(mlir::Value tensor);
mlir::Type elementOf(mlir::Value tensor);

/// Appends tensor<dims x element>; an error where a size is negative or overflowed.
mlir::LogicalResult giveTensor(Where where, llvm::ArrayRef<Dim> dims, mlir::Type element, Types &types);

/// Numpy broadcasting aligned at the last axis, with expressions: equal sizes and size 1 as usual, a constant beats an
/// expression, two different expressions give their max (one of them is 1 at run time, or they are equal).
mlir::FailureOr<llvm::SmallVector<Dim>> broadcast(Where where, llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);

/// Whether the two sizes cannot be equal, whatever the symbols are.
bool provedDifferent(Dim a, Dim b);
/// The same of sizes that the op needs to be equal: where they may be, that is a condition (SizeConditions.h).
bool mustDiffer(Dim found, Dim expected);
/// An error unless `found` may equal `expected`; `what` names the size.
mlir::LogicalResult checkSize(Where where, llvm::StringRef what, Dim found, Dim expected);
mlir::LogicalResult checkRank(Where where, llvm::StringRef what, mlir::Value tensor, int64_t expected);
mlir::LogicalResult checkRankAtLeast(Where where, llvm::StringRef what, mlir::Value tensor, int64_t least);
mlir::LogicalResult checkAxis(Where where, int64_t axis, int64_t rank);
mlir::LogicalResult checkCount(Where where, llvm::StringRef what, size_t found, size_t expected, llvm::StringRef of);
/// An error unless every value is at least `least`.
mlir::LogicalResult checkAtLeast(Where where, llvm::StringRef what, llvm::ArrayRef<int64_t> values, int64_t least);
/// A tensor of rank 1 with `size` elements of type `element`.
mlir::LogicalResult checkVector(Where where, llvm::StringRef what, mlir::Value tensor, Dim size, mlir::Type element);
/// A bias of sums, one for each of `size` columns: of `element`, or of f32 where that is a half type, whose sums are f32.
mlir::LogicalResult checkBias(Where where, mlir::Value bias, Dim size, mlir::Type element);
mlir::LogicalResult checkSameElements(Where where, mlir::Value a, mlir::Value b);
/// The element type of sums of products: that of both operands, or i32 where both hold integers of 8 bits, each signed or not. Null after an error.
mlir::Type sumElement(Where where, mlir::Value a, mlir::Value b);
/// An error unless `tensor` (null: nothing to check) may have the shape and has the elements.
mlir::LogicalResult checkShape(Where where, llvm::StringRef what, mlir::Value tensor, llvm::ArrayRef<Dim> expected, mlir::Type element);
mlir::LogicalResult checkIndices(Where where, mlir::Value indices);
/// Floating point, or quantized.
mlir::LogicalResult checkFloat(Where where, mlir::Value tensor);
bool isFloatLike(mlir::Type element);

/// The axes [first, last) that nn.shape reads: negative bounds count from the end, then both are clamped to the rank.
std::pair<int64_t, int64_t> shapeRange(int64_t rank, int64_t start, std::optional<int64_t> end);

} // namespace tenon::nn
