// What a schedule of the Winograd family may choose, and what follows from it.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Parameters of `#kernel.schedule<"winograd", {...}>`, in the names of their attributes.
struct WinogradSchedule {
  int64_t m = 4;           // m: outputs of a tile along each axis, 2 or 4
  int64_t rows = 6;        // mr: tiles of the register tile
  int64_t vectors = 2;     // nv: vectors of the register tile
  int64_t unroll = 4;      // ku: steps of the depth loop at once
  int64_t tiles = 24;      // tb: tiles of a block, transformed and multiplied together
  int64_t panels = 4;      // pb: panels between output transforms
  int64_t tileTasks = 1;   // tm: shares of the blocks
  int64_t columnTasks = 1; // tn: shares of the columns; each transforms the input again
  bool prefetch = true;    // pf: next panel during this one

  static WinogradSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
};

/// The tiles of m x m outputs that an image is cut into. A dilation d makes d x d images of it, of the pixels whose positions have the same remainder
/// by d: its phases.
struct WinogradTiles {
  int64_t dilationDown, dilationAcross;
  nn::Dim runDown, runAcross;          // tiles along an axis that have one phase of the dilation
  nn::Dim tilesDown, tilesAcross, tiles;

  WinogradTiles(const ContractionProblem &p, int64_t m);
};

/// Sizes that both the emitter and the plan derive from a problem and its schedule. Elements are f32.
struct WinogradLayout : WinogradTiles {
  int64_t edge, points;                // m + 2, and its square
  int64_t lanes, panelColumns;
  int64_t depth, paddedDepth;          // input channels; whole vectors of them
  int64_t columns, panels;             // output channels; all panels
  int64_t blockColumns, columnBlocks;  // columns between output transforms
  int64_t inputPlane, outputPlane;     // elements of one point's plane: tiles x paddedDepth, tiles x blockColumns, and a cache line
  int64_t outputOffset, patchOffset, totalBytes; // parts of a task's workspace, in bytes; the transformed input is at 0
  nn::Dim blocks;

  WinogradLayout(const ContractionProblem &p, const WinogradSchedule &s, const Target &target);
};

/// Whether it is a 3x3 convolution of stride 1, of one group.
bool isWinogradShape(const ContractionProblem &p);
/// The problem, if it is such a convolution of f32 with constant weights.
std::optional<ContractionProblem> winogradProblem(kernel::FuncOp func);
/// Why `s` cannot compute `p`, or an empty string.
std::string validate(const ContractionProblem &p, const WinogradSchedule &s);
/// [column block][point][panel][depth][column] of the transformed filter.
kernel::PackingAttr packingOf(const ContractionProblem &p, const WinogradSchedule &s, const Target &target);

/// Schedules that the cost model expects to be clearly faster than the direct convolution, and whose error bound
/// (`kernel.winograd_errors`) is small enough; best first.
void listSchedules(const ContractionProblem &p, const Target &target, llvm::SmallVectorImpl<WinogradSchedule> &out);

} // namespace tenon::cpu
