// Numbers of the two binary formats that VectorMath computes in.
#pragma once
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::cpu {

struct FloatFormat {
  bool isDouble;
  int mantissa;      // bits of the fraction
  int64_t bias;      // of the exponent
  double magic;      // 1.5 * 2^mantissa: adding it rounds to an integer, whose bits are then the lowest ones
  int64_t one;       // bits of 1.0
  int64_t sqrtHalf;  // bits of sqrt(1/2)
  int64_t fraction;  // mask
  double infinity;

  static FloatFormat of(mlir::Value x) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    if (mlir::getElementTypeOrSelf(x).isF64())
      return {true, 52, 1023, 0x1.8p52, 0x3ff0000000000000, 0x3fe6a09e667f3bcd, 0x000fffffffffffff, inf};
    return {false, 23, 127, 0x1.8p23, 0x3f800000, 0x3f3504f3, 0x007fffff, inf};
  }
};

/// `compute` of an f32 register in f64.
inline mlir::Value inDouble(Registers r, mlir::Value x, llvm::function_ref<mlir::Value(mlir::Value)> compute) {
  if (mlir::getElementTypeOrSelf(x).isF64())
    return compute(x);
  mlir::Value wide = mlir::arith::ExtFOp::create(r.b.ops(), r.like(x, r.b.ops().getF64Type()), x);
  return mlir::arith::TruncFOp::create(r.b.ops(), x.getType(), compute(wide));
}

} // namespace tenon::cpu
