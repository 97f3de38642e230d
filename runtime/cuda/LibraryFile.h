// NVIDIA's libraries, opened with dlopen where a plan calls them.
#pragma once

#include <cstddef>

namespace tenon::cuda {

/// One of them, and the name under which plans are compiled for it.
struct LibraryFile {
  const char *title;    ///< "cublasLt"
  const char *option;   ///< of --libraries
  const char *variable; ///< of the environment, for its path
  const char *names[3]; ///< that the system is asked for where that is not set, the newest first; null at the end
  const char *versions; ///< "12 or 13"
};

struct LibraryFunction {
  void **place;
  const char *symbol;
};

/// Opens one and finds its functions; where that fails, `problem` says what was found and what to do.
bool openLibrary(const LibraryFile &file, const LibraryFunction *functions, size_t count, char *problem, size_t room);
/// The sentence for a version that is not expected.
void refuseVersion(const LibraryFile &file, size_t major, size_t minor, char *problem, size_t room);

} // namespace tenon::cuda
