// The loops of a Winograd convolution: for each block of tiles the input transform, the products of its points, the output transform.
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/WinogradSchedule.h"

namespace tenon::cpu {

/// Where a tile of outputs lies.
struct WinogradPlace {
  Index image, y, x; // the first output; the others are a dilation apart
  static WinogradPlace of(KernelBuilder &b, const WinogradTiles &tiles, int64_t m, Index tile);
};

/// What a tile reads: the image where it lies, or a copy of the tile's part of it with its padding.
struct WinogradPatch {
  Tensor memory;
  Index offset, row, column; // of its first channel, and the distances of its rows and columns

  /// Of the inputs from (top, left) on. `image` is the memory that is read in place, away from the border; null if it never is. `make` writes the copy.
  static WinogradPatch of(KernelBuilder &b, const ContractionProblem &p, const WinogradTiles &tiles, const Tensor *image, const Tensor &copy, int64_t edge,
                          int64_t paddedDepth, llvm::ArrayRef<Index> at, llvm::function_ref<void()> make);
};

/// How many of `total` units are in a block of `size` from `first` on.
Index inBlock(KernelBuilder &b, int64_t total, Index first, int64_t size);

/// One task's blocks of tiles, each with `input`, and then its blocks of columns, each with `output`.
void forWinogradBlocks(KernelBuilder &b, nn::Dim blocks, int64_t columnBlocks, int64_t tileTasks, int64_t columnTasks,
                       llvm::function_ref<void(Index block)> input, llvm::function_ref<void(Index block, Index columnBlock)> output);

/// Emits one task: its share of the blocks of tiles times its share of the blocks of columns.
class WinogradEmitter {
public:
  WinogradEmitter(KernelBuilder &b, const ContractionProblem &p, const WinogradSchedule &s);
  void emit();

private:
  void transformInput(Index block);
  WinogradPatch patchAt(const WinogradPlace &place);
  void copyPatch(const WinogradPlace &place, Index top, Index left);
  void multiply(Index columnBlock);
  void transformOutput(Index block, Index columnBlock);
  void storePixel(Index position, llvm::ArrayRef<Index> pixel, Index firstColumn, Index count);

  KernelBuilder &b;
  const ContractionProblem &p;
  const WinogradSchedule s;
  WinogradLayout layout;
  Epilogue epilogue;
  Prologue source;
  std::optional<Tensor> direct; // the input, where tiles away from the border are read in place
  Tensor input, output, patch, weights;
  Index tiles;
};

} // namespace tenon::cpu
