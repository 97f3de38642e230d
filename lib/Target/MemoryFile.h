// A file without a name: what other programs, and lld, read and write by path. It goes with the process, however that ends.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <utility>
#include <vector>

namespace tenon {

/// A file in memory. Programs that this process starts meanwhile inherit it.
class MemoryFile {
public:
  /// `label` is for those who look into /proc.
  static llvm::Expected<MemoryFile> create(const char *label, llvm::ArrayRef<char> contents = {});
  MemoryFile(MemoryFile &&other) : descriptor(std::exchange(other.descriptor, -1)) {}
  MemoryFile &operator=(MemoryFile &&) = delete;
  ~MemoryFile();

  /// Where this process and those that it starts find it.
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }
  /// What it holds now.
  llvm::Expected<std::vector<char>> read() const;

private:
  explicit MemoryFile(int descriptor) : descriptor(descriptor) {}

  int descriptor;
};

} // namespace tenon
