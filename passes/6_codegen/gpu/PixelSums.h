// Sums of rows of pixels that a kernel gives beside them (nn-means-into-depthwise).
#pragma once
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// What the threads of a block stand for: `groups` neighbouring groups of `lanes` channels, at `places` of a row, which are all there are.
struct RowOfThreads {
  int64_t groups = 0, lanes = 0, places = 0;

  int64_t threads() const { return groups * places; }
  int64_t channels() const { return groups * lanes; }
  /// Shares of the places that are summed up first, all threads working.
  int64_t shares() const;
  int64_t sharedBytes() const { return (threads() * lanes + (shares() > 1 ? shares() * channels() : 0)) * 4; }
};

class PixelSums {
public:
  PixelSums(KernelBuilder &b, Warp &w, RowOfThreads row) : b(b), w(w), row(row) {}
  /// Every thread's own sums, f32, of consecutive threads those of consecutive groups: summed up over the places, and `store`d one by one as the sum of
  /// the block's channel number `channel`.
  void emit(mlir::Value sums, llvm::function_ref<void(mlir::Value channel, mlir::Value sum)> store);

private:
  /// Of the numbers first, first + step, ... below `count` that lie `channels` apart in shared memory.
  mlir::Value sumOf(mlir::Value address, mlir::Value first, int64_t step, int64_t count);

  KernelBuilder &b;
  Warp w;
  RowOfThreads row;
};

} // namespace tenon::gpu
