// Sequences whose tensors only the run knows, as two ordinary tensors: their elements one behind the other, and a row of sizes for each of them.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// Columns of RunTimeSequence::shapes: the largest rank, TN_MAX_RANK.
constexpr int64_t kShapeColumns = 8;

struct RunTimeSequence {
  mlir::Value data;   ///< [elements of all]: numbers or strings
  mlir::Value shapes; ///< i64 [tensors, kShapeColumns]: sizes, then -1
  /// Sizes that all its tensors have, kDynamic where they differ or only the run knows; none: not even one rank.
  std::optional<llvm::SmallVector<int64_t>> dims;
};

/// What `sequenceValue` made; none of other values.
std::optional<RunTimeSequence> runTimeSequence(mlir::Value value);
/// The value that stands for it while the model is imported.
mlir::Value sequenceValue(Node &node, const RunTimeSequence &sequence);
/// A list of known tensors of type `element`. Reports tensors of more axes than there are columns.
RunTimeSequence runTimeSequenceOf(Node &node, llvm::ArrayRef<mlir::Value> tensors, mlir::Type element);
/// What sizes of two lists have in common.
std::optional<llvm::SmallVector<int64_t>> commonDims(const std::optional<llvm::SmallVector<int64_t>> &a, const std::optional<llvm::SmallVector<int64_t>> &b);
/// Sizes of a tensor, kDynamic where they are expressions.
llvm::SmallVector<int64_t> fixedDims(mlir::Value tensor);
/// The run fails where the two do not fit each other: for what an application passes.
void requireConsistent(Node &node, const RunTimeSequence &sequence);

// The operators, for a sequence that is the node's first input.
void sequenceAt(Node &node, RunTimeSequence sequence);
void sequenceInsert(Node &node, RunTimeSequence sequence);
void sequenceErase(Node &node, RunTimeSequence sequence);
void sequenceConcat(Node &node, RunTimeSequence sequence);
/// Parts of `part` slices along `axis`, the last one may be smaller.
void splitEvenly(Node &node, int64_t axis, nn::Dim part, bool keepsAxis);

} // namespace tenon::importer
