// The loops of a Winograd convolution of bytes: for each block of tiles the input transform, the products of its points, the output transform.
#pragma once
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/WinogradBytesSchedule.h"
#include "passes/6_codegen/cpu/WinogradEmitter.h"

namespace tenon::cpu {

/// Emits one task: its share of the blocks of tiles times its share of the blocks of columns.
class WinogradBytesEmitter {
public:
  WinogradBytesEmitter(KernelBuilder &b, const ContractionProblem &p, const WinogradBytesSchedule &s);
  void emit();

private:
  void transformInput(Index block);
  WinogradPatch patchAt(const WinogradPlace &place);
  void copyPatch(const WinogradPlace &place, Index top, Index left);
  void multiply(Index columnBlock);
  void transformFilters(Index panel, int64_t row);
  void multiplyPoint(std::array<Index, 2> point, Index panel);
  void addParities(std::array<Index, 2> point, TileShape &shape, LhsAddress &left, RhsAddress &right);
  void transformOutput(Index block, Index columnBlock);
  void transformOutputs(Index at);
  mlir::Value sumOf(mlir::Value scaled, int64_t shift);
  /// Registers that the epilogue stores together: `vectors` of each of `pixels` in a row.
  struct Group {
    bool together = false;
    int64_t vectors = 1, pixels = 1;
  };
  bool isWidthWhole() const;
  Group groupOf() const;
  mlir::Value sumsAt(Index from, Index column, mlir::Value mask);
  void storePixel(Index from, llvm::ArrayRef<Index> pixel, Index firstColumn, Index count);
  void storeTogether(Index from, llvm::ArrayRef<Index> pixel, Index firstColumn, Index count);

  KernelBuilder &b;
  const ContractionProblem &p;
  const WinogradBytesSchedule s;
  WinogradBytesLayout layout;
  Epilogue epilogue;
  Tensor source;          // the image
  bool isReadable;        // where it lies, away from the border: its channels are whole vectors
  Group group;
  Tensor input, output, filters, patch; // transformed, but for the last
  Tensor weights;                       // as they are packed
  Index tiles;
};

} // namespace tenon::cpu
