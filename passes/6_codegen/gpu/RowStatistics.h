// Values of a row that a product's epilogue reads, made of f32 sums of parts of it that the kernel before gave (nn-norms-into-products).
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// Four neighbouring threads, a quad, share the parts of a row.
class RowStatistics {
public:
  static constexpr int64_t kQuad = 4;
  struct Row {
    llvm::SmallVector<Index> coordinates;
    struct Part {
      mlir::Value loaded, isThere;
    };
    llvm::SmallVector<llvm::SmallVector<Part>> parts; // this thread's share of each total
  };
  RowStatistics(KernelBuilder &b, Warp &w, const cpu::Epilogue &epilogue) : b(b), w(w), epilogue(epilogue) {}

  /// Begins to load those of the row at `coordinates`, which leave out the column; `ofQuad`: the thread's number in its quad.
  Row load(llvm::ArrayRef<Index> coordinates, mlir::Value ofQuad);
  /// Epilogue::rowValues of a row, in all threads of the quad.
  llvm::SmallVector<mlir::Value> values(const Row &row);

private:
  llvm::SmallVector<nn::ReduceOp> totals(); // what the values of rows are made of

  KernelBuilder &b;
  Warp &w;
  const cpu::Epilogue &epilogue;
};

} // namespace tenon::gpu
