// Phase graph: nn to nn. What the model computes, in fewer and larger ops, weights prepared, activations channels-last.
#pragma once
#include "passes/1_graph/FoldConstants.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace tenon::graph {

#define GEN_PASS_DECL
#include "passes/1_graph/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/1_graph/Passes.h.inc"

/// A unit attribute of functions whose products were all of bf16 when they were imported.
constexpr llvm::StringLiteral kOfBf16Attr = "tenon.of_bf16";

enum class Bf16Models { None, OfBf16, All };

struct GraphOptions {
  bool channelsLast = true;               // lay activations out with channels innermost
  bool promoteHalf = true;                // compute fp16 and bf16 tensors in f32: targets without half-precision arithmetic
  bool mergeMatMuls = true;               // products that share their input become one
  bool matrixUnits = false;               // kernels of products give and take sums of rows, and read operands side by side: those of GPUs
  Bf16Models bf16Factors = Bf16Models::None; // CPUs that multiply bf16: where to store the factors of products in it
  std::string storage;                    // "f16" or "bf16": store f32 tensors in this type; "tf32": round what products read; empty: as they are
  bool splitLSTMs = false;                // multiply the inputs of all steps before the steps
  ConstantEvaluator *evaluator = nullptr; // null: constant subgraphs stay as they are
};

std::unique_ptr<mlir::Pass> createLowerPrecision(llvm::StringRef element);

/// Adds the phase to a module's pass manager.
void buildGraphPipeline(mlir::OpPassManager &manager, const GraphOptions &options);
/// `--graph{channels-last=… promote-half=… merge-matmuls=…}`.
void registerGraphPipeline();

} // namespace tenon::graph
