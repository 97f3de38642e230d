#include "tools/tenon/File.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::driver {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

[[noreturn]] void fail(const std::string &path, const char *what) { throw Failure(path + ": " + what + ": " + std::strerror(errno)); }

/// Returns false, with errno set, where not all bytes could be written.
bool writeAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return false;
    bytes = bytes.subspan(size_t(done));
  }
  return true;
}

} // namespace

std::vector<std::byte> readFile(const std::string &path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0)
    fail(path, "cannot be opened");
  std::vector<std::byte> bytes;
  struct stat status;
  if (::fstat(file.fd, &status) == 0 && S_ISREG(status.st_mode))
    bytes.reserve(size_t(status.st_size) + 1);
  std::byte block[1 << 16];
  for (;;) {
    ssize_t got = ::read(file.fd, block, sizeof block);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail(path, "cannot be read");
    if (got == 0)
      return bytes;
    bytes.insert(bytes.end(), block, block + got);
  }
}

void writeFile(const std::string &path, std::span<const std::byte> bytes) {
  struct stat status;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (path == "-" || (exists && !S_ISREG(status.st_mode))) {
    Descriptor file{path == "-" ? ::dup(1) : ::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.fd < 0)
      fail(path, "cannot be written");
    if (!writeAll(file.fd, bytes))
      fail(path, "cannot be written");
    return;
  }
  std::string temporary = path + ".XXXXXX";
  Descriptor file{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (file.fd < 0)
    fail(path, "cannot be written");
  mode_t mask = ::umask(0);
  ::umask(mask);
  bool written = writeAll(file.fd, bytes) && ::fchmod(file.fd, exists ? status.st_mode & 07777 : 0666 & ~mask) == 0 && ::fsync(file.fd) == 0 &&
                 ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    int error = errno;
    ::unlink(temporary.c_str());
    errno = error;
    fail(path, "cannot be written");
  }
}

void requireWritable(const std::string &path) {
  struct stat status;
  if (path == "-")
    return;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    fail(path, "cannot be written");
  }
  if (exists && !S_ISREG(status.st_mode)) {
    if (::access(path.c_str(), W_OK) != 0)
      fail(path, "cannot be written");
    return;
  }
  // Files are written beside themselves first.
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::stat(folder.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
    errno = ENOTDIR;
  else if (::access(folder.c_str(), W_OK | X_OK) == 0)
    return;
  fail(path, "cannot be written");
}

bool endsWith(const std::string &path, const std::string &ending) {
  auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return path.size() >= ending.size() && std::equal(ending.begin(), ending.end(), path.end() - long(ending.size()), [&](char e, char p) { return same(p, e); });
}

} // namespace tenon::driver
