// Positions of neighbouring elements, followed through reshapes and transposes.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Where the lanes of a register lie in a tensor: lane l at `index` with l added along `axis`.
struct LanePosition {
  llvm::SmallVector<Index> index;
  int axis = -1;  // -1 where one element is meant: a scalar, or the same for all lanes
  int lanes = 0;  // 0: a scalar
};

/// Where the same elements lie after a reshape from `from` to `to`. None if the lanes are neighbours no more, or if that cannot be
/// shown: a split axis must break between registers, not within one.
std::optional<LanePosition> reshaped(KernelBuilder &b, llvm::ArrayRef<nn::Dim> from, llvm::ArrayRef<nn::Dim> to, const LanePosition &position);

/// Where they lie after a transpose by `perm`.
LanePosition transposed(llvm::ArrayRef<int64_t> perm, const LanePosition &position);

} // namespace tenon::cpu
