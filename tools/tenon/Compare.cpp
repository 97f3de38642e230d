#include "tools/tenon/Compare.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace tenon::driver {
namespace {

template <typename T> T load(const void *data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + index * int64_t(sizeof(T)), sizeof(T));
  return value;
}

double loadBfloat16(const void *data, int64_t index) {
  uint32_t bits = uint32_t(load<uint16_t>(data, index)) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename Load> void compareFloats(const tn_tensor &actual, const HostTensor &expected, Comparison &result, Load value) {
  int64_t count = expected.elements();
  for (int64_t i = 0; i < count; i++) {
    double a = value(actual.data, i), b = value(expected.data.data(), i);
    if (std::isfinite(b))
      result.largestExpected = std::max(result.largestExpected, std::fabs(b));
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double error = std::fabs(a - b);
    if (std::isnan(error))
      error = std::numeric_limits<double>::infinity();
    if (error > result.largestError) {
      result.largestError = error;
      result.worstIndex = i;
    }
  }
}

void compareBytes(const tn_tensor &actual, const HostTensor &expected, Comparison &result) {
  const auto *a = static_cast<const std::byte *>(actual.data);
  const std::byte *b = expected.data.data();
  size_t elementBytes = std::max<size_t>(1, tn_dtype_bits(expected.dtype) / 8);
  for (size_t i = 0; i < expected.data.size(); i++)
    if (a[i] != b[i]) {
      result.largestError = std::numeric_limits<double>::infinity();
      result.worstIndex = int64_t(i / elementBytes);
      return;
    }
}

} // namespace

Comparison compare(const tn_tensor &actual, const HostTensor &expected, const Tolerance &tolerance) {
  Comparison result;
  std::vector<int64_t> dims = dimsOf(actual);
  if (actual.dtype != expected.dtype || dims != expected.dims) {
    result.problem = "is " + typeText(actual.dtype, dims) + ", expected " + typeText(expected.dtype, expected.dims);
    return result;
  }
  double rtol = 0;
  switch (expected.dtype) {
  case TN_F32: rtol = 2e-4, compareFloats(actual, expected, result, load<float>); break;
  case TN_F64: rtol = 2e-4, compareFloats(actual, expected, result, load<double>); break;
  case TN_F16: rtol = 1e-2, compareFloats(actual, expected, result, load<_Float16>); break;
  case TN_BF16: rtol = 1e-2, compareFloats(actual, expected, result, loadBfloat16); break;
  default: compareBytes(actual, expected, result);
  }
  bool isFloat = rtol != 0;
  result.allowed = isFloat ? tolerance.rtol.value_or(rtol) * result.largestExpected + tolerance.atol : 0;
  result.equal = result.largestError <= result.allowed;
  return result;
}

} // namespace tenon::driver
