// The loops of a depthwise chain: row by row, through the workspace of the task.
#pragma once
#include "passes/6_codegen/cpu/ChainSchedule.h"
#include "passes/6_codegen/cpu/ContractionTile.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

class ChainEmitter {
public:
  ChainEmitter(KernelBuilder &b, const ChainProblem &p, const ChainSchedule &s);
  /// Emits one task.
  void emit();

private:
  /// Some columns of a 1x1 convolution, or channels of the depthwise one: at most those of a panel.
  struct Panel {
    Index number, column; // the first of them
    int64_t vectors, columns;
    mlir::Value mask; // of the last vector, or null
  };
  /// A row of pixels in memory.
  struct Row {
    const Tensor &memory;
    Index start, pixelStride;
    int64_t pixels;
  };
  using At = llvm::function_ref<void(Index x, Index column)>;
  using Finish = llvm::function_ref<void(mlir::Value sum, Index x, Index column, mlir::Value mask)>;

  void panelsOf(int64_t columns, int64_t vectors, llvm::function_ref<void(const Panel &)> body);
  /// A panel of a 1x1 convolution of a row; `prepare` is called before the sums of a position are computed.
  void pointwise(nn::ConvOp conv, ChainSchedule::Tile tile, const Panel &panel, const Row &row, At prepare, Finish finish);
  void expandRow(Index image, Index y, const Panel &panel);
  void depthwiseRow(Index image, Index y, const Panel &panel);
  void projectRow(Index image, Index y, const Panel &panel);

  KernelBuilder &b;
  const ChainProblem &p;
  ChainSchedule s;
  int lanes;
  ChainLayout layout;
  Tensor expanded; // [N, H, W, C] in name; its rows lie modulo `layout.ring`
  Tensor filtered; // a row of the depthwise convolution: [W, C]
};

} // namespace tenon::cpu
