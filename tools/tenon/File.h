// Files, whole.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tenon::driver {

/// Reads a file. Throws Failure.
std::vector<std::byte> readFile(const std::string &path);

/// Writes a file so that `path` holds either all the bytes or what it held before: a temporary file beside it is renamed.
/// "-" and devices are written to directly. Throws Failure.
void writeFile(const std::string &path, std::span<const std::byte> bytes);

/// Whether there is any hope to write `path` later, for results that take long: throws Failure as `writeFile` would, and writes nothing.
void requireWritable(const std::string &path);

/// True if `path` ends with `ending`, ASCII case ignored.
bool endsWith(const std::string &path, const std::string &ending);

} // namespace tenon::driver
