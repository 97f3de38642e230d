// A slow, plain evaluation of kernels in double precision: what emitted code is compared with.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/StringMap.h"

namespace tenon::test {

struct Array {
  llvm::SmallVector<int64_t> shape;
  std::vector<double> data; // row-major

  static Array zeros(llvm::ArrayRef<int64_t> shape);
  int64_t size() const { return data.size(); }
  /// Element at a position; positions broadcast (axes of size 1, missing leading axes).
  double at(llvm::ArrayRef<int64_t> position) const;
};

using Sizes = llvm::DenseMap<llvm::StringRef, int64_t>;
llvm::SmallVector<int64_t> shapeOf(mlir::Type tensor, const Sizes &sizes);

/// The results of a kernel of matmul, conv (channels last), attention, lstm, views and common elementwise ops. Fails the test
/// (and gives nothing) where the kernel holds something else.
std::vector<Array> evaluate(kernel::FuncOp func, llvm::ArrayRef<Array> arguments, const Sizes &sizes);

} // namespace tenon::test
