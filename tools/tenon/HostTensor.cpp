#include "tools/tenon/HostTensor.h"
#include "tools/tenon/Failure.h"

#include <charconv>
#include <cstdlib>
#include <new>

namespace tenon::driver {

constexpr size_t kAlignment = 64;

AlignedBytes::AlignedBytes(size_t size) : count(size) {
  if (size > SIZE_MAX - kAlignment)
    throw std::bad_alloc();
  void *block = std::aligned_alloc(kAlignment, (size + kAlignment) / kAlignment * kAlignment);
  if (!block)
    throw std::bad_alloc();
  memory.reset(static_cast<std::byte *>(block));
}

void AlignedBytes::Free::operator()(std::byte *memory) const { std::free(memory); }

int64_t bytesOf(tn_dtype dtype, const std::vector<int64_t> &dims, const std::string &what) {
  if (dims.size() > TN_MAX_RANK)
    throw Failure(what + ": rank " + std::to_string(dims.size()) + "; at most " + std::to_string(TN_MAX_RANK) + " is supported");
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (int64_t dim : dims) {
    if (dim < 0)
      throw Failure(what + ": dimension " + std::to_string(dim) + " is negative");
    empty |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim == 0 ? 1 : dim, &count);
  }
  int64_t bytes = tn_dtype_bytes(dtype, empty ? 0 : count);
  if (overflow || bytes < 0)
    throw Failure(what + ": " + typeText(dtype, dims) + " is larger than any memory");
  return bytes;
}

HostTensor::HostTensor(tn_dtype type, std::vector<int64_t> shape, const std::string &what) : dtype(type), dims(std::move(shape)) {
  int64_t bytes = bytesOf(dtype, dims, what);
  try {
    data = AlignedBytes(bytes);
  } catch (const std::bad_alloc &) {
    throw Failure(what + ": no memory for the " + std::to_string(bytes) + " bytes of " + typeText(dtype, dims));
  }
}

int64_t HostTensor::elements() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

tn_tensor HostTensor::view() {
  tn_tensor tensor{};
  tensor.data = data.data();
  tensor.bytes = data.size();
  tensor.dtype = dtype;
  tensor.rank = int32_t(dims.size());
  for (size_t i = 0; i < dims.size(); i++)
    tensor.dims[i] = dims[i];
  return tensor;
}

std::string typeText(tn_dtype dtype, const std::vector<int64_t> &dims) {
  std::string text = tn_dtype_name(dtype);
  text += '[';
  for (size_t i = 0; i < dims.size(); i++)
    text += (i ? "," : "") + std::to_string(dims[i]);
  return text + ']';
}

std::string typeText(const tn_tensor_info &info) {
  std::string text = tn_dtype_name(info.dtype);
  text += '[';
  for (int i = 0; i < info.rank; i++)
    text += (i ? "," : "") + (info.dims[i] < 0 ? std::string(info.dim_text[i]) : std::to_string(info.dims[i]));
  return text + ']';
}

std::vector<int64_t> dimsOf(const tn_tensor &tensor) { return {tensor.dims, tensor.dims + tensor.rank}; }

std::vector<int64_t> parseDims(const std::string &text) {
  std::vector<int64_t> dims;
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    int64_t dim = 0;
    auto [next, error] = std::from_chars(at, end, dim);
    bool separated = next == end || (*next == 'x' && next + 1 != end);
    if (error != std::errc() || dim < 0 || !separated)
      throw Failure("shape '" + text + "': expected sizes separated by 'x', as in 1x3x224x224");
    dims.push_back(dim);
    at = next == end ? end : next + 1;
  }
  return dims;
}

} // namespace tenon::driver
