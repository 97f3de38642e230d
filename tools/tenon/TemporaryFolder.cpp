#include "tools/tenon/TemporaryFolder.h"
#include "tools/tenon/Failure.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace tenon::driver {
namespace {

constexpr const char *kPrefix = "tenon-tune-";

/// The process that made the folder of this name; 0 if the name is another.
long ownerOf(const std::string &name) {
  return name.starts_with(kPrefix) ? std::atol(name.c_str() + std::strlen(kPrefix)) : 0;
}

} // namespace

TemporaryFolder::TemporaryFolder() {
  std::error_code problem;
  std::filesystem::path parent = std::filesystem::temp_directory_path(problem);
  for (const auto &entry : std::filesystem::directory_iterator(parent, problem))
    if (long owner = ownerOf(entry.path().filename().string()); owner > 0 && ::kill(pid_t(owner), 0) != 0 && errno == ESRCH)
      std::filesystem::remove_all(entry.path(), problem);
  path = (parent / (kPrefix + std::to_string(::getpid()) + "-XXXXXX")).string();
  if (!::mkdtemp(path.data()))
    throw Failure("a folder for candidates cannot be made in " + parent.string() + ": " + std::strerror(errno));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

} // namespace tenon::driver
