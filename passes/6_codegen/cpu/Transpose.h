// Rearrangements of vectors in registers.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Whether `transposeSquare` knows squares of this size: powers of two up to 16.
bool canTranspose(int64_t lanes);
/// Element j of result i is element i of rows[j]; as many rows as lanes. log2(lanes) shuffles for each row.
llvm::SmallVector<mlir::Value> transposeSquare(KernelBuilder &b, mlir::ValueRange rows);

/// Element k of the results, taken as one sequence, is element k / n of planes[k mod n] (n planes).
llvm::SmallVector<mlir::Value> interleave(KernelBuilder &b, mlir::ValueRange planes);
/// The inverse: element k of plane p is element k * n + p of `sequence` (n vectors).
llvm::SmallVector<mlir::Value> deinterleave(KernelBuilder &b, mlir::ValueRange sequence);

} // namespace tenon::cpu
