// Sums of the lanes of several vectors at once.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// A vector whose lane i is the sum of all lanes of vectors[i]; further lanes, up to a power of two, are 0. Pairs of vectors are halved and
/// joined, so that n vectors take about 3 n instructions instead of the 8 n of sums one by one. A single vector gives a vector of one lane.
/// The vectors have the same power of two of lanes, at least as many as there are vectors.
mlir::Value laneSums(KernelBuilder &b, mlir::ValueRange vectors);

} // namespace tenon::cpu
