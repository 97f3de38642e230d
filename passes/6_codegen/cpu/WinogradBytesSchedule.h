// What a schedule of the Winograd family for bytes may choose, and what follows from it.
#pragma once
#include "passes/6_codegen/cpu/WinogradSchedule.h"

namespace tenon::cpu {

/// Parameters of `#kernel.schedule<"winograd_bytes", {...}>`: those of "winograd".
struct WinogradBytesSchedule : WinogradSchedule {
  static WinogradBytesSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
};

/// Sizes that both the emitter and the plan derive from a problem and its schedule. Transformed inputs are i16, of which products take two at a time;
/// transformed outputs are i32.
struct WinogradBytesLayout : WinogradTiles {
  int64_t stride;                     // of the convolution, 1 or 2
  int64_t edge, points;               // points along an axis that become outputs, m + 2 or 5, and their square
  int64_t inputEdge, inputPoints;     // inputs of a tile along an axis, and the points that they become: m + 2 or 9; their square
  int64_t filterEdge, filterPoints;   // points that a filter becomes along an axis, m + 2 or 6; their square
  int64_t lanes, channelLanes;        // of i32, of i16
  int64_t panelColumns;
  int64_t depth, pairs, paddedDepth;  // input channels; pairs of them; whole vectors of them
  int64_t columns, panels;            // output channels; all panels
  int64_t blockColumns, columnBlocks; // columns between output transforms
  // Elements of one point's plane, and a cache line: tiles x paddedDepth, tiles x blockColumns, pairs x panelColumns of i16 pairs.
  int64_t inputPlane, outputPlane, filterPlane;
  int64_t filterRows;                 // of a filter's points that are held at once: 1, or with stride 2, where points share them, all
  int64_t outputOffset, filterOffset, patchOffset, totalBytes; // parts of a task's workspace, in bytes; the transformed input is at 0
  nn::Dim blocks;

  WinogradBytesLayout(const ContractionProblem &p, const WinogradBytesSchedule &s, const Target &target);
};

/// The problem, if it is a 3x3 convolution of bytes, of stride 1 or 2, with constant weights and a multiple of four input channels.
std::optional<ContractionProblem> winogradBytesProblem(kernel::FuncOp func);
/// Of rows and columns; 0 if it is none that this family computes.
int64_t winogradStride(const ContractionProblem &p);
/// Whether sums of these bytes come out exactly from tiles of m x m outputs, whatever the input.
bool isExact(const ContractionProblem &p, int64_t m);
/// Why `s` cannot compute `p`, or an empty string.
std::string validate(const ContractionProblem &p, const WinogradBytesSchedule &s);
/// [panel][pair of depth][tap][column][2]: filters stay bytes in the plan, and tasks transform those of a panel before they multiply.
kernel::PackingAttr packingOf(const ContractionProblem &p, const WinogradBytesSchedule &s, const Target &target);

/// Schedules that the cost model expects to be faster than the direct convolution and that are exact; best first.
void listSchedules(const ContractionProblem &p, const Target &target, llvm::SmallVectorImpl<WinogradBytesSchedule> &out);

} // namespace tenon::cpu
