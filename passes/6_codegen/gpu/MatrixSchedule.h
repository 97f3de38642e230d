// How the matrix family tiles a contraction.
#pragma once
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// A block computes tileRows x tileColumns of the result with warpRows x warpColumns x warpDepth warps, kStep deep at a time, `stages` of which lie
/// in shared memory. warpDepth warps share the depth of a step, which shortens the chain of products that each waits for. `splits` blocks, a cluster,
/// share the depth of one tile and add up what they have.
///
/// `direct`: nothing is staged. Every warp computes the whole tile over its part of the depth, from fragments that it loads from global memory into
/// registers, `stages` steps of kDirectStep ahead; no warp waits for another before the sums are added up. For small tiles, where barriers cost
/// more than reading operands again.
///
/// `pipeline`: of groups whose columns are a whole tile's, besides which four more warps copy, and whose blocks stay for many tiles
/// (MatrixPipeline.h).
///
/// `tma`: of groups of one or more times 64 rows whose columns are a whole tile's, besides which one warp has tiles of the left operand copied
/// through a tensor map, and whose blocks stay for many tiles (MatrixTma.h). Of two `splits` each block of the cluster finishes the rows of one
/// group.
///
/// `resident`: of `teams` groups with tiles of their own, whose blocks stay for many tiles and keep all weights (MatrixResident.h). `tileWidth`:
/// pixels of the result along a row of the image, of a tile that windows read; 0 where there are no windows. `resident` and `tma`: one thread has
/// each tile copied through tensor maps.
///
/// `groups`: four warps, a group, multiply 64 rows by its columns with one instruction (wgmma, sm_90a) that reads both operands from the stage.
///
/// The depth is counted in halves; of bytes two count as one.
struct MatrixSchedule {
  int64_t tileRows = 64, tileColumns = 64;
  int64_t warpRows = 2, warpColumns = 2, warpDepth = 1;
  int64_t stages = 4;
  int64_t splits = 1;
  bool direct = false;
  bool groups = false;
  int64_t round = 1; // stages between two barriers
  bool pipeline = false;
  int64_t together = 1; // blocks of a multiprocessor, where they stay
  bool resident = false;
  int64_t teams = 1, tileWidth = 0;
  bool tma = false;

  static constexpr int64_t kStep = 64;       // 128 bytes of a row: a swizzle of eight 16-byte chunks
  static constexpr int64_t kChunk = 8;       // elements of a 16-byte chunk
  static constexpr int64_t kDirectStep = 32; // a chunk for each of the four threads that share a row of a fragment
  static constexpr int64_t kGroupRows = 64;  // of a group of four warps
  static constexpr int64_t kCopyThreads = 128;

  bool operator==(const MatrixSchedule &) const = default;
  static MatrixSchedule of(kernel::ScheduleAttr attr);
  kernel::ScheduleAttr attr(mlir::MLIRContext *context) const;

  int64_t sumsOfThread() const { return tileRows * tileColumns / (warpRows * warpColumns * 32); } // of groups
  int64_t multiplyThreads() const { return warpRows * warpColumns * warpDepth * teams * 32; }
  int64_t threads() const { return multiplyThreads() + (tma ? 32 : pipeline || resident ? kCopyThreads : 0); }
  int64_t groupsDown() const { return warpRows / 4; } // of a tile
  int64_t stageBytes() const { return (tileRows + tileColumns) * kStep * 2; }
  /// The tile of sums that the epilogue reads, in floats a row: padded against bank conflicts.
  int64_t sumsPitch() const { return tileColumns + 8; }
  int64_t sumsBytes() const { return tileRows * sumsPitch() * 4; }
  /// Where a block of a cluster finds what the others have of its rows: no stage lies there, which blocks may still read when the first ones are done.
  int64_t receivedAt() const { return std::max(direct ? 0 : stages * stageBytes(), warpDepth * sumsBytes()); }
  int64_t rowsOfBlock() const { return tileRows / splits; } // that a block of a cluster finishes
  /// Columns of a piece of a pipeline's tile that the epilogue stores at a time, and the sums of it that a warp has.
  int64_t pieceColumns() const;
  static constexpr int64_t kMostPiece = 80;
  static int64_t largestPiece(int64_t columns, int64_t most); // that divides `columns`, in chunks
  int64_t pieceBytes() const { return pieceBytes(pieceColumns()); }
  /// The same of any number of columns, and the floats between its rows: four rows of pairs lie in different banks.
  static int64_t pieceBytes(int64_t columns) { return 16 * piecePitch(columns) * 4; }
  static int64_t piecePitch(int64_t columns) { return columns % 32 == 8 || columns % 32 == 24 ? columns : columns + 8; }
  /// Where blocks of a cluster find each other's sums, of `tma`: as threads have them, four at a time.
  int64_t exchangeAt() const { return stages * stageBytes() + warpRows * pieceBytes(); }
  int64_t exchangeBytes() const { return tma && splits > 1 ? tileRows / splits * tileColumns * 4 : 0; }
  int64_t barriersAt() const { return exchangeAt() + exchangeBytes(); }
  int64_t sharedBytes() const { return pipeline || tma ? barriersAt() + 16 * stages : receivedAt() + (splits > 1 ? sumsBytes() : 0); }
  /// Of so many steps in all.
  int64_t stepsOfBlock(int64_t steps) const { return int64_t(llvm::alignTo(llvm::divideCeil(steps, splits), round)); }
  /// Whether a block's share of so many steps fits into its stages: all copies begin at once, and no stage is used twice.
  bool isAtOnce(int64_t steps) const { return !direct && !pipeline && !tma && !resident && stepsOfBlock(steps) <= stages; }
  int64_t step() const { return direct ? kDirectStep : kStep; }
};

