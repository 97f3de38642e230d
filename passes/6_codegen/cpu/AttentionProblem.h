// The attention of a kernel, and the choices of its schedule.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"

namespace tenon::cpu {

struct AttentionProblem {
  nn::AttentionOp op;
  nn::Dim batch, heads, rows, keys;  // B, H, S, T
  int64_t depth = 0, width = 0;      // D of query and key, E of value and result
  nn::Dim headsPerKey;               // query heads that share a key head
  llvm::SmallVector<nn::Dim> stores; // strides of the kernel's result along the axes [B, H, S, E] of the attention's

  /// The single nn.attention of a kernel whose operands are views of arguments and whose result is returned as it is or
  /// through transposes and reshapes; none otherwise.
  static std::optional<AttentionProblem> of(kernel::FuncOp func);
};

/// `#kernel.schedule<"attention", {...}>`.
struct AttentionSchedule {
  int64_t rows = 6;      // mr: of a register tile
  int64_t vectors = 2;   // nv
  int64_t rowBlock = 0;  // sb: rows of one unit of work; 0: all
  int64_t keyBlock = 0;  // tb: keys whose scores are held at once; 0: all. Fewer than all: online softmax
  int64_t tasks = 1;     // at most

  static AttentionSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
};

/// Sizes of a task's workspace, in elements of f32.
struct AttentionLayout {
  int64_t lanes, panel;                     // a panel holds vectors * lanes columns
  int64_t keys, rows;                       // of one block
  int64_t keyPanels, valuePanels;
  int64_t keyOffset = 0, valueOffset, scoreOffset, scoreStride, stateOffset, stateStride, total; // a row of state: sums, maximum, output
  bool online;                              // more than one block of keys
  nn::Dim units;

  AttentionLayout(const AttentionProblem &p, const AttentionSchedule &s, const Target &target);
};

/// Why `s` cannot compute `p`, or an empty string.
std::string validate(const AttentionProblem &p, const AttentionSchedule &s);

} // namespace tenon::cpu
