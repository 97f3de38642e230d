#include "lib/Target/MemoryFile.h"

#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon {
using namespace llvm;

static Error failure(const char *what) {
  std::error_code error(errno, std::generic_category());
  return createStringError(error, "cannot %s a file in memory: %s", what, error.message().c_str());
}

Expected<MemoryFile> MemoryFile::create(const char *label, ArrayRef<char> contents) {
  MemoryFile file(memfd_create(label, 0));
  if (file.descriptor < 0)
    return failure("make");
  while (!contents.empty()) {
    ssize_t written = ::write(file.descriptor, contents.data(), contents.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failure("write");
    contents = contents.drop_front(size_t(written));
  }
  return file;
}

MemoryFile::~MemoryFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Expected<std::vector<char>> MemoryFile::read() const {
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return failure("read");
  std::vector<char> bytes(size_t(status.st_size));
  for (size_t at = 0; at < bytes.size();) {
    ssize_t got = ::pread(descriptor, bytes.data() + at, bytes.size() - at, off_t(at));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failure("read");
    if (got == 0)
      bytes.resize(at);
    at += size_t(got);
  }
  return bytes;
}

} // namespace tenon
