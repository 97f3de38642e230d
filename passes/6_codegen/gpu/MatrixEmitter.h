// Emits one tile of a contraction for a block of threads: copies to shared memory, products of warps, the epilogue.
#pragma once
#include "dialects/kernel/ProductMarks.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/MatrixQuads.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/gpu/RowStatistics.h"
#include "passes/6_codegen/gpu/TileLoader.h"
#include "passes/6_codegen/gpu/Warp.h"
#include "llvm/ADT/MapVector.h"

namespace tenon::gpu {

/// How a row of the result reads lhs: chunks of 16 bytes, or element by element through any prologue.
class LhsLoader {
public:
  LhsLoader(KernelBuilder &b, Warp &w, const MatrixProblem &p, const MatrixSchedule &s);
  /// Before `begin`: of a convolution with several groups the one whose channels are read.
  void setGroup(Index number) { group = number; }
  /// Finds this thread's rows: `chunk` of a row of the tile, rows `row`, `row` + `rowStep` and so on, of all before `end`.
  void begin(Index firstRow, Index end, mlir::Value row, int64_t rowStep, mlir::Value chunk);
  bool hasMemory() const { return !parts.empty(); } // chunks are copied
  struct Tap {
    llvm::SmallVector<mlir::Value> at; // its coordinates
    mlir::Value inside;                // i1: within the depth
    mlir::Value channel;
    mlir::Value bit; // of a row's taps
  };
  /// What of the copies of a step does not depend on the kernel before.
  struct Step {
    mlir::Value number;
    Tap tap;
    llvm::SmallVector<Index> offsets; // of this thread's chunk from a row's base, in each part of lhs
    mlir::Value isOfSecond;           // i1; null where lhs is of one part
  };
  Step stepOf(mlir::Value step);
  /// Copies a step of the depth into the stage at `stage`.
  void copy(const Step &step, mlir::Value stage);
  void load(mlir::Value step, mlir::Value stage) { copy(stepOf(step), stage); }
  /// The chunks of this thread's rows in step `step` of a direct schedule, each as four words.
  llvm::SmallVector<mlir::Value> read(mlir::Value step);
  /// Whether what is loaded is still to be multiplied by factors of its channels.
  bool isScaled() const { return scale.has_value(); }
  void loadScale(mlir::Value thread, mlir::Value to);
  mlir::Value readScale(mlir::Value step);

private:
  struct Row {
    mlir::Value inside;                      // i1: a row of the result
    llvm::SmallVector<Index> bases;          // where tap 0 of channel 0 lies in each part of lhs, in elements
    llvm::SmallVector<mlir::Value> position; // of tap 0 along each axis of lhs, i32
    llvm::SmallVector<Index> index;          // the same, wide
    mlir::Value to;                          // its chunk in a stage
    mlir::Value ofTile;                      // i1: within the tile; null: always
    mlir::Value taps;                        // i32: a bit for each tap that is inside lhs; null: to be found out
  };
  llvm::SmallVector<Index> coordinatesOf(Index row);
  mlir::Value tapsInside(const Row &row);
  Tap tapOf(mlir::Value element);
  mlir::Value reads(const Row &row, const Tap &tap); // i1
  void gather(mlir::Value step, mlir::Value stage);
  Index offsetOf(const Tap &tap, const Tensor &part); // from a row's base, in elements
  mlir::Value chunkAt(const Row &row, const Step &step); // its address
  mlir::Value gatherChunk(const Row &row, llvm::ArrayRef<Tap> taps);
  mlir::Value elements(const Row &row, const Tap &tap, int lanes); // neighbouring channels through the prologue

  // --- bytes (LhsBytes.cpp)
  bool fillsPadding() const { return c.padded && c.outside; }
  /// A chunk that was read as zeros where the row has no such tap, with what padding reads instead; nothing beyond the depth.
  mlir::Value fillPadding(mlir::Value chunk, mlir::Value inside, const Tap &tap);
  /// The chunk of each row that begins at element `first` of the depth, in words of four channels of one tap.
  llvm::SmallVector<mlir::Value> gatherBytes(mlir::Value first);
  mlir::Value fourBytes(const Row &row, const Tap &tap);

