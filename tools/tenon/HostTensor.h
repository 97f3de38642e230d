// A tensor in the driver's own memory: what is read from and written to files.
#pragma once
#include "tenon/runtime.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tenon::driver {

/// Bytes aligned to 64, not initialised.
class AlignedBytes {
public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size);
  std::byte *data() { return memory.get(); }
  const std::byte *data() const { return memory.get(); }
  size_t size() const { return count; }

private:
  struct Free {
    void operator()(std::byte *memory) const;
  };
  std::unique_ptr<std::byte[], Free> memory;
  size_t count = 0;
};

/// Dense, row-major.
struct HostTensor {
  tn_dtype dtype = TN_DTYPE_NONE;
  std::vector<int64_t> dims;
  AlignedBytes data;

  HostTensor() = default;
  /// Throws Failure, naming `what`, where the dimensions are negative, too many, or their product overflows.
  HostTensor(tn_dtype dtype, std::vector<int64_t> dims, const std::string &what);

  int64_t elements() const;
  /// The tensor as the runtime sees it; the memory stays this object's.
  tn_tensor view();
};

/// Bytes of a dense tensor; throws Failure, naming `what`, as the constructor does.
int64_t bytesOf(tn_dtype dtype, const std::vector<int64_t> &dims, const std::string &what);

/// "f32[1,3,224,224]"; free dimensions of a signature by their expression: "f32[batch,3,224,224]".
std::string typeText(tn_dtype dtype, const std::vector<int64_t> &dims);
std::string typeText(const tn_tensor_info &info);
std::vector<int64_t> dimsOf(const tn_tensor &tensor);

/// "1x3x224x224" to {1, 3, 224, 224}; "" is a scalar. Throws Failure.
std::vector<int64_t> parseDims(const std::string &text);

} // namespace tenon::driver
