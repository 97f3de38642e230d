// Copies of operands that a contraction makes in its workspace before it computes: padded bands, packed rows, packed panels.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/Elementwise.h"

namespace tenon::cpu {

/// A box of lhs positions. Along each axis it has one part or, where taps are far apart, one for each tap.
struct LhsBox {
  struct Axis {
    Index start;              // of the first part; may lie outside of lhs (padding)
    Index extent;             // of a part
    int64_t parts = 1;
    int64_t lhsStep = 0;      // positions of lhs from one part to the next
    int64_t bandStep = 0;     // the same in the copy
    Index whole(KernelBuilder &b) const { return b.add(extent, (parts - 1) * bandStep); } // of the copy
  };
  llvm::SmallVector<Axis> axes;
};

/// Copies a box of lhs to `band` (dense strides in the order of lhs's axes, channels last and maybe more than in lhs), zeros where it
/// lies outside.
/// The prologue above lhs is evaluated on the way.
void copyBand(KernelBuilder &b, const ContractionProblem &p, const LhsBox &box, const Tensor &band);

/// Copies k in [depthStart, depthStart + depth) of one row of lhs to `to` of `packed`. `row` is its position in lhs at k = 0.
void packRow(KernelBuilder &b, const ContractionProblem &p, const Tensor &packed, Index to, llvm::SmallVector<Index> row, Index depthStart, int64_t depth);

/// Packs columns [column, column + count) of rhs as [tap][k][width] at the start of `panel`; columns from `count` on are zero.
/// `rows` are the positions along the row axes (for a batched rhs).
void packPanel(KernelBuilder &b, const ContractionProblem &p, const Tensor &panel, llvm::ArrayRef<Index> rows, Index column,
               Index count, int64_t width);

} // namespace tenon::cpu
