#include "tools/tenon/quantize/Labels.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npy.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace tenon::driver {
namespace {

template <typename T> std::vector<int64_t> widened(const HostTensor &tensor) {
  auto *values = reinterpret_cast<const T *>(tensor.data.data());
  return {values, values + tensor.elements()};
}

std::vector<int64_t> fromArray(std::span<const std::byte> bytes, const std::string &path) {
  HostTensor tensor = parseNpy(bytes, path);
  if (tensor.dims.size() == 1 && tensor.dtype == TN_I64)
    return widened<int64_t>(tensor);
  if (tensor.dims.size() == 1 && tensor.dtype == TN_I32)
    return widened<int32_t>(tensor);
  if (tensor.dims.size() == 1 && tensor.dtype == TN_U8)
    return widened<uint8_t>(tensor);
  throw Failure(path + ": is " + typeText(tensor.dtype, tensor.dims) + "; one row of labels in i64, i32 or u8 was expected");
}

std::vector<int64_t> fromText(std::string_view text, const std::string &path) {
  std::vector<int64_t> labels;
  for (size_t line = 1; !text.empty(); line++) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view number = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number.ends_with('\r'))
      number.remove_suffix(1);
    int64_t label = 0;
    auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), label);
    if (number.empty() || error != std::errc() || rest != number.data() + number.size())
      throw Failure(path + ": line " + std::to_string(line) + " is no whole number; one label on each line was expected");
    labels.push_back(label);
  }
  return labels;
}

} // namespace

std::vector<int64_t> readLabels(const std::string &path) {
  std::vector<std::byte> bytes = readFile(path);
  std::vector<int64_t> labels =
      endsWith(path, ".npy") ? fromArray(bytes, path) : fromText({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, path);
  if (labels.empty())
    throw Failure(path + ": holds no labels");
  return labels;
}

} // namespace tenon::driver
