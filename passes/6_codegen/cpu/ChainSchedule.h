// What a schedule of a depthwise chain may choose, where a task keeps its rows, and whether a chain pays.
#pragma once
#include "passes/6_codegen/cpu/ChainProblem.h"

namespace tenon::cpu {

/// Parameters of `#kernel.schedule<"depthwise_chain", {...}>`, in the names of their attributes.
struct ChainSchedule {
  /// Of the register tiles along a row of pixels.
  struct Tile {
    int64_t rows = 6, vectors = 2;
    bool operator==(const Tile &) const = default;
  };
  Tile expand;        // emr, env
  Tile project;       // pmr, pnv
  int64_t pixels = 4; // of one step of the depthwise convolution
  int64_t tasks = 1;  // shares of the rows of the result, at most

  static ChainSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
  std::string validate() const; // why it cannot be emitted, or an empty string
};

/// A task's workspace: the last rows of the expanded image, each at its number modulo `ring`, and a row of the depthwise convolution.
struct ChainLayout {
  int64_t ring = 0, ringBytes = 0, filteredOffset = 0, totalBytes = 0;
  explicit ChainLayout(const ChainProblem &p);
};

/// The packed filter of a 1x1 convolution: [panel][depth][columns of a panel].
kernel::PackingAttr panelPacking(nn::ConvOp pointwise, int64_t vectors, const Target &target);

/// Candidates, the cost model's choice first.
void listSchedules(const ChainProblem &p, const Target &target, llvm::SmallVectorImpl<ChainSchedule> &out);

/// Cycles of one core.
struct ChainGain {
  double separate = 0; // of two or three kernels
  double won = 0;      // where they are one; negative where that loses
};
ChainGain chainGain(const ChainProblem &p, const Target &target);

} // namespace tenon::cpu
