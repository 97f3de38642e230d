// Products of bytes in fours by vpmaddubsw, which adds two products to 16 bits and saturates: exact, as nothing that could saturate is multiplied that way.
//
// Activations lie between 0 and the largest one at their k among the rows that a task computes: that is measured first, once for all panels. With it each
// panel's vectors of weights (fours of k) are sorted into lists, before the tiles of a block read them:
// - four or two neighbours whose products all add up within 16 bits: only their sum goes on to 32 bits. Nine or five instructions take 128 or 64 products.
// - single ones whose pairs of products fit 16 bits: three instructions take 32 products;
// - those that fit in no case: as the sum of two vectors of at most 64 each, which are multiplied one after the other.
// Few activations come near the end of their range, and fewer at one k: of the weights of trained networks most are in fours. Pairs (DotPairs.h) take four
// instructions for 32 products, and one for the weights.
#pragma once
#include "passes/6_codegen/cpu/ContractionTile.h"
#include <array>

namespace tenon::cpu {

struct ContractionProblem;

/// Whether a target gains by it: processors with one pipe that multiplies integers do not.
bool splitsFours(const Target &target);
/// Whether `p`, a problem in fours, does: its weights are marked with how many in a hundred vectors are two where nothing is known of activations
/// (schedule::markSplitFours).
bool isSplit(const ContractionProblem &p, const Target &target);
constexpr llvm::StringLiteral kSplitShareAttr = "kernel.split_share";

/// What a product with taps reads: the fours of every tap, tap by tap.
struct SplitOperand {
  int64_t fours;                  // of one tap
  llvm::SmallVector<int64_t> taps;
  llvm::SmallVector<Index> steps; // of the left operand, in fours, along each axis of taps and from four to four
  Index depth;

  int64_t tapCount() const;
  /// Where a tap begins, counted from the first one.
  Index tapAt(KernelBuilder &b, Index tap) const;
};

/// The lists of one panel, in a task's workspace.
struct SplitPanel {
  static constexpr int64_t kUnroll = 2;                        // single vectors at once: their number is a multiple
  static constexpr std::array<int64_t, 2> kTogether = {4, 2};  // vectors whose products are added in 16 bits
  struct List {
    Tensor places;  // of the first vector of each group
    Tensor offsets; // of the left operand's fours that it is multiplied with
    Tensor length;  // one number

    Index count(KernelBuilder &b) const;
  };
  Tensor largest;                           // activation at each k, in fours
  std::array<List, kTogether.size()> groups;
  List rest;                                // fours that are in no group
  Tensor weights;                           // single vectors, parts included
  List singles;                             // their offsets
  Tensor packed;                            // the panel that groups read, from `first` on
  Index first;
  int64_t size = 0;                         // of what one panel has for itself, in numbers

  /// What `panels` panels take together.
  static int64_t bytes(int64_t fours, int64_t lanes, int64_t panels);
  /// At `offset` of the workspace; `fours` of all taps together.
  static SplitPanel at(KernelBuilder &b, int64_t offset, int64_t fours, int64_t lanes);
  /// The lists behind those of as many panels, from `from` of packed weights on.
  SplitPanel behind(KernelBuilder &b, Index panels, const Tensor &weightsOfAll, Index from) const;
  /// Before activations are measured.
  void clear(KernelBuilder &b, int64_t fours);
  /// Takes the fours at `places` of `memory`, as many as one tap has, into account.
  void measure(KernelBuilder &b, const Tensor &memory, llvm::ArrayRef<Index> places, int64_t fours);
  /// After that: fills the lists.
  void fill(KernelBuilder &b, const SplitOperand &operand) const;

private:
  void fillSingles(KernelBuilder &b, const SplitOperand &operand) const;
};

bool splitFitsRegisters(const Target &target, int64_t rows, int64_t vectors);
/// emitTile with a panel's lists, over all taps: one vector of columns.
KernelBuilder::Values emitSplitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const SplitPanel &panel, const PrefetchStream &prefetch,
                                    mlir::ValueRange init);

} // namespace tenon::cpu
