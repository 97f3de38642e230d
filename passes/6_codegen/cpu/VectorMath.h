// Elementary functions on scalars and vectors of f32 and f64: polynomials, no library call on any target.
//
// Errors are the largest against a double (f32) or long double (f64) reference, in units of the last place of the result, and hold
// with and without fused multiply-add; test/unit/codegen measures them. NaN gives NaN, and the ends of the range are IEEE's.
// On GPUs the exponential below zero, the sigmoid, SiLU, GELU and tanh take f32 exponentials and quotients from the special function unit, which
// errs by 2 ulp (and by what rounding the argument of the exponential adds: 1e-5 at -87).
// The coefficients come from FitCoefficients.py. The rare functions compute f32 in f64: half the lanes, and nothing can cancel.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

mlir::Value emitExp(KernelBuilder &b, mlir::Value x);      // 1.3 ulp; subnormal results are right, 0 below -103.98, inf above 88.73
/// For x <= 0 where speed matters (softmax): 2.3 ulp, and 0 below -87.3.
mlir::Value emitExpNegative(KernelBuilder &b, mlir::Value x);
mlir::Value emitExp2(KernelBuilder &b, mlir::Value x);     // 1.3 ulp; ends of the range as emitExp
mlir::Value emitExpm1(KernelBuilder &b, mlir::Value x);    // e^x - 1: 2.6 ulp
mlir::Value emitExpm1Negative(KernelBuilder &b, mlir::Value x); // the same for x <= 0, cheaper
mlir::Value emitLog(KernelBuilder &b, mlir::Value x);      // 1 ulp, subnormal arguments included; -inf at 0, NaN below
mlir::Value emitLog1p(KernelBuilder &b, mlir::Value x);    // log(1 + x): 1 ulp
mlir::Value emitTanh(KernelBuilder &b, mlir::Value x);     // 5 ulp, within [-1, 1]
mlir::Value emitErf(KernelBuilder &b, mlir::Value x);      // 7 ulp, within [-1, 1]
mlir::Value emitSigmoid(KernelBuilder &b, mlir::Value x);  // 4 ulp for x > -80
mlir::Value emitSilu(KernelBuilder &b, mlir::Value x);     // 4 ulp for x >= -1, 20 ulp for x > -20: base 2 is a third faster
mlir::Value emitGelu(KernelBuilder &b, mlir::Value x, bool tanhForm); // absolute error 1e-6 for |x| < 6, relative 4e-7 above
mlir::Value emitSoftplus(KernelBuilder &b, mlir::Value x); // 1 ulp
mlir::Value emitMish(KernelBuilder &b, mlir::Value x);     // 5 ulp for x > -20
mlir::Value emitSin(KernelBuilder &b, mlir::Value x);      // f32: 1 ulp for |x| < 8e8; beyond that only |result| <= 1
mlir::Value emitCos(KernelBuilder &b, mlir::Value x);
mlir::Value emitTan(KernelBuilder &b, mlir::Value x);
mlir::Value emitAtan(KernelBuilder &b, mlir::Value x);     // this and all below: 1 ulp for f32
mlir::Value emitAsin(KernelBuilder &b, mlir::Value x);
mlir::Value emitAcos(KernelBuilder &b, mlir::Value x);
mlir::Value emitSinh(KernelBuilder &b, mlir::Value x);
mlir::Value emitCosh(KernelBuilder &b, mlir::Value x);
mlir::Value emitAsinh(KernelBuilder &b, mlir::Value x);
mlir::Value emitAcosh(KernelBuilder &b, mlir::Value x);
mlir::Value emitAtanh(KernelBuilder &b, mlir::Value x);
mlir::Value emitPow(KernelBuilder &b, mlir::Value x, mlir::Value y); // C's pow, special cases included
mlir::Value emitSqrt(KernelBuilder &b, mlir::Value x);     // correctly rounded
mlir::Value emitFmod(KernelBuilder &b, mlir::Value x, mlir::Value y); // sign of x; exact for f32 while |x / y| < 2^29
mlir::Value emitFloor(KernelBuilder &b, mlir::Value x);    // the four roundings are exact; without the instruction where a target lacks it
mlir::Value emitCeil(KernelBuilder &b, mlir::Value x);
mlir::Value emitRoundEven(KernelBuilder &b, mlir::Value x);
mlir::Value emitTrunc(KernelBuilder &b, mlir::Value x);

} // namespace tenon::cpu
