// What a schedule of the contraction family may choose, and what follows from it.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// How a tile reads the left operand.
enum class LhsMode {
  InPlace, // where it lies
  Packed,  // rows of a block are first copied, one behind the other: no cache conflicts between far rows, fused prologues
  Band,    // the part of the input under a block of outputs is first copied, with its padding: convolutions
};

/// Parameters of `#kernel.schedule<"contraction", {...}>`, in the names of their attributes.
struct ContractionSchedule {
  int64_t rows = 6;        // mr: rows of the register tile
  int64_t vectors = 2;     // nv: vectors of the register tile
  int64_t unroll = 2;      // ku: steps of the depth loop at once
  int64_t depthBlock = 0;  // kc: partial sums after so many k; 0: all at once
  int64_t blockTiles = 0;  // mt: row tiles of a block; 0: all
  bool rowsOuter = false;  // order: "ij" takes all panels of a row tile before the next tile, "ji" all tiles of a panel
  LhsMode lhs = LhsMode::InPlace; // a: "in_place", "packed", "band"
  bool prefetch = true;    // pf: next panel during this one
  int64_t rowTasks = 1;    // tm: shares of the blocks
  int64_t columnTasks = 1; // tn: shares of the panels
  // Blocks of two axes (convolutions): bh x bw outputs; 0: the whole axis; -1 (bh): blocks are runs of one merged row axis.
  int64_t boxHeight = -1, boxWidth = 0;
  bool amx = false;        // products in tile registers (TileRegisters.h): mr rows in up to four tiles, nv tiles of columns
  int64_t lines = 1;       // ln: amx: neighbouring lines of an image that share the columns, a tile of mr / ln rows in each
  bool flat = false;       // tiles run over the rows of a box as if they were one
  int64_t panels = 1;      // np: panels of split weights (DotSplit.h) whose sums a tile's epilogue takes together

  static ContractionSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
  bool boxed() const { return boxHeight >= 0; }
};

/// Sizes that both the emitter and the plan derive from a problem and its schedule.
struct ContractionLayout {
  int64_t lanes = 1;          // of a vector of the computation type
  int64_t panelColumns = 1;   // n of one panel, at most vectors * lanes
  std::optional<int64_t> panels; // of all groups; none if n is not known
  std::optional<int64_t> depth;
  llvm::SmallVector<RowGroup> groups; // of row axes
  int64_t packedPitch = 0;    // Packed: elements from one row of a block to the next
  // Byte offsets of the parts of a task's workspace.
  int64_t lhsBytes = 0, rhsOffset = 0, rhsBytes = 0, partialOffset = 0, partialBytes = 0, totalBytes = 0;
  int64_t sumsOffset = 0; // of what is moved from tile registers to vectors, or of sums of several panels
  int64_t partialStride = 0;  // elements of one row of partial sums
  bool rhsStaged = false;     // panels are packed into the workspace before use
  bool rhsWidened = false;    // panels of bytes are widened to pairs there
  llvm::SmallVector<int64_t> bandSizes; // Band: the largest extents of the copy, by axis of lhs; channels with what keeps pixels apart
  llvm::SmallVector<int64_t> bandTaps;  // Band: positions of the copy from one tap to the next, by axis; taps that are far apart move together
  nn::Dim blocks;             // blocks of all rows

  ContractionLayout(const ContractionProblem &p, const ContractionSchedule &s, const Target &target);
};

/// Elements from one row of `depth` elements to the next in a copy of rows that a register tile reads together: whole lines, and rows whose lines do
/// not meet in a few sets of the first-level cache.
int64_t rowPitch(int64_t depth, int64_t elementBytes);

/// Why `s` cannot compute `p`, or an empty string.
std::string validate(const ContractionProblem &p, const ContractionSchedule &s, const Target &target);

/// The layout of panels [depth blocks][panels][taps][depth][columns], if this right operand can be packed at compile time.
kernel::PackingAttr packingOf(const ContractionProblem &p, const ContractionSchedule &s, const Target &target);

/// Candidates, the cost model's choice first; `most` of them at most.
void listSchedules(const ContractionProblem &p, const Target &target, llvm::SmallVectorImpl<ContractionSchedule> &out,
                   size_t most = std::numeric_limits<size_t>::max());

/// Cycles of the whole product on one core, operands in the caches, with the register tile that the cost model prefers.
double contractionCycles(const ContractionProblem &p, const Target &target);

} // namespace tenon::cpu
