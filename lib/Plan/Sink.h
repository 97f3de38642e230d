// Where the bytes of a plan go: a file or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::plan {

class Sink {
public:
  virtual ~Sink() = default;
  /// Appends bytes. Errors are kept and reported by finish().
  virtual void append(const void *bytes, size_t size) = 0;
  /// Overwrites the first bytes.
  virtual void overwriteStart(const void *bytes, size_t size) = 0;
};

class MemorySink final : public Sink {
public:
  void append(const void *bytes, size_t size) override;
  void overwriteStart(const void *bytes, size_t size) override;
  std::vector<std::byte> bytes;
};

/// A temporary file beside `path` that finish() renames; destroyed without finish(), it leaves nothing behind.
class FileSink final : public Sink {
public:
  explicit FileSink(const std::string &path);
  ~FileSink() override;
  FileSink(const FileSink &) = delete;
  FileSink &operator=(const FileSink &) = delete;
  void append(const void *bytes, size_t size) override;
  void overwriteStart(const void *bytes, size_t size) override;
  /// "" on success, otherwise the first error.
  std::string finish();

private:
  void write(const void *bytes, size_t size, uint64_t offset);
  std::string target;
  std::string temporary;
  std::string error;
  uint64_t position = 0;
  int descriptor = -1;
};

} // namespace tenon::plan
