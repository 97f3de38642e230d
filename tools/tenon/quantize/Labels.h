// Labels of samples, from a file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::driver {

/// A .npy of whole numbers, or text with one on each line. Throws Failure.
std::vector<int64_t> readLabels(const std::string &path);

} // namespace tenon::driver
