// What a kernel for a GPU has NVIDIA's libraries compute; the tables of runtime/plan/plan.fbs mirror it.
#pragma once

#include "tenon/runtime.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace tenon::plan {

enum class Library : uint8_t { None, CublasLt, Cudnn };
enum class Activation : uint8_t { None, Relu, Gelu, ExactGelu, Silu, Clip };

/// A convolution's window along an axis of space.
struct WindowAxis {
  uint32_t before = 0, behind = 0, step = 1, dilation = 1;
};

/// How a library sees one of the kernel's buffers.
struct LibraryTensor {
  uint32_t buffer = 0;    ///< of the kernel's: arguments, then results
  uint64_t offset = 0;    ///< in bytes
  uint32_t alignment = 2; ///< of the address behind the offset
  tn_dtype dtype = TN_F32;
  std::vector<uint64_t> sizes;
  std::vector<uint64_t> strides; ///< in elements
};

/// result = activation(left * right + bias + added): [batch, rows, columns] of [batch, rows, depth], [batch, depth, columns] and [columns]; or, where
/// there is a window, [images, filters, rows, columns] of [images, channels, rows, columns], [filters, channels, rows, columns] and [filters].
struct LibraryCall {
  Library library = Library::CublasLt;
  LibraryTensor left, right;
  std::optional<LibraryTensor> bias, added;
  LibraryTensor result;
  Activation activation = Activation::None;
  bool tf32 = false;
  uint32_t algorithm = 0; ///< number in the library's list
  uint64_t workspaceBytes = 0;
  std::vector<WindowAxis> window;
  float most = 0; ///< of Clip
};

} // namespace tenon::plan
