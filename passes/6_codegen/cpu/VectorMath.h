// Elementary functions as polynomials on scalars and vectors of f32 (and f64 where noted): no libm, stated errors.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

mlir::Value emitExp(KernelBuilder &b, mlir::Value x);      // max error 1 ulp; 0 below -103.97, inf above 88.73, NaN kept
mlir::Value emitExp2(KernelBuilder &b, mlir::Value x);
mlir::Value emitLog(KernelBuilder &b, mlir::Value x);
mlir::Value emitTanh(KernelBuilder &b, mlir::Value x);
mlir::Value emitErf(KernelBuilder &b, mlir::Value x);
mlir::Value emitSigmoid(KernelBuilder &b, mlir::Value x);
mlir::Value emitSilu(KernelBuilder &b, mlir::Value x);
mlir::Value emitGelu(KernelBuilder &b, mlir::Value x, bool tanhForm);
mlir::Value emitSin(KernelBuilder &b, mlir::Value x);      // Payne-Hanek is not used: |x| up to 1e5 keeps 2 ulp, beyond it reduces in f64
mlir::Value emitCos(KernelBuilder &b, mlir::Value x);
mlir::Value emitTan(KernelBuilder &b, mlir::Value x);
mlir::Value emitAtan(KernelBuilder &b, mlir::Value x);
mlir::Value emitAsin(KernelBuilder &b, mlir::Value x);
mlir::Value emitAcos(KernelBuilder &b, mlir::Value x);
mlir::Value emitPow(KernelBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value emitFloor(KernelBuilder &b, mlir::Value x);    // without libm on targets that lack the instruction
mlir::Value emitCeil(KernelBuilder &b, mlir::Value x);
mlir::Value emitRoundEven(KernelBuilder &b, mlir::Value x);
mlir::Value emitTrunc(KernelBuilder &b, mlir::Value x);

} // namespace tenon::cpu
