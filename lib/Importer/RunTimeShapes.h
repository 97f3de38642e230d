// Operators whose shapes or axes are values that only the run knows. The arithmetic that ONNX describes becomes ops on small vectors, and their
// results symbols (Node::readSizes); from there on everything is as if the shape had been known.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

void reshapeAsComputed(Node &node);
void expandAsComputed(Node &node);
void sliceAsComputed(Node &node);
void squeezeComputedAxes(Node &node);
void unsqueezeComputedAxes(Node &node);
/// Axes may be none at run time, too: `keepsAll` says that nothing is reduced then, otherwise everything is.
void reduceComputedAxes(Node &node, nn::ReduceKind kind, bool keepsAll);
void cumulativeComputedAxis(Node &node, bool product);

/// Whether input i has rank 1 or 0; reported otherwise.
bool isVector(Node &node, size_t i);
/// The number of entries of input i, on which the rank of the result depends; `implied` is what else tells it.
std::optional<int64_t> entriesOf(Node &node, size_t i, std::optional<int64_t> implied = std::nullopt);
/// Result 0 is `value` in another shape; the run fails unless it has as many elements.
void reshapeTo(Node &node, mlir::Value value, llvm::ArrayRef<nn::Dim> dims);
/// The products of the sizes before, at and behind the axis of `dims` that input i, one number, names. A negative one counts from the end
/// of `rank` axes. The run fails where there is no such axis.
llvm::SmallVector<nn::Dim> splitAtAxis(Node &node, size_t i, llvm::ArrayRef<nn::Dim> dims, int64_t rank);
/// Low and high pads of every axis (those of axes that input 3 does not list are 0); the result's sizes are symbols.
std::optional<llvm::SmallVector<nn::Dim>> computedPads(Node &node);
/// Low pads, then high ones, that put the input at `low` (a vector, negative where it is cropped) of a result of the sizes `result`.
llvm::SmallVector<nn::Dim> padsTo(Node &node, mlir::Value low, mlir::Value result);

} // namespace tenon::importer
