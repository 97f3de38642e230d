#include "FileFeatures.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

// As Python's bytes.strip().
static constexpr std::string_view kWhiteSpace = " \t\n\r\v\f";

/// Reads `count` bytes at `offset`; fewer where the file ends.
static std::string readAt(std::ifstream &file, std::streamoff offset, size_t count) {
  std::string bytes(count, '\0');
  file.seekg(offset);
  file.read(bytes.data(), std::streamsize(count));
  bytes.resize(size_t(file.gcount()));
  file.clear();
  return bytes;
}

std::optional<std::vector<int32_t>> fileFeatures(const std::string &path, const FeatureSizes &sizes, std::string &why) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::streamoff size = file ? std::streamoff(file.tellg()) : -1;
  if (size < 0) {
    why = std::strerror(errno);
    return std::nullopt;
  }
  if (size == 0) {
    why = "empty";
    return std::nullopt;
  }
  size_t block = std::min<size_t>(sizes.block, size_t(size));
  std::string begin = readAt(file, 0, block);
  begin.erase(0, begin.find_first_not_of(kWhiteSpace));
  begin.resize(std::min(begin.size(), sizes.begin));
  std::string end = readAt(file, size - std::streamoff(block), block);
  end.erase(end.find_last_not_of(kWhiteSpace) + 1);
  end.erase(0, end.size() - std::min(end.size(), sizes.end));
  if (begin.size() < sizes.minimum) {
    why = "too short";
    return std::nullopt;
  }
  // The beginning is padded behind, the end before.
  std::vector<int32_t> features(sizes.begin + sizes.end, sizes.padding);
  auto number = [](char c) { return int32_t(static_cast<unsigned char>(c)); };
  std::transform(begin.begin(), begin.end(), features.begin(), number);
  std::transform(end.begin(), end.end(), features.end() - std::ptrdiff_t(end.size()), number);
  return features;
}
