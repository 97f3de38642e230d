// What a schedule of the Strassen family may choose, and what follows from it.
//
// Quarters are not quarters of the matrices but of what a register tile computes: row r goes with row r + half of all rows, a panel of
// columns with its neighbour, and k with k + half of a depth block. The seven products of a tile then stay in the first-level cache, and the
// sums of a pair of panels, made when it is its turn, in the second: the weights in memory are no larger than they were.
//
//   C11 = A11 B11 + A12 B21
//   C21 = A11 B11 + S2 T2 + S3 T3 + A22 T4    S1 = A21 + A22   T1 = B12 - B11
//   C22 = A11 B11 + S2 T2 + S3 T3 + S1 T1     S2 = S1 - A11    T2 = B22 - T1
//   C12 = A11 B11 + S2 T2 + S1 T1 + S4 B22    S3 = A11 - A21   T3 = B22 - B12
//                                             S4 = A12 - S2    T4 = B21 - T2
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Parameters of `#kernel.schedule<"strassen", {...}>`, in the names of their attributes.
struct StrassenSchedule {
  int64_t rows = 6;        // mr: rows of the register tile, each with its partner
  int64_t vectors = 2;     // nv: vectors of the register tile
  int64_t depthBlock = 0;  // kc: k of the partial sums
  int64_t blockTiles = 1;  // mt: row tiles of a block, packed together
  int64_t rowTasks = 1;    // tm: shares of the blocks
  int64_t columnTasks = 1; // tn: shares of the panel pairs; each packs the rows again
  bool prefetch = true;    // pf: next pair of panels during this one

  static StrassenSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *ctx) const;
};

/// Sizes that both the emitter and the plan derive from a problem and its schedule. Elements are f32.
struct StrassenLayout {
  static constexpr int64_t kProducts = 7, kQuarters = 4, kSums = 4; // kSums of right operands
  static constexpr int64_t kStep = 8;      // divides half of a depth block

  int64_t lanes, panelColumns, unroll;   // unroll: steps of the products at once
  int64_t depth, halfDepth, depthBlocks; // halfDepth: of a block
  int64_t columns, pairs;                // panel pairs
  int64_t rows, pairRows;                // all rows, and half of them
  int64_t tiles, blocks;
  int64_t blockRows;                     // pairs of rows of the largest block
  int64_t packedPitch;                   // elements from one packed row to the next
  int64_t partialStride;                 // elements of a row of partial sums
  int64_t panelsOffset, productsOffset, partialOffset, totalBytes; // parts of a task's workspace, in bytes; the packed rows are at 0

  StrassenLayout(const ContractionProblem &p, const StrassenSchedule &s, const Target &target);
};

/// The problem, if it is a product of known size of f32 rows with constant f32 weights that this family can compute.
std::optional<ContractionProblem> strassenProblem(kernel::FuncOp func);
/// Why `s` cannot compute `p`, or an empty string.
std::string validate(const ContractionProblem &p, const StrassenSchedule &s, const Target &target);
/// [depth block][panel pair][half of the depth][panel][depth][column].
kernel::PackingAttr packingOf(const ContractionProblem &p, const StrassenSchedule &s, const Target &target);

/// Schedules that the cost model expects to be clearly faster than the plain product, and whose error bound (`kernel.strassen_error`)
/// is small enough; best first.
void listSchedules(const ContractionProblem &p, const Target &target, llvm::SmallVectorImpl<StrassenSchedule> &out);

} // namespace tenon::cpu
