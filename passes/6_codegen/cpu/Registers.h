// Short names for arithmetic on registers (scalars and vectors alike), for code that is all formulas.
#pragma once
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Registers hold integers without a sign; the operations know it from nn's types.
inline mlir::Type signless(mlir::Type element) {
  auto integer = mlir::dyn_cast<mlir::IntegerType>(element);
  return integer ? mlir::IntegerType::get(element.getContext(), integer.getWidth()) : element;
}

struct Registers {
  KernelBuilder &b;
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// `element`, or a vector of it with the lanes of `v`.
  Type like(Value v, Type element) const {
    auto vector = mlir::dyn_cast<mlir::VectorType>(v.getType());
    return vector ? Type(vector.clone(element)) : element;
  }
  Value c(double v, Value like) const { return b.constant(v, like.getType()); }
  Value integer(int64_t v, Type like) const { return b.integer(v, like); }

  // --- floats
  Value add(Value x, Value y) const { return mlir::arith::AddFOp::create(b.ops(), x, y); }
  Value sub(Value x, Value y) const { return mlir::arith::SubFOp::create(b.ops(), x, y); }
  Value mul(Value x, Value y) const { return mlir::arith::MulFOp::create(b.ops(), x, y); }
  Value div(Value x, Value y) const { return mlir::arith::DivFOp::create(b.ops(), x, y); }
  /// For |y| from 2^-126 to 2^126; to 2 ulp on GPUs, in a few instructions.
  Value quickDiv(Value x, Value y) const {
    return mlir::arith::DivFOp::create(b.ops(), x, y, b.target().isGpu() ? mlir::arith::FastMathFlags::afn : mlir::arith::FastMathFlags::none);
  }
  /// 2^y of f32 by the special function unit of a GPU: to 2 ulp, and 0 or infinity beyond the range.
  Value unitExp2(Value y) const {
    auto op = mlir::LLVM::Exp2Op::create(b.ops(), y);
    op.setFastmathFlags(mlir::LLVM::FastmathFlags::afn);
    return op;
  }
  Value neg(Value x) const { return mlir::arith::NegFOp::create(b.ops(), x); }
  Value fma(Value x, Value y, Value z) const { return b.fma(x, y, z); }
  Value add(Value x, double y) const { return add(x, c(y, x)); }
  Value sub(Value x, double y) const { return sub(x, c(y, x)); }
  Value mul(Value x, double y) const { return mul(x, c(y, x)); }
  Value fma(Value x, double y, Value z) const { return fma(x, c(y, x), z); }
  Value fma(Value x, Value y, double z) const { return fma(x, y, c(z, x)); }
  Value abs(Value x) const { return mlir::LLVM::FAbsOp::create(b.ops(), x); }
  Value sqrt(Value x) const { return mlir::LLVM::SqrtOp::create(b.ops(), x); }
  /// By bits: LLVM moves a rounding to f16 above its own copysign, and then calls a library for the sign's.
  Value copySign(Value magnitude, Value sign) const {
    Value from = bits(sign), to = bits(magnitude);
    int width = mlir::getElementTypeOrSelf(from).getIntOrFloatBitWidth();
    Value mask = integer(int64_t(uint64_t(1) << (width - 1)), from.getType());
    Value rest = integer(int64_t((uint64_t(1) << (width - 1)) - 1), from.getType());
    return asFloat(ori(andi(to, rest), andi(from, mask)));
  }
  /// The larger of x and a bound that is not NaN; a NaN x comes through. One instruction on x86 (maxps returns its second operand).
  Value atLeast(Value x, Value bound) const { return select(cmp(mlir::arith::CmpFPredicate::OGT, bound, x), bound, x); }
  Value atMost(Value x, Value bound) const { return select(cmp(mlir::arith::CmpFPredicate::OLT, bound, x), bound, x); }
  Value clamp(Value x, double low, double high) const { return atMost(atLeast(x, c(low, x)), c(high, x)); }
  Value clampTo(Value x, Value low, Value high) const { return atMost(atLeast(x, low), high); }
  /// coefficients[0] + coefficients[1] * x + ... by Horner's rule.
  Value polynomial(Value x, llvm::ArrayRef<double> coefficients) const {
    Value y = c(coefficients.back(), x);
    for (double k : llvm::reverse(coefficients.drop_back()))
      y = fma(y, x, k);
    return y;
  }

  // --- integers
  Value addi(Value x, Value y) const { return mlir::arith::AddIOp::create(b.ops(), x, y); }
  Value subi(Value x, Value y) const { return mlir::arith::SubIOp::create(b.ops(), x, y); }
  Value muli(Value x, Value y) const { return mlir::arith::MulIOp::create(b.ops(), x, y); }
  Value andi(Value x, Value y) const { return mlir::arith::AndIOp::create(b.ops(), x, y); }
  Value ori(Value x, Value y) const { return mlir::arith::OrIOp::create(b.ops(), x, y); }
  Value xori(Value x, Value y) const { return mlir::arith::XOrIOp::create(b.ops(), x, y); }
  Value shl(Value x, int64_t bits) const { return mlir::arith::ShLIOp::create(b.ops(), x, integer(bits, x.getType())); }
  Value shr(Value x, int64_t bits) const { return mlir::arith::ShRUIOp::create(b.ops(), x, integer(bits, x.getType())); }
  Value shrSigned(Value x, int64_t bits) const { return mlir::arith::ShRSIOp::create(b.ops(), x, integer(bits, x.getType())); }
  Value zext(Value x, Type to) const { return mlir::arith::ExtUIOp::create(b.ops(), to, x); }
  Value truncate(Value x, Type to) const { return mlir::arith::TruncIOp::create(b.ops(), to, x); }

  // --- choices and bits
  Value cmp(mlir::arith::CmpFPredicate p, Value x, Value y) const { return mlir::arith::CmpFOp::create(b.ops(), p, x, y); }
  Value cmp(mlir::arith::CmpIPredicate p, Value x, Value y) const { return mlir::arith::CmpIOp::create(b.ops(), p, x, y); }
  Value select(Value condition, Value x, Value y) const { return mlir::arith::SelectOp::create(b.ops(), condition, x, y); }
  Value isNan(Value x) const { return cmp(mlir::arith::CmpFPredicate::UNO, x, x); }
  Value bitcast(Value x, Type to) const { return mlir::arith::BitcastOp::create(b.ops(), to, x); }
  /// The bits of a float as an integer of its width, and back (32 or 64 bits).
  Value bits(Value x) const {
    return bitcast(x, like(x, b.ops().getIntegerType(mlir::getElementTypeOrSelf(x).getIntOrFloatBitWidth())));
  }
  Value asFloat(Value x) const {
    bool wide = mlir::getElementTypeOrSelf(x).isInteger(64);
    return bitcast(x, like(x, wide ? Type(b.ops().getF64Type()) : Type(b.ops().getF32Type())));
  }
};

} // namespace tenon::cpu
