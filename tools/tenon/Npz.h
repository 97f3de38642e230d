// NumPy archives (.npz): zip files of arrays, read and written through libzip.
#pragma once
#include "tools/tenon/HostTensor.h"

#include <map>
#include <optional>
#include <span>
#include <string>

namespace tenon::driver {

/// An array of an archive, read from its begin to its end. The archive must live as long.
class NpzStream {
public:
  NpzStream(NpzStream &&other) noexcept;
  ~NpzStream();

  tn_dtype dtype() const { return type; }
  const std::vector<int64_t> &dims() const { return sizes; }
  /// The next bytes of the data, row-major. Throws Failure where there are not as many, or the entry is damaged.
  void read(std::span<std::byte> bytes);

private:
  friend class NpzReader;
  NpzStream(void *file, std::string what) : file(file), what(std::move(what)) {}
  void readRaw(std::byte *bytes, size_t count);

  void *file; // null: all data is in `whole`
  std::string what;
  tn_dtype type = TN_DTYPE_NONE;
  std::vector<int64_t> sizes;
  uint64_t left = 0; // bytes that were not read yet
  HostTensor whole;  // an array in column-major order, turned
};

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
  /// The same for an array that is read part by part: its data need not fit into memory.
  NpzStream stream(const std::string &name) const;

  struct Summary {
    std::string name;
    uint64_t size, checksum; // of the data behind compression
  };
  /// What the archive's directory says of its arrays.
  std::vector<Summary> summaries() const;

private:
  struct Entry {
    std::string what; // for messages
    uint64_t size;    // of the data behind compression
    void *file;       // the caller's to close
  };
  Entry open(const std::string &name) const;

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
