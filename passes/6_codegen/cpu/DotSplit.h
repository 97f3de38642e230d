// Products of bytes in fours where vpmaddubsw adds two products to 16 bits and saturates: exact, as weights whose products could saturate are split.
//
// Two products of a byte without a sign and a signed one stay within 16 bits where the two weights, as far as they have the same sign, add up to 128 at most.
// Of trained weights nearly all do. A vector of weights that holds others is the sum of two vectors of at most 64 each, which are multiplied one after the
// other: panels become lists of vectors with the places of their fours, before the tiles of a block read them. Three instructions take 32 products, and one
// list entry in ten or five is a second part; pairs (DotPairs.h) take four instructions and one for the weights.
#pragma once
#include "passes/6_codegen/cpu/ContractionTile.h"

namespace tenon::cpu {

struct ContractionProblem;

/// Whether a target gains by it where few vectors are split: processors with one pipe that multiplies integers do not.
bool splitsFours(const Target &target);
/// Whether `p`, a problem in fours, does: its weights are marked with how many in a hundred vectors are split (schedule::markSplitFours).
bool isSplit(const ContractionProblem &p, const Target &target);
constexpr llvm::StringLiteral kSplitShareAttr = "kernel.split_share";

/// The list of one panel, in a task's workspace.
struct SplitPanel {
  static constexpr int64_t kUnroll = 2; // entries at once: their number is a multiple
  Tensor weights, places;
  Index count;

  static int64_t entries(int64_t fours) { return 2 * fours + kUnroll; } // at most
  static int64_t bytes(int64_t fours, int64_t lanes) { return entries(fours) * (lanes + 1) * 4; }
  /// At `offset` of the workspace.
  static SplitPanel at(KernelBuilder &b, int64_t offset, int64_t fours, int64_t lanes);
  /// Fills the list from `fours` vectors at `from` of packed weights.
  void fill(KernelBuilder &b, const Tensor &packed, Index from, int64_t fours);
};

bool splitFitsRegisters(const Target &target, int64_t rows, int64_t vectors);
/// emitTile with a panel's list: one vector of columns, no taps.
KernelBuilder::Values emitSplitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const SplitPanel &panel, const PrefetchStream &prefetch,
                                    mlir::ValueRange init);

} // namespace tenon::cpu
