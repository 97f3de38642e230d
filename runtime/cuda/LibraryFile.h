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
  const char *version;  ///< the function that gives it, 130100 for 13.1
  size_t oldest, newer; ///< versions that are known: in one from `newer` on types and numbers may be others
};

struct LibraryFunction {
  void **place;
  const char *symbol;
};

/// Opens one, finds its functions and its version; where that fails, `problem` says what was found and what to do.
void openLibrary(const LibraryFile &file, const LibraryFunction *functions, size_t count, size_t *version, char *problem, size_t room);

} // namespace tenon::cuda
