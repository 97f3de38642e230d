// The compiler as a library: an ONNX model in, a plan out.
//
// Free of LLVM and MLIR types; needs no exceptions and no RTTI. Link Tenon::compiler.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define TENON_API __attribute__((visibility("default")))

namespace tenon {

struct CompileOptions {
  /// "native", an x86-64 level ("x86-64-v3"), an LLVM CPU name ("znver5"), "aarch64[+feature...]", or a GPU: "cuda:sm_90", "jetson-orin".
  /// Several GPUs, "cuda:sm_90a,jetson-orin", make one plan, which holds the model for each of them.
  std::string target = "native";
  /// Fixes free dimensions: (input name, "1x3x224x224"); an entry that is a name keeps or renames the symbol.
  std::vector<std::pair<std::string, std::string>> shapes;
  /// A file that `tenon tune` wrote: kernels it knows get its schedules. The same model, options and file give the same bytes. Lines that
  /// cannot be used, and how many kernels were found, are reported in `CompileResult::message`. Empty: the cost model's schedules.
  std::string tuningCache;
  /// Multiplies and adds as the model says: no Winograd transforms and no Strassen products, whose rounding errors are a little larger.
  bool exactOrder = false;
  /// On GPUs, what f32 tensors are stored as: "fp32", "fp16" or "bf16"; or "tf32", which stores f32 and multiplies the leading eleven bits. On CPUs that
  /// multiply bf16, "bf16" stores factors of products so, and all else stays f32. Sums are f32; inputs and outputs keep the model's types.
  std::string precision = "fp32";
  /// Stops after this phase; `CompileResult::ir` then holds the module's text and `plan` is empty.
  std::string stopAfter;
  /// A folder (made if absent) that receives NN-phase.mlir after every phase, and the weights they refer to.
  std::string dumpPhases;
  /// A file that receives, where a phase after import fails or crashes, the module or kernel at fault; `CompileResult::message` then ends
  /// with the tenon-opt command that fails in the same way. Compiles on one thread. Empty: none.
  std::string reproducer;
  /// Where the plan goes: written beside it and renamed, so that nothing half-written is ever seen. Empty: into `CompileResult::plan`.
  std::string output;
  /// Called on the compiling thread with the phase's name and the fraction done of the whole, in [0, 1].
  std::function<void(std::string_view phase, double fraction)> progress;
};

struct PhaseTime {
  std::string phase;
  double seconds;
};

struct CompileResult {
  bool ok = false;
  /// Diagnostics, one a line, errors and warnings; empty if all went well.
  std::string message;
  /// The plan's bytes, unless `output` was given: equal for equal model, options and compiler.
  std::vector<std::byte> plan;
  std::string ir;
  std::vector<PhaseTime> times;
  /// Distinct kernels, and how often kernels are dispatched in one run.
  int kernels = 0, dispatches = 0;
};

/// Compiles an ONNX model, or a module that a phase dump or --stop-after wrote (`.mlir`), from its phase on.
/// Thread safe: any number of compilations may run at the same time. Never throws.
TENON_API CompileResult compileFile(const std::string &path, const CompileOptions &options);

/// The same for an ONNX model in memory, which must not change during the call; `name` stands for the path in messages and in the plan.
/// External data, which lies in files beside a model, is refused.
TENON_API CompileResult compileMemory(std::string_view model, const std::string &name, const CompileOptions &options);

/// The names of the phases in their order: import, graph, fuse, schedule, memory, codegen, plan.
TENON_API const std::vector<std::string> &phaseNames();

struct OperatorSupport {
  std::string domain, name;
  int since, until; // opsets, both inclusive
};
/// What the importer maps, sorted by domain and name.
TENON_API std::vector<OperatorSupport> supportedOperators();

struct TargetSummary {
  std::string name, cpu, features;
  int vectorBits, cores;
  int64_t l1Bytes, l2Bytes, l3Bytes;
};
/// This machine first, then every name that `target` takes.
TENON_API std::vector<TargetSummary> knownTargets();

/// A further file that may be NVIDIA's ptxas, whether it is there or not. Such files are tried behind all other places (docs/gpu.md). Thread safe.
TENON_API void addAssembler(const std::string &path);

TENON_API const char *versionString();

} // namespace tenon
