// Passes of phase codegen. Compilation itself goes through EmitKernels.h.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace tenon::cpu {

#define GEN_PASS_DECL
#include "passes/6_codegen/cpu/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/6_codegen/cpu/Passes.h.inc"

} // namespace tenon::cpu
