// How a kernel for a GPU sees one of its buffers through the unit that copies tiles of tensors (TMA, sm_90 and later).
#pragma once

#include <cstdint>
#include <vector>

namespace tenon::plan {

/// What the runtime makes a CUtensorMap of, once the buffer has an address; the tables of runtime/plan/plan.fbs mirror it. Axes are listed from the
/// innermost on.
struct TensorMap {
  uint32_t buffer = 0;       ///< of the kernel's: arguments, then results
  uint64_t offset = 0;       ///< in bytes
  uint32_t elementBytes = 2; ///< 1, 2 or 4
  std::vector<uint64_t> sizes;
  std::vector<uint64_t> strides; ///< in bytes, of all axes but the first
  std::vector<uint32_t> steps;   ///< by how many elements a copy moves on along each axis
  /// What a copy brings: elements along each axis; or, where there are corners, channels and pixels.
  std::vector<uint32_t> box;
  /// Of images (im2col): where along each axis between the channels and the images the first pixel lies, and how far behind the last element the last.
  std::vector<int32_t> lower, upper;
  uint32_t swizzleBytes = 128; ///< of rows in shared memory, whose 16-byte chunks are exchanged; 0: none
};

} // namespace tenon::plan
