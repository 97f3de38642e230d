// Sums of products of bytes: unsigned activations times signed weights, four k of one row and one column in a lane of 32 bits.
//
// Memory of bytes whose last axis k walks is read as 32-bit elements of four k, so that the contraction family's loops, boxes and tiles serve bytes
// as they are; only the multiply-add differs. Every form is exact modulo 2^32, so that all targets give the same sums:
// vpdpbusd (AVX-512 VNNI, AVX-VNNI) and usdot (AArch64 i8mm) take four k at once; other targets take pairs (DotPairs.h).
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

bool isBytes(mlir::Value tensor);
/// Whether an instruction adds the products of four bytes.
bool multipliesFours(const Target &target);

/// Makes `p`, a problem on bytes, count in fours; a constant pad above its input becomes part of it. False where it cannot be computed that way:
/// other signs, k that is no multiple of 4, groups, strides that fours do not divide.
bool countInFours(ContractionProblem &p);

/// Whether the weights are a matrix or filters of known size, whose k lies next to one another in the left operand.
bool hasPlainWeights(const ContractionProblem &p);
/// Whether the left operand is an argument whose last axis k walks, and `count` elements divide where everything else along it begins.
bool liesInUnits(const ContractionProblem &p, int64_t count);

/// The memory of narrow elements as one of integers of `count` of them, which divides offset and strides.
Tensor inUnits(KernelBuilder &b, Tensor narrow, int64_t count);
/// The same memory in elements of four bytes; strides and offset must be multiples of 4, except along the last axis.
Tensor inFours(KernelBuilder &b, Tensor bytes);
/// Four equal bytes, as i32.
mlir::Value fourOf(KernelBuilder &b, int64_t byte);

/// acc + sum over four k of x * w, in lanes of i32; `w` is laid out as dotPacking has it.
mlir::Value emitDot(KernelBuilder &b, mlir::Value x, mlir::Value w, mlir::Value acc);
/// acc + the sum of both products of each pair of 16-bit integers, in lanes of i32 that hold the pairs.
mlir::Value emitPairs(KernelBuilder &b, mlir::Value x, mlir::Value w, mlir::Value acc);
/// `sums` (none: 0) + the sums of both products of each pair of bytes, in lanes of 16 bits that hold them (DotSplit.h): vpmaddubsw.
mlir::Value emitFoursIn16(KernelBuilder &b, mlir::Value x, mlir::Value w, mlir::Value sums);
/// acc + what emitFoursIn16 added up, in lanes of i32.
mlir::Value emitSumOf16(KernelBuilder &b, mlir::Value sums, mlir::Value acc);
/// Whether a register tile of rows x vectors accumulators leaves room for what one step reads.
bool dotFitsRegisters(const Target &target, int64_t rows, int64_t vectors);

/// Panels [panel][taps][k / dot][columns][dot].
kernel::PackingAttr dotPacking(const ContractionProblem &p, int64_t panels, int64_t width);

} // namespace tenon::cpu
