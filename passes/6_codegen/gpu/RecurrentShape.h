// The recurrent layer of a kernel, and how blocks and threads share its units.
#pragma once
#include "passes/6_codegen/cpu/StoreView.h"
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

struct RecurrentProblem {
  nn::RecurrenceOp op;
  nn::Dim steps, batch;
  nn::Cell cell = nn::Cell::RNN;
  int64_t directions = 1, gates = 1, hidden = 0;
  /// The reset gate scales the state before the product of the hidden gate, which therefore is one of its own.
  bool resetsFirst = false;
  std::optional<cpu::StoreView> sequence, lastH, lastC; // none: not returned

  /// The single nn.recurrence of a kernel in f32 whose operands are views of arguments and whose results are returned as they are or through
  /// transposes and reshapes; none otherwise.
  static std::optional<RecurrentProblem> of(kernel::FuncOp func);
  bool hasCell() const { return cell == nn::Cell::LSTM; }
};

/// `#kernel.schedule<"gpu.recurrent", {...}>`. A cluster computes all steps of one direction and a few elements of the batch; each of its blocks has
/// some of the units. Threads of a block: eight neighbouring units by four slices of the depth a warp.
struct RecurrentShape {
  static constexpr int64_t kUnits = 8, kSlices = 4, kDepth = 4; // of a warp; the depth that a thread reads at once
  static constexpr int64_t kBarriers = 3;                       // of states by turns, of resets
  int64_t cluster = 1, elements = 1;
  int64_t units = 0, atOnce = 0; // of a block, padded; of these computed at the same time
  int64_t slices = 0;            // of the depth, of a block
  int64_t chunks = 0;            // of kDepth, of a thread
  int64_t resident = 0;          // of these chunks: weights stay in registers from step to step

  static RecurrentShape of(const RecurrentProblem &p, kernel::ScheduleAttr attr, const Target &target);
  /// The cost model's choice first.
  static void candidates(const RecurrentProblem &p, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out);

  int64_t threads() const { return atOnce * slices; }
  int64_t depth() const { return chunks * slices * kDepth; } // padded
  int64_t sums() const { return slices / kSlices; }          // of a gate and a unit, one from each warp
  /// Sums of warps of two steps by turns where a step of a cluster has one bar.sync: what reads them is then ordered before what writes them two
  /// steps later.
  int64_t sumTurns(const RecurrentProblem &p) const { return cluster > 1 && !p.resetsFirst ? 2 : 1; }
  int64_t sumsOfTurn(const RecurrentProblem &p) const { return elements * sums() * p.gates * units; }
  // Offsets in shared memory, in elements of f32: two states by turns, what a reset leaves of one, the sums of warps, and barriers that count what
  // the blocks of a cluster send of either state, and of what a reset leaves.
  int64_t resetAt() const { return 2 * elements * depth(); }
  int64_t sumsAt(const RecurrentProblem &p) const { return resetAt() + (p.resetsFirst ? elements * depth() : 0); }
  int64_t barriersAt(const RecurrentProblem &p) const { return sumsAt(p) + sumTurns(p) * sumsOfTurn(p); } // even: units are
  int64_t sharedBytes(const RecurrentProblem &p) const { return 4 * (barriersAt(p) + (cluster > 1 ? 2 * kBarriers : 0)); }
  nn::Dim tasks(const RecurrentProblem &p) const { return (p.batch + (elements - 1)).floorDiv(elements) * (p.directions * cluster); }
};

} // namespace tenon::gpu
