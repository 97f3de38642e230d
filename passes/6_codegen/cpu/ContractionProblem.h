// nn.matmul and channels-last nn.conv seen as one problem:
//   result[row..., n] = bias[n] + sum over taps and k of lhs[position(row, tap), k] * rhs[tap, k, n]
// The rows are all axes of the result but the last; a matmul has no taps, a convolution has its filter's positions.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"

namespace tenon::cpu {

/// How the position along one axis of the left operand follows from a row and a tap:
/// position = rowScale * row[rowAxis] + tapScale * tap[tapAxis] + shift; axes with neither stay at `shift`.
struct LhsAxis {
  int rowAxis = -1;
  int64_t rowScale = 1;
  int tapAxis = -1;
  int64_t tapScale = 1;
  int64_t shift = 0;
};

/// Neighbouring row axes [first, last] that are walked as one: the index is that of the last axis which is not of size 1,
/// the carrier, run past its end.
struct RowGroup {
  int first = 0, last = 0, carrier = 0;
  nn::Dim extent;
};

struct ContractionProblem {
  mlir::Operation *anchor = nullptr;
  mlir::Value result, lhs, rhs, bias; // bias may be null; it has one element for each n
  llvm::SmallVector<nn::Dim> extents; // of the result: rows, then n
  llvm::SmallVector<LhsAxis> lhsAxes; // the channel axis included, as a constant
  int lhsChannel = 0;                 // the axis of lhs that k walks
  llvm::SmallVector<int64_t> taps;    // sizes of the filter; empty for a matmul
  bool padded = false;                // some taps may read outside of lhs
  int64_t groups = 1;
  int64_t dot = 1;                    // k of one lane: 4 for bytes, whose problem counts in such fours along lhs's channels and k, or 2 (DotPairs.h, DotBfloat.h)
  bool bfloat = false;                // factors are pairs of bf16, multiplied as they lie in memory (DotBfloat.h)
  bool woven = false;                 // few channels, which are woven to fours or pairs where the input is copied
  int64_t joined = 0;                 // taps along a row of pixels that the depth takes: woven pairs of a row follow on one another (DotPairs.h); else 0
  int64_t outside = 0;                // the byte that padding reads
  bool split = false;                 // fours of bytes whose weights are split (DotSplit.h)
  nn::Dim depth;                      // k of one group, in steps of `dot`
  nn::Dim columns;                    // n of all groups
  int rhsDepth = 0, rhsColumn = 1;    // axes of rhs
  int rhsTap = 0;                     // the axis of rhs for tap axis 0; others follow
  llvm::SmallVector<int> rhsRows;     // for each row axis the axis of rhs that follows it, or -1

  /// The single contraction of a kernel; none if there is none, more than one, or its form is not computed here
  /// (channels-first and depthwise convolutions).
  static std::optional<ContractionProblem> of(kernel::FuncOp func);

  int rowAxes() const { return extents.size() - 1; }
  int64_t tapCount() const;
  /// Whether tiles leave out the taps along an axis of lhs that read only padding: where taps are far apart, many do.
  bool skipsTaps(const LhsAxis &axis) const;
  /// The part of all multiplications that remains.
  double liveShare() const;
  mlir::Type computeElement() const;
  /// n of one group, where it is a constant.
  std::optional<int64_t> groupColumns() const;

  /// The packed argument and its layout, if rhs comes from kernel.unpack.
  kernel::UnpackOp unpacked() const;
  /// The argument that rhs is, directly: it can be packed if it is constant.
  mlir::BlockArgument rhsArgument() const;
  bool rhsConstant() const;

  nn::Dim lhsChannels() const;        // in steps of `dot`
  /// Whether lhs can be read where it lies: a strided argument in its computation type (or fours of bytes, pairs of bf16), no padding.
  bool lhsReadable() const;
  /// Whether rhs can be read as it lies, in vectors along n.
  bool rhsReadable() const;
  /// Whether bytes are widened to pairs of 16 bits before they are multiplied.
  bool widens() const { return dot == 2 && !bfloat; }
  /// Row axes merged as far as the epilogue's operands, the results and (where it is read in place) lhs allow.
  llvm::SmallVector<RowGroup> rowGroups(bool lhsInPlace) const;
  /// Elements that lhs moves for one step along a row axis, given the strides of its axes.
  nn::Dim lhsRowStride(llvm::ArrayRef<nn::Dim> strides, int rowAxis) const;
  /// The residual that the kernel's only result may overwrite, or -1: an operand of the epilogue with the result's type, which
  /// nothing else reads; its elements are read just before the result's are written there.
  int64_t overwritten() const;
  /// `dim` where it is constant, else what cost models assume: 1 for symbols of the first axis, 64 for others.
  int64_t typical(nn::Dim dim) const;
};

} // namespace tenon::cpu
