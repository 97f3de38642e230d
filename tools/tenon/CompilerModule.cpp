// The module that CompilerLibrary.cpp loads.
#include "tools/tenon/CompilerLibrary.h"

extern "C" TENON_API const tenon::driver::CompilerEntry *tenon_compiler_entry() {
  static const tenon::driver::CompilerEntry entry = {tenon::compileFile,        tenon::compileMemory,      tenon::phaseNames,
                                                     tenon::supportedOperators, tenon::knownTargets,       tenon::tuneFile,
                                                     tenon::readTuningCache,    tenon::rewriteTuningCache, tenon::addAssembler};
  return &entry;
}
