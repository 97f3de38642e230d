#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"

#include <dlfcn.h>

namespace tenon::driver {

const CompilerEntry &compiler() {
  static const CompilerEntry *entry = [] {
    // Found through the run path of this program: beside it in a build folder, in ../lib where it is installed.
    void *library = ::dlopen(TENON_COMPILER_MODULE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? ::dlsym(library, "tenon_compiler_entry") : nullptr;
    if (!symbol)
      throw Failure(std::string("the compiler cannot be loaded: ") + ::dlerror());
    return reinterpret_cast<const CompilerEntry *(*)()>(symbol)();
  }();
  return *entry;
}

} // namespace tenon::driver
