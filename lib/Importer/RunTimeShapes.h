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
void reduceComputedAxes(Node &node, nn::ReduceKind kind);
void cumulativeComputedAxis(Node &node, bool product);
/// Low and high pads of every axis (those of axes that input 3 does not list are 0); the result's sizes are symbols.
std::optional<llvm::SmallVector<nn::Dim>> computedPads(Node &node);
/// Low pads, then high ones, that put the input at `low` (a vector, negative where it is cropped) of a result of the sizes `result`.
llvm::SmallVector<nn::Dim> padsTo(Node &node, mlir::Value low, mlir::Value result);

} // namespace tenon::importer