  KernelBuilder &b;
  Warp &w;
  const MatrixProblem &p;
  const cpu::ContractionProblem &c;
  const MatrixSchedule &s;
  mlir::Value scaleAt(mlir::Value channel);
  llvm::SmallVector<Tensor> parts; // of lhs, where chunks can be copied; else empty
  std::optional<Tensor> scale;
  std::optional<cpu::Prologue> prologue;
  mlir::Value chunk;
  Index group = 0;
  llvm::SmallVector<Row> rows;
};

/// Whether every chunk of lhs is 16 bytes in a row of memory, at a multiple of 16 from where that begins.
bool hasChunks(const MatrixProblem &p);
/// Four of the byte that padding reads, as a word; 0 where lhs is not bytes.
int64_t outsideWord(const cpu::ContractionProblem &contraction);
/// Memory of bytes in pairs, as the depth of bytes is counted. Strides and offset are even, except along the last axis.
Tensor inPairs(KernelBuilder &b, Tensor bytes);
/// Memory of lhs as its depth is counted: of bytes in pairs, of f32 in halves.
Tensor inUnits(KernelBuilder &b, const MatrixProblem &p, Tensor memory);

/// Whether a thread whose number along a tile's edge is `own` has something to copy there: null where every thread has.
mlir::Value withinTile(Warp &w, mlir::Value own, int64_t first, int64_t step, int64_t edge);
/// Of sums, or of a bias: f32 or i32.
mlir::Value addSums(KernelBuilder &b, mlir::Value x, mlir::Value y);
/// Emits `body` where `condition`, if there is one, holds.
void where(KernelBuilder &b, mlir::Value condition, llvm::function_ref<void()> body);

class MatrixEmitter {
public:
  MatrixEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s);
  void emit();

private:
  // MatrixOfRun.cpp: where both operands are a run's.
  Index rowOfBatch(Index down); // the tile's first row
  void beginOperands();
  void loadLeft(mlir::Value step, mlir::Value stage) { left ? left->load(step, stage) : lhs.load(step, stage); }
  /// Elements that are read one by one are on their way while a round is multiplied, and stored behind it: the left operand's, then the right one's.
  static bool readsElements(const std::optional<TileLoader> &operand) { return operand && operand->readsElements(); }
  void beginElements(mlir::Value step, llvm::SmallVectorImpl<KernelBuilder::Values> &elements);
  void endElements(llvm::ArrayRef<KernelBuilder::Values> elements, llvm::function_ref<mlir::Value(int64_t)> stageAt);
  Index rowEnd() { return p.batchAxes ? endOfBatch : b.dim(p.rows()); }
  void beginColumns();
  void loadColumns(mlir::Value step, mlir::Value stage);
  void prefetchColumns(mlir::Value first);
  KernelBuilder::Values multiplyAll();
  KernelBuilder::Values multiplyAtOnce(); // MatrixAtOnce.cpp
  void multiplyStage(mlir::Value step, mlir::Value stage, llvm::MutableArrayRef<mlir::Value> sums);
  void multiplyAllOf(llvm::MutableArrayRef<Warp::Fragment> lefts, llvm::MutableArrayRef<Warp::Fragment> rights, llvm::MutableArrayRef<mlir::Value> sums);
  mlir::Value scaleAt() { return w.add(shared, s.sharedBytes()); }
  /// Pairs of halves times pairs of factors, each word by the one of its number.
  void scaleWords(llvm::MutableArrayRef<mlir::Value> words, llvm::ArrayRef<mlir::Value> factors);
  // MatrixGroup.cpp: products of a round, there after waitForGroup. Of narrow floats a round's are added up by themselves, and then to the sums.
  KernelBuilder::Values groupSums(llvm::ArrayRef<mlir::Value> sums);
  void multiplyGroup(mlir::Value stage, llvm::MutableArrayRef<mlir::Value> ofRound);
  void waitForGroup(KernelBuilder::Values &ofRound, llvm::MutableArrayRef<mlir::Value> sums);
  KernelBuilder::Values multiplyDirect();                                         // MatrixDirect.cpp
  void scaleChunks(llvm::MutableArrayRef<mlir::Value> chunks, mlir::Value factors);
  void multiplyFragments(llvm::ArrayRef<mlir::Value> left, llvm::ArrayRef<mlir::Value> right, llvm::MutableArrayRef<mlir::Value> sums);
  struct Unit {
    mlir::Value row, column; // of the rows that this block finishes
    mlir::Value inside;      // i1
    llvm::SmallVector<Index> position;
  };
  Unit unitOf(mlir::Value unit, bool clamped = false); // clamped: its position is of the result even where it is not inside
  KernelBuilder::Values finishUnit(const Unit &u, int64_t number); // its parts of sums of rows, result after result
  void writeSums(mlir::ValueRange sums);
  void sendSums();
  mlir::Value placeInCluster(mlir::Value row, mlir::Value column);
  std::pair<mlir::Value, mlir::Value> addParts(mlir::Value address, int64_t parts, int64_t distance);
  void finish();
  mlir::Value readSums(mlir::Value row, mlir::Value column);
  // MatrixOperands.cpp
  int64_t unitsOfThread() const;
  bool readsAhead() const;
  void readColumnOperands(); // before the kernel before has ended
  void readResiduals();      // when it has
  void provideResiduals(int64_t unit);
  int64_t sumsOfThread() const { return fragmentsDown * fragmentsAcross * 4; }
  void readQuadColumns();
  void readQuadUnits();
  void storeQuads(llvm::ArrayRef<mlir::Value> sums);
  // MatrixRows.cpp
  static constexpr int64_t kPairBytes = MatrixProblem::kPairBytes, kQuad = RowStatistics::kQuad;
  struct RowOfBlock { // one of this thread's; of quads its statistics alone
    mlir::Value number, isOfBlock;
    RowStatistics::Row statistics;
  };
  llvm::SmallVector<Index> coordinatesOf(Index row);  // of the result, without the column
  void beginRowValues();                              // loads
  void finishRowValues();                             // to shared memory, behind everything else
  mlir::Value rowValueAt(mlir::Value row, size_t pair);
  void provideRowValues(mlir::Value row);
  void provideQuadRows(int64_t fragment); // of 16 rows of this warp
  void storeRowSum(unsigned result, mlir::Value part, const Unit &u);
  /// Where this thread's warp is in the block.
  struct WarpPlace {
    mlir::Value row, column, depth; // of its first fragment, in elements; its number along the depth
  };
  WarpPlace warpPlace();

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  const int64_t fragmentsDown, fragmentsAcross; // 16 x 8 fragments of a warp
  mlir::Value thread, shared, rank;
  mlir::Value chunk, threadRow; // of the thread's copies
  int64_t rowStep;
  Index firstRow, firstColumn;
  mlir::Value firstStep, lastStep; // of this block's share of the depth
  int64_t share;                   // steps of it
  LhsLoader lhs;
  std::optional<TileLoader> left, right; // of a run; left where lhs has no chunks to copy
  llvm::SmallVector<Index> batch;        // its coordinates
  Index endOfBatch;                      // its last row, and one
  cpu::Epilogue epilogue;
  const cpu::Epilogue::Program program;
  mlir::Value columnBias;                                                       // read ahead; or null
  llvm::MapVector<mlir::Value, llvm::SmallVector<mlir::Value>> residuals; // read ahead, for each unit
  struct Column {
    mlir::Value inside, from, to, ofTile;
  };
  llvm::SmallVector<Column> columns;
  std::optional<QuadStore> quads; // of bytes, where no others share the depth
  llvm::SmallVector<QuadStore::Columns> quadColumns;
  llvm::SmallVector<llvm::SmallVector<QuadStore::Unit>> quadUnits; // of each 16 rows
  llvm::SmallVector<RowOfBlock> rowsOfThread;
};

} // namespace tenon::gpu
