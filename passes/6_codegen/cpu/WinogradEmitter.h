// The loops of a Winograd convolution: for each block of tiles the input transform, the products of its points, the output transform.
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/WinogradSchedule.h"

namespace tenon::cpu {

/// Emits one task: its share of the blocks of tiles times its share of the blocks of columns.
class WinogradEmitter {
public:
  WinogradEmitter(KernelBuilder &b, const ContractionProblem &p, const WinogradSchedule &s);
  void emit();

private:
  struct Place {
    Index image, y, x; // the first output of a tile; the others are a dilation apart
  };
  struct Patch {
    Tensor memory;
    Index offset, row, column; // of its first channel, and the distances of its rows and columns
  };

  Place place(Index tile);
  void transformInput(Index block);
  Patch patchAt(const Place &place);
  void copyPatch(const Place &place, Index top, Index left);
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