/// A contraction as the matrix family sees it: lhs [rows, depth] gathered, rhs packed [columns, depth], or what a run gives (`ofRun`): then read as
/// it lies, and, where it has one matrix for each of a batch, with tiles that do not straddle them. Channels and depth are counted in halves, or in
/// pairs of bytes: a chunk of 16 bytes has kChunk of either.
struct MatrixProblem {
  cpu::ContractionProblem contraction;
  mlir::Value lhs;                       // what is read of lhs; not contraction.lhs where there is a scale
  llvm::SmallVector<mlir::Value> parts;  // of lhs along its channels: two where products share their depth
  mlir::Value scale;                     // one factor for each channel, by which lhs is multiplied on its way into products; may be null
  int64_t columns = 0;                   // of the result
  int64_t groupColumns = 0;              // of a group, where a convolution has several: a tile is within one
  int64_t channels = 0;                  // k of one tap, of a group
  int64_t paddedChannels = 0;            // a multiple of a chunk, or 4 elements for images
  llvm::SmallVector<int64_t> paddedTaps; // the filter's, for images the last one even: whole chunks again
  int64_t depth = 0;                     // taps * channels, padded
  Factors factors = Factors::F16;
  bool inParts = false;                  // each f32 is multiplied in two parts, as three products, which leaves it its precision
  bool sumsRows = false;                 // results beside the first are sums of parts of its rows: tiles have whole parts
  int64_t rowValues = 0;                 // that the epilogue reads, f32
  bool ofRun = false;                    // rhs is not packed
  int batchAxes = 0;                     // leading axes of the result along which rhs varies

  bool isGrouped() const { return groupColumns != 0; }
  bool isBytes() const { return factors == Factors::Bytes || isNarrow(); }
  bool isNarrow() const { return factors == Factors::E4M3; } // bytes that are floats
  bool isFull() const { return factors == Factors::TF32; } // f32 in memory
  /// What channels and depth count: halves, pairs of bytes, two for each f32.
  int64_t units(int64_t elements) const { return isFull() ? 2 * elements : isBytes() ? elements / 2 : elements; }
  int64_t elements(int64_t units) const { return isFull() ? units / 2 : isBytes() ? 2 * units : units; }
  mlir::Type unit() const; // a type of its size
  mlir::Type sum() const;

  /// Whether bytes lie in memory, as all families but the stem's want them.
  bool hasBytesInMemory() const { return !isBytes() || mlir::isa<mlir::BlockArgument>(kernel::viewOf(contraction.lhs).source); }

  /// Whether the epilogue reads something of the result's size.
  bool readsResidual() const;

  /// None where no family of matrix units computes the kernel.
  static std::optional<MatrixProblem> of(kernel::FuncOp func, const Target &target);
  int64_t steps(const MatrixSchedule &s) const { return (depth + s.step() - 1) / s.step(); }
  nn::Dim rows() const;
  nn::Dim rowsOfBatch() const; // which share one rhs
  /// Rows in whole tiles, as cost models count them.
  int64_t typicalRows(const MatrixSchedule &s) const;
  int64_t channelsOfFirst() const { return *nn::dimsOf(parts.front().getType()).back().asConstant(); } // of the parts
  /// Without stages that it would not use.
  MatrixSchedule fitted(MatrixSchedule s) const;
  /// Bytes of the factors in shared memory, behind everything else; schedules without stages read them where they are.
  int64_t scaleBytes(const MatrixSchedule &s) const { return scale && !s.direct ? depth * 2 : 0; }
  /// Bytes behind those, of the values of the rows that a block finishes, two and two; none where threads that share a row finish it.
  static constexpr int64_t kPairBytes = 8;
  int64_t rowValueBytes(const MatrixSchedule &s) const { return s.tma || partColumns(s) ? 0 : (rowValues + 1) / 2 * kPairBytes * s.rowsOfBlock(); }
  /// Weights as [columns padded to a multiple of 8][tap][channel], or for pipelines and resident weights as [tile][tap][channels / 8][column of the tile][8]: what a stage
  /// holds of a tile is in one piece. Columns of a part are exchanged where a part is stored from registers.
  kernel::PackingAttr packing(const MatrixSchedule &s) const;
  /// Of groups, and of bytes: columns that are stored straight from registers (MatrixQuads.h): of so many neighbours in the result each of the four
  /// threads that share a row has a quarter. 0 where sums go through shared memory.
  int64_t partColumns(const MatrixSchedule &s) const;
  kernel::PackingAttr plainPacking() const { return packing(0, 0); } // without tiles and parts
  bool isPacked(kernel::PackingAttr packing) const;
  int64_t packedColumns() const { return (columns + MatrixSchedule::kChunk - 1) / MatrixSchedule::kChunk * MatrixSchedule::kChunk; }

private:
  kernel::PackingAttr packing(int64_t tileColumns, int64_t part) const; // tileColumns: 0 where weights are not in tiles
};

inline constexpr int64_t kSharedOfBlock = 224 << 10; // on sm_90

/// Tiles of the result.
nn::Dim tilesOf(const MatrixProblem &problem, const MatrixSchedule &s);

/// Schedules that fit the machine, the best one first: the measured one, or else the cost model's choice.
llvm::SmallVector<MatrixSchedule> matrixSchedules(const MatrixProblem &problem, const Target &target);

} // namespace tenon::gpu
