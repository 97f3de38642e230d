// An operand of a product of two tensors that only a run knows, on its way to shared memory.
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// Which axes of a tensor a product walks: its edge, which are rows of the left operand and columns of the right one, and its depth.
struct ProductOperand {
  mlir::Value value;
  int edgeAxis, depthAxis;

  static ProductOperand left(const MatrixProblem &p);
  static ProductOperand right(const MatrixProblem &p);
  /// Whether neighbours in memory are neighbours along the edge, not along the depth.
  bool isAlongEdge() const;
};

/// A tile of a stage has what is neighbours in memory in its rows: the step's depth of one row or column, as packed weights have, or the edge of one
/// element of the depth (`isAcross`), which ldmatrix and wgmma transpose: panels of up to 128 bytes of the edge, one after the other. Chunks of 16
/// bytes are copied as wide as they are aligned, of whatever lies beyond the operand nothing is read and zeros are stored. What is not memory comes
/// through the kernel's prologue.
class TileLoader {
public:
  /// `edge`: of a tile; `start`: where it lies in a stage.
  TileLoader(KernelBuilder &b, Warp &w, const MatrixProblem &p, const MatrixSchedule &s, const ProductOperand &operand, int64_t edge, int64_t start);
  /// `position`: of the batch, along the axes that are neither edge nor depth.
  void begin(llvm::ArrayRef<Index> position, Index firstOfEdge, mlir::Value thread);
  void load(mlir::Value step, mlir::Value stage);
  /// Whether elements are read one by one: what `read` gives waits for memory until it is used, by `write`. Beyond the depth they are zeros.
  bool readsElements() const { return memory && pieceLanes * elementBytes < kLeastCopy; }
  llvm::SmallVector<mlir::Value> read(mlir::Value step);
  void write(llvm::ArrayRef<mlir::Value> chunks, mlir::Value stage);

  bool isAcross() const { return across; }
  int64_t panelBytes() const { return stepDepth * rowBytes(); }
  /// Of a stage that is across: 16 elements of the edge from `first` + `further` on, the `k`th 32 bytes of the depth, as words of the two halves of
  /// each: those of the depth follow on one another where `isRight`, as fragments have them.
  Warp::Fragment fragment(mlir::Value stage, mlir::Value first, int64_t further, mlir::Value k, bool isRight);

private:
  struct Row { // of the stage
    mlir::Value number, ofTile, to;
    mlir::Value inside; // i1: along the edge; null where rows are of the depth
    Index edge, offset; // along the edge; in memory
  };
  int64_t access(const kernel::View &view) const;
  int64_t chunksOfRow() const { return across ? edge / lanes : kRowBytes / kChunkBytes; }
  int64_t rowBytes() const { return across ? std::min(edge * elementBytes, kRowBytes) : kRowBytes; }
  mlir::Value swizzled(mlir::Value chunk, mlir::Value row);
  mlir::Value placeOf(mlir::Value swizzled, mlir::Value row); // in the tile
  /// Chunk `piece` of what a row's chunk is copied in.
  mlir::Value isInside(const Row &row, mlir::Value depth, int64_t further);
  Index depthOffset(const Row &row, mlir::Value depth);
  void copy(const Row &row, mlir::Value depth, mlir::Value stage);
  mlir::Value gather(const Row &row, mlir::Value depth);
  mlir::Value elements(const Row &row, mlir::Value depth, int64_t further, int count);

  mlir::Value depthOf(const Row &row, mlir::Value step);

  static constexpr int64_t kChunkBytes = 16, kRowBytes = MatrixSchedule::kStep * 2, kLeastCopy = 4;
  KernelBuilder &b;
  Warp &w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  const ProductOperand operand;
  const int64_t edge, start;
  const int64_t elementBytes, lanes; // of a chunk
  const int64_t stepDepth, depthEnd; // in elements
  bool across = false;
  int64_t pieceLanes = 0; // that one copy takes
  std::optional<Tensor> memory;
  std::optional<cpu::Prologue> prologue;
  llvm::SmallVector<Index> position;
  Index edgeEnd;
  mlir::Value chunk; // of a row: the thread's
  llvm::SmallVector<Row> rows;
};

} // namespace tenon::gpu
