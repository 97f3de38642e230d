// NumPy's array format (.npy, versions 1 to 3): numpy/lib/format.py describes it.
#pragma once
#include "tools/tenon/HostTensor.h"

#include <span>

namespace tenon::driver {

/// Reads an array; `what` names it in errors. Little-endian arrays of numbers and booleans in C or Fortran order; two-byte void is bfloat16, as
/// ml_dtypes writes it. Any bytes are safe to give. Throws Failure.
HostTensor parseNpy(std::span<const std::byte> bytes, const std::string &what);

/// What stands before an array's data.
struct NpyHeader {
  tn_dtype dtype;
  std::vector<int64_t> dims;
  bool fortranOrder;
};
/// How many bytes stand before the data, from the first kNpyPrefix of them.
constexpr size_t kNpyPrefix = 12;
size_t npyHeaderBytes(std::span<const std::byte> prefix, const std::string &what);
/// Reads all the bytes before the data. Both throw Failure where they are no header.
NpyHeader parseNpyHeader(std::span<const std::byte> bytes, const std::string &what);

/// The bytes before an array's data, padded to a multiple of 64. Throws Failure for element types that NumPy does not have.
std::string npyHeader(tn_dtype dtype, const std::vector<int64_t> &dims, const std::string &what);

} // namespace tenon::driver
