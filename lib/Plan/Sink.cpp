#include "lib/Plan/Sink.h"

#include <cerrno>
#include <cstring>
#include <random>
#include <utility>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::plan {

void MemorySink::append(const void *source, size_t size) {
  if (size == 0)
    return;
  size_t end = bytes.size();
  bytes.resize(end + size);
  std::memcpy(bytes.data() + end, source, size);
}

void MemorySink::overwriteStart(const void *source, size_t size) { std::memcpy(bytes.data(), source, size); }

namespace {

std::string failure(const std::string &path) { return "cannot write '" + path + "': " + std::strerror(errno); }

/// The file that `path` leads to, so that renaming replaces it and not a symbolic link to it.
std::string followLinks(std::string path) {
  char buffer[4096];
  for (int hops = 0; hops < 40; ++hops) {
    ssize_t length = readlink(path.c_str(), buffer, sizeof buffer);
    if (length <= 0 || length == ssize_t(sizeof buffer))
      break;
    std::string link(buffer, size_t(length));
    path = link[0] == '/' ? link : path.substr(0, path.rfind('/') + 1) + link;
  }
  return path;
}

/// A file without a name beside `target`, which goes with the process, however that ends; -1 where its file system has none.
int openUnnamed(const std::string &target) {
  std::string folder = target.substr(0, target.rfind('/') + 1);
  return open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

/// Gives such a file a name that nothing has; empty, with errno, where it cannot have one.
std::string nameBeside(const std::string &target, int descriptor) {
  std::string file = "/proc/self/fd/" + std::to_string(descriptor);
  std::random_device random;
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    std::string name = target + "." + std::to_string(random());
    if (linkat(AT_FDCWD, file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return name;
    if (errno != EEXIST)
      break;
  }
  return "";
}

} // namespace

FileSink::FileSink(const std::string &path) : target(followLinks(path)) {
  struct stat status;
  if (stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    error = "cannot write '" + path + "': it exists and is not a regular file";
    return;
  }
  if ((descriptor = openUnnamed(target)) >= 0)
    return;
  temporary = target + ".XXXXXX";
  descriptor = mkstemp(temporary.data());
  if (descriptor < 0) {
    error = failure(path);
    temporary.clear();
    return;
  }
  mode_t mask = umask(0);
  umask(mask);
  fchmod(descriptor, 0666 & ~mask);
}

FileSink::~FileSink() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

void FileSink::write(const void *bytes, size_t size, uint64_t offset) {
  auto *next = static_cast<const char *>(bytes);
  while (size > 0 && error.empty()) {
    ssize_t written = pwrite(descriptor, next, size, off_t(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      error = failure(target);
      return;
    }
    next += written;
    size -= size_t(written);
    offset += uint64_t(written);
  }
}

void FileSink::append(const void *bytes, size_t size) {
  write(bytes, size, position);
  position += size;
}

void FileSink::overwriteStart(const void *bytes, size_t size) { write(bytes, size, 0); }

std::string FileSink::finish() {
  if (!error.empty())
    return error;
  if (temporary.empty() && (temporary = nameBeside(target, descriptor)).empty())
    return failure(target);
  if (close(std::exchange(descriptor, -1)) != 0 || rename(temporary.c_str(), target.c_str()) != 0)
    return failure(target);
  temporary.clear();
  return "";
}

} // namespace tenon::plan
