// Attention on matrix units: a warp computes 16 query rows of a head. Where there are few rows the warps of a block share out the keys of the same ones;
// where there are many, each has rows of its own, and the block brings keys and values to shared memory for all of them.
#pragma once
#include "passes/6_codegen/cpu/AttentionProblem.h"
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

struct AttentionTile {
  int64_t warps = 4;    // that share the keys of the same rows
  int64_t rowWarps = 1; // groups of them, with rows of their own
  int64_t slots = 0;    // for blocks of keys and values in shared memory, or of those of a warp; 0: operands go from memory to registers
  int64_t depth = 0;    // columns of a key, as shared memory has room for them: in steps of 32
  int64_t width = 0;    // and of a value, as far as one task computes them
  int64_t passes = 1;   // tasks that have the same rows and share out the columns of their values
  int64_t keys = 32;    // of a warp's step: as many as registers have room for

  static constexpr int64_t kRows = 16; // of a warp's step

  /// The tile of a schedule; none for one of rows.
  static std::optional<AttentionTile> of(kernel::ScheduleAttr schedule, const cpu::AttentionProblem &problem);
  /// With the columns of heads that are no multiple of 32 wide, or too wide for one task, and the keys that this leaves registers for.
  void setColumns(const cpu::AttentionProblem &problem);
  kernel::ScheduleAttr attr(mlir::MLIRContext *context) const;

  int64_t rows() const { return kRows * rowWarps; } // of a block
  int64_t groupThreads() const { return warps * 32; }
  int64_t threads() const { return groupThreads() * rowWarps; }
  /// Floats between rows of the sums in shared memory: padded against bank conflicts.
  int64_t pitch() const { return width + 4; }
  int64_t sumsBytes() const { return kRows * pitch() * 4; }
  /// A warp's sums, and the largest score and the sum of weights of each row.
  int64_t warpBytes() const { return sumsBytes() + kRows * 8; }
  int64_t groupBytes() const { return warps * warpBytes(); }
  int64_t blockKeys() const { return depth + width > kMostOfWideBlocks ? 32 : 64; } // of a slot
  int64_t keyBytes() const { return blockKeys() * depth * 2; }
  int64_t slotBytes() const { return keyBytes() + blockKeys() * width * 2; }
  /// Bytes between rows of the result in shared memory.
  int64_t resultPitch() const { return width * 2 + 16; }
  /// Whether warps that share keys copy them to shared memory, each those that are its one step.
  bool isOfShares() const { return slots && warps > 1; }
  int64_t shareBytes() const { return std::max(keys * (depth + width) * 2, warpBytes()); } // of a warp
  int64_t sharedBytes() const { return isOfShares() ? warps * shareBytes() : blockBytes(); }
  int64_t blockBytes() const { return slots ? std::max(slots * slotBytes(), rows() * resultPitch()) : groupBytes() * rowWarps; }
  /// Blocks of a multiprocessor that have to find registers.
  int64_t together() const;

private:
  static constexpr int64_t kMostOfWideBlocks = 256; // columns of a key and its value
};

/// The best first; none where matrix units cannot compute the attention: other types than f32, f16 and bf16, or heads of other than 8 to 256 columns.
llvm::SmallVector<AttentionTile> attentionTiles(const cpu::AttentionProblem &problem, const Target &target);
void emitAttentionTile(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile);
void emitAttentionShares(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile);
void emitAttentionStaged(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile);

} // namespace tenon::gpu
