// Windows sliding over the rows of a channels-last image: the loops of depthwise convolution and pooling.
//
// A step computes a few neighbouring pixels for one vector of channels, so that each input vector is loaded once a row. The
// input is read where it lies: taps outside the image are left out, statically where sizes are known, else by bounds.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

struct WindowAxis {
  int64_t size = 1, stride = 1, pad = 0, dilation = 1; // pad: before the first element
};

class SlidingWindow {
public:
  Tensor input;                 // [N, H, W, C] or [N, W, C]; innermost stride 1
  Index rows = 1, columns = 1;  // of the result
  WindowAxis vertical, horizontal;
  int pixels = 4;               // of one step
  int lanes = 0;                // of channels; 0: as many as a register has of 32 bits
  /// From loaded elements to what `step` takes. Null: a conversion to their computation type.
  llvm::function_ref<mlir::Value(mlir::Value)> decode;
  bool unrollRows = true;       // the window's rows, away from the border
  int64_t ring = 0;             // row y of the input lies at row y modulo this; 0: at y

  /// The reduction: the accumulator at the start (for channels from `c` on), one tap, and what becomes of the accumulator.
  /// `inside` says that no tap of the window was left out.
  llvm::function_ref<mlir::Value(Index c, mlir::Value mask)> start;
  llvm::function_ref<mlir::Value(mlir::Value acc, mlir::Value x, mlir::Value parameter)> step;
  llvm::function_ref<void(mlir::Value acc, llvm::ArrayRef<Index> position, mlir::Value mask, bool inside)> finish;
  /// `finish` of the pixels of one step together. Null: one by one.
  llvm::function_ref<void(mlir::ValueRange accs, llvm::function_ref<llvm::SmallVector<Index>(int64_t pixel)> position, mlir::Value mask)> finishAll;
  /// What `step` needs for tap (row, column) besides the input: a vector of weights. Null: nothing.
  llvm::function_ref<mlir::Value(Index row, Index column, Index c, mlir::Value mask)> parameter;

  /// Emits this task's share of the rows of all images.
  void emit(KernelBuilder &b) const;
  /// Emits one row of one image.
  void emitRow(KernelBuilder &b, Index image, Index row) const;
};

/// The window's axes from the attributes of a convolution or a pool; `spatial` is 1 or 2.
void setWindow(SlidingWindow &window, llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> pads,
               llvm::ArrayRef<int64_t> dilations);

/// The rows of all images of `result`, which is what tasks share.
nn::Dim windowRows(mlir::Value result);

/// The number of parts and their sizes when `total` pixels are cut into balanced tiles of at most `most`: (size, count) pairs.
llvm::SmallVector<std::pair<int64_t, int64_t>> balancedTiles(int64_t total, int64_t most);

} // namespace tenon::cpu
