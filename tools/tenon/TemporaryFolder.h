// A folder for files that come and go.
#pragma once
#include <string>

namespace tenon::driver {

/// A new folder in the system's place for temporary files, that goes with what is in it. Folders that killed processes left behind go first.
class TemporaryFolder {
public:
  /// Throws Failure where none can be made.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string path;
};

} // namespace tenon::driver
