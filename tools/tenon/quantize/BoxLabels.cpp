#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npy.h"
#include "tools/tenon/quantize/DetectionMetric.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace tenon::driver {
namespace {

constexpr size_t kColumns = 6;
using Row = std::array<double, kColumns>;

SampleBox boxOf(const Row &row, const std::string &where) {
  constexpr double kLargest = 1e9; // of samples and classes: far below what a double counts exactly
  auto isCount = [](double value) { return value >= 0 && value <= kLargest && value == std::floor(value); };
  if (!isCount(row[0]) || !isCount(row[1]))
    throw Failure(where + ": the sample and the class are not both whole numbers of at least 0");
  if (!std::all_of(row.begin(), row.end(), [](double value) { return std::isfinite(value); }) || !(row[2] < row[4] && row[3] < row[5]))
    throw Failure(where + ": is no box; SAMPLE CLASS X0 Y0 X1 Y1 with X0 < X1 and Y0 < Y1 was expected, in pixels of the model's input");
  return {size_t(row[0]), {{row[2], row[3], row[4], row[5]}, int64_t(row[1])}};
}

template <typename T> std::vector<SampleBox> fromValues(const HostTensor &tensor, const std::string &path) {
  auto *values = reinterpret_cast<const T *>(tensor.data.data());
  std::vector<SampleBox> boxes;
  for (size_t i = 0; i < size_t(tensor.dims[0]); i++) {
    Row row;
    std::copy_n(values + i * kColumns, kColumns, row.begin());
    boxes.push_back(boxOf(row, path + ": row " + std::to_string(i)));
  }
  return boxes;
}

std::vector<SampleBox> fromArray(std::span<const std::byte> bytes, const std::string &path) {
  HostTensor tensor = parseNpy(bytes, path);
  bool fits = tensor.dims.size() == 2 && tensor.dims[1] == int64_t(kColumns);
  if (fits && tensor.dtype == TN_F32)
    return fromValues<float>(tensor, path);
  if (fits && tensor.dtype == TN_F64)
    return fromValues<double>(tensor, path);
  throw Failure(path + ": is " + typeText(tensor.dtype, tensor.dims) + "; boxes in f32 or f64 [boxes, 6] were expected");
}

std::vector<SampleBox> fromText(std::string_view text, const std::string &path) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<SampleBox> boxes;
  for (size_t line = 1; !text.empty(); line++) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view left = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string where = path + ": line " + std::to_string(line);
    Row row;
    for (double &value : row) {
      left.remove_prefix(std::min(left.find_first_not_of(kBlanks), left.size()));
      auto [rest, error] = std::from_chars(left.data(), left.data() + left.size(), value);
      if (error != std::errc())
        throw Failure(where + ": SAMPLE CLASS X0 Y0 X1 Y1 was expected, six numbers on each line");
      left.remove_prefix(size_t(rest - left.data()));
    }
    if (left.find_first_not_of(kBlanks) != std::string_view::npos)
      throw Failure(where + ": more than the six numbers SAMPLE CLASS X0 Y0 X1 Y1");
    boxes.push_back(boxOf(row, where));
  }
  return boxes;
}

} // namespace

std::vector<SampleBox> readBoxes(const std::string &path) {
  std::vector<std::byte> bytes = readFile(path);
  std::vector<SampleBox> boxes = endsWith(path, ".npy") ? fromArray(bytes, path) : fromText({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, path);
  if (boxes.empty())
    throw Failure(path + ": holds no boxes");
  return boxes;
}

} // namespace tenon::driver
