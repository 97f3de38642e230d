// NumPy archives (.npz): zip files of arrays, read and written through libzip.
#pragma once
#include "tools/tenon/HostTensor.h"

#include <map>
#include <optional>
#include <string>

namespace tenon::driver {

/// An open archive; arrays are read one at a time. Not thread safe.
class NpzReader {
public:
  /// Throws Failure where the file is no zip archive.
  explicit NpzReader(const std::string &path);
  ~NpzReader();
  NpzReader(const NpzReader &) = delete;
  NpzReader &operator=(const NpzReader &) = delete;

  /// Names of the arrays, without ".npy", in the order of the file.
  const std::vector<std::string> &names() const { return keys; }
  bool has(const std::string &name) const;
  /// Throws Failure where the entry is absent, damaged, or no array.
  HostTensor read(const std::string &name) const;

private:
  std::string path;
  void *archive = nullptr;
  std::vector<std::string> keys;
};

/// An array to write: memory stays the caller's until `writeNpz` returns.
struct NamedTensor {
  std::string name;
  tn_tensor tensor;
};

/// Writes an uncompressed archive that numpy.load reads. The file is replaced at once or not at all; equal arrays give equal bytes. Throws Failure.
void writeNpz(const std::string &path, const std::vector<NamedTensor> &tensors);

} // namespace tenon::driver
