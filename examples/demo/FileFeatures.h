// What Magika's model sees of a file: 1024 bytes of its beginning and 1024 of its end.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The numbers of the model's config.min.json that say how its input is made.
struct FeatureSizes {
  size_t begin = 1024, end = 1024; // bytes taken from either side
  size_t block = 4096;             // bytes read on either side, before white space is stripped
  int32_t padding = 256;           // stands where the file is too short; bytes are 0 to 255
  size_t minimum = 8;              // files with fewer bytes that are no white space are not worth a model
};

/// begin + end numbers; nothing for an unreadable or too short file, with `why` set to "empty", "too short" or the system's message.
std::optional<std::vector<int32_t>> fileFeatures(const std::string &path, const FeatureSizes &sizes, std::string &why);
