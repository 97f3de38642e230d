// One compilation: a context with the dialects, the module, the phases run on it.
#pragma once
#include "include/tenon/compiler.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace tenon {

/// The phases in their order. A module's `tenon.phase` attribute names the last one that was run on it.
enum class Phase { Import, Graph, Fuse, Schedule, Memory, Codegen, Plan };
llvm::StringRef phaseName(Phase phase);
std::optional<Phase> phaseNamed(llvm::StringRef name);

/// Dialects that modules of any phase use.
void registerDialects(mlir::DialectRegistry &registry);

using Shapes = std::vector<std::pair<std::string, std::string>>;
/// Imports an ONNX model, `shapes` as in CompileOptions, from the file `path` or, where `bytes` are given, from memory, which must outlive the
/// module; `path` is then its name. Errors are diagnostics.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext *context, const std::string &path, const Shapes &shapes,
                                                               const Target &target, std::optional<std::string_view> bytes = {});

/// The half type that `precision` (as in CompileOptions) stores f32 tensors in, for runPhase, or tf32; empty where they stay f32 altogether. On CPUs "bf16" is
/// for the factors of products.
mlir::FailureOr<llvm::StringRef> storageFor(llvm::StringRef precision, const Target &target, mlir::MLIRContext *context);

/// Runs the passes of one phase, Graph to Memory and Plan (its verifier). Codegen has no passes: see emitKernels.
/// `tuningCache` names a file whose schedules phase schedule uses; empty: the cost model's only. `exactOrder` and `reproducer` as in CompileOptions;
/// `storage` is what storageFor gave for phase graph.
mlir::LogicalResult runPhase(Phase phase, mlir::ModuleOp module, const Target &target, llvm::StringRef tuningCache = {},
                             bool exactOrder = false, llvm::StringRef reproducer = {}, llvm::StringRef storage = {});

/// Compiles the function `main` of a module of nn ops, whose arguments are data, and returns a plan's bytes: how constants are folded.
mlir::FailureOr<std::vector<std::byte>> compileForEvaluation(mlir::ModuleOp module, const Target &target);

} // namespace tenon
