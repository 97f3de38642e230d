#include "runtime/cuda/LibraryFile.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace tenon::cuda {
namespace {

/// Where the variable names no file, what the system finds, or what the process has loaded already.
void *load(const LibraryFile &file, char *why, size_t room) {
  if (const char *path = getenv(file.variable)) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      snprintf(why, room, "%s: %s", file.variable, dlerror());
    return library;
  }
  size_t used = 0;
  for (const char *const *name = file.names; *name; ++name) {
    if (void *library = dlopen(*name, RTLD_NOW | RTLD_LOCAL))
      return library;
    if (used < room)
      used += size_t(snprintf(why + used, room - used, "%s%s", used ? "; " : "", dlerror()));
  }
  return nullptr;
}

void tell(const LibraryFile &file, const char *what, char *problem, size_t room) {
  snprintf(problem, room, "the plan has %s compute kernels, %s; set %s to the path of %s %s, or compile without --libraries %s", file.title, what,
           file.variable, file.title, file.versions, file.option);
}

} // namespace

void openLibrary(const LibraryFile &file, const LibraryFunction *functions, size_t count, size_t *version, char *problem, size_t room) {
  char why[300] = "", what[340];
  void *library = load(file, why, sizeof why);
  if (!library) {
    snprintf(what, sizeof what, "which cannot be opened (%s)", why);
    return tell(file, what, problem, room);
  }
  size_t (*versionOf)() = nullptr;
  auto find = [&](const LibraryFunction &function) {
    if ((*function.place = dlsym(library, function.symbol)))
      return true;
    snprintf(what, sizeof what, "and the one here lacks %s", function.symbol);
    return tell(file, what, problem, room), false;
  };
  for (size_t i = 0; i < count; ++i)
    if (!find(functions[i]))
      return;
  if (!find({reinterpret_cast<void **>(&versionOf), file.version}))
    return;
  *version = versionOf();
  if (*version >= file.oldest && *version < file.newer)
    return;
  snprintf(what, sizeof what, "and the one here is version %zu.%zu, where %s is expected", *version / 10000, *version / 100 % 100, file.versions);
  tell(file, what, problem, room);
}

} // namespace tenon::cuda
