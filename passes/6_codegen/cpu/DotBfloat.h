// Sums of products of bf16: two k of one row and one column in a lane of 32 bits, added up in f32.
//
// Memory of bf16 whose last axis k walks is read as 32-bit elements of two k, as bytes are in fours (DotBytes.h), so that the contraction family's loops,
// boxes, packed panels and tile registers serve both. The multiply-add is vdpbf16ps (AVX512-BF16), bfdot (AArch64's bf16) or tdpbf16ps (AMX-BF16), which
// take subnormals as 0 and round each sum once or twice: results of one target differ from another's by that. Such pairs pass through registers as f32 that
// nothing is computed with.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Makes `p`, a problem on bf16, count in pairs. False where it cannot be computed that way: an odd k of more than a few channels, groups, strides that pairs
/// do not divide.
bool countInBfloatPairs(ContractionProblem &p);

/// Whether tile registers hold the factors of `p`.
bool multipliesTiles(const ContractionProblem &p, const Target &target);

/// Whether a scheduled kernel multiplies bf16 in tile registers.
bool usesTilesOfBf16(kernel::FuncOp func);

/// The memory of bytes or bf16 whose last axis k walks in elements of `p.dot` k; offset and other strides must be multiples of that.
Tensor inLanes(KernelBuilder &b, const ContractionProblem &p, const Tensor &memory);

/// acc + both products of each pair, in lanes of f32; `w` is laid out as dotPacking has it.
mlir::Value emitBfloatPairs(KernelBuilder &b, mlir::Value x, mlir::Value w, mlir::Value acc);

} // namespace tenon::cpu
