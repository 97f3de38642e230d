// The compiler, loaded when a verb needs it: LLVM and MLIR take 100 MB of address space and 20 ms of start-up that `tenon run` does not pay.
#pragma once
#include "tenon/compiler.h"
#include "tenon/tuner.h"

namespace tenon::driver {

/// What the loaded module exports as `tenon_compiler_entry`.
struct CompilerEntry {
  CompileResult (*compileFile)(const std::string &, const CompileOptions &);
  CompileResult (*compileMemory)(std::string_view, const std::string &, const CompileOptions &);
  const std::vector<std::string> &(*phaseNames)();
  std::vector<OperatorSupport> (*supportedOperators)();
  std::vector<TargetSummary> (*knownTargets)();
  TuneReport (*tuneFile)(const std::string &, const TuneOptions &);
  TuningCache (*readTuningCache)(const std::string &);
  std::string (*rewriteTuningCache)(const std::string &, const std::vector<TuningRecord> &);
  void (*addAssembler)(const std::string &);
};

/// Loads the compiler at the first call. Throws Failure where it is not installed.
const CompilerEntry &compiler();

} // namespace tenon::driver
