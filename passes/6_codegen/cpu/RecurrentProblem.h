// The LSTM of a kernel, and the choices of its schedule.
#pragma once
#include "lib/Target/Target.h"
#include "passes/6_codegen/cpu/StoreView.h"

namespace tenon::cpu {

struct RecurrentProblem {
  nn::LSTMOp op;
  nn::Dim steps, batch;
  int64_t directions = 1, inputs = 0, hidden = 0;
  std::optional<StoreView> sequence, lastH, lastC; // none: not returned

  /// The single nn.lstm of a kernel in f32 whose operands are views of arguments and whose results are returned as they are or
  /// through transposes and reshapes; none otherwise.
  static std::optional<RecurrentProblem> of(kernel::FuncOp func);
  /// The packed argument behind an operand, or null.
  static kernel::UnpackOp unpacked(mlir::Value weight) { return weight.getDefiningOp<kernel::UnpackOp>(); }
};

/// `#kernel.schedule<"recurrent", {...}>`.
struct RecurrentSchedule {
  int64_t stepBlock = 16; // tb: steps whose input products are held at once
  int64_t unroll = 4;     // ku: of the recurrence's depth loop
  int64_t tasks = 1;      // at most

  static RecurrentSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
};

/// A weight [D, 4H, K] is read as panels [H / lanes][K][4 gates][lanes]. Sizes in elements of f32.
struct RecurrentLayout {
  static constexpr int64_t kGates = 4;

  int64_t lanes, panels, panel; // panel: columns, 4 * lanes
  bool packable;                // no panel crosses the border of a gate
  int64_t productOffset, stateOffset, stateStride, inputOffset = -1, recurrenceOffset = -1, total; // offsets of -1: packed at compile time
  nn::Dim units;

  RecurrentLayout(const RecurrentProblem &p, const RecurrentSchedule &s, const Target &target);
  kernel::PackingAttr packing(const RecurrentProblem &p, int64_t depth) const;
};

/// Whether `weight` is, or will be, packed at compile time.
bool packedAhead(mlir::Value weight, const RecurrentLayout &layout);

} // namespace tenon::cpu
