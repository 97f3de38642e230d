// Sums of products of bytes where no instruction multiplies fours of them: pairs of 16-bit integers, whose products the lanes of i32 add.
//
// Activations are widened once, where their rows or bands are copied, so that the inner loop is a multiply-add of pairs and a sum; vpmaddubsw, which takes
// bytes, saturates. The few channels of an image are 16-bit integers one behind the other, row by row, so that a row of a filter is one run of pairs whatever
// the number of channels; its weights are put in that order when they are widened. Other weights stay bytes in memory and are widened as they are loaded, once for all rows of a tile. Exact modulo 2^32, as DotBytes.h is.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// The contraction of a kernel as this target computes it: problems on bytes count in pairs, or split their weights (DotSplit.h), where the target has no
/// instruction for fours; problems on bf16 count in pairs where it has one for those (DotBfloat.h).
std::optional<ContractionProblem> problemOn(kernel::FuncOp func, const Target &target);
/// The same for a problem that counts in fours.
ContractionProblem inPairs(const ContractionProblem &fours);

/// Two equal bytes as 16-bit integers, as i32.
mlir::Value pairOf(KernelBuilder &b, int64_t byte);
/// Copies `count` fours of bytes without a sign as twice as many pairs.
void widenFours(KernelBuilder &b, const Tensor &fours, Index from, Index count, const Tensor &pairs, Index to);
/// Copies `count` pairs of signed bytes (as i16), a multiple of the lanes, as pairs: weights that many tiles read.
void widenPanel(KernelBuilder &b, const Tensor &bytes, Index from, Index count, const Tensor &pairs, Index to);
/// The same for weights of filters whose rows are joined: `columns` of a panel.
void joinPanel(KernelBuilder &b, const ContractionProblem &p, const Tensor &bytes, Index from, int64_t columns, const Tensor &pairs);
/// Lanes of two signed bytes (as i16) as pairs.
mlir::Value widenWeights(KernelBuilder &b, mlir::Value bytes);
/// Whether a register tile of rows x vectors accumulators leaves room for a step's weights, one activation and a product.
bool pairsFitRegisters(const Target &target, int64_t rows, int64_t vectors);

} // namespace tenon::cpu
