// Quantized networks: what lies between DequantizeLinear and QuantizeLinear, on the integers. Part of phase graph.
#pragma once
#include "passes/1_graph/FoldConstants.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

namespace tenon::quantize {

/// `evaluator` computes the tables; null: nothing is tabulated. It must outlive the pass.
std::unique_ptr<mlir::Pass> createTabulateBytesPass(graph::ConstantEvaluator *evaluator);

#define GEN_PASS_DECL
#include "passes/2_quantize/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/2_quantize/Passes.h.inc"

} // namespace tenon::quantize
