#include "passes/6_codegen/cpu/IntegerOps.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
using arith::CmpIPredicate;

struct Integers : Registers {
  bool isUnsigned;

  CmpIPredicate less() const { return isUnsigned ? CmpIPredicate::ult : CmpIPredicate::slt; }
  CmpIPredicate lessOrEqual() const { return isUnsigned ? CmpIPredicate::ule : CmpIPredicate::sle; }
  Value i(int64_t v, Value like) const { return integer(v, like.getType()); }
  Value neg(Value x) const { return subi(i(0, x), x); }
  Value equal(Value x, Value y) const { return cmp(CmpIPredicate::eq, x, y); }
  Value max(Value x, Value y) const { return select(cmp(less(), x, y), y, x); }
  Value min(Value x, Value y) const { return select(cmp(less(), y, x), y, x); }

  /// A divisor that cannot trap: 0 becomes 1, and so does -1 where signs count.
  Value safeDivisor(Value y) const {
    Value bad = equal(y, i(0, y));
    if (!isUnsigned)
      bad = ori(bad, equal(y, i(-1, y)));
    return select(bad, i(1, y), y);
  }
  Value div(Value x, Value y) const {
    Value divisor = safeDivisor(y);
    Value quotient = isUnsigned ? arith::DivUIOp::create(b.ops(), x, divisor).getResult()
                                : arith::DivSIOp::create(b.ops(), x, divisor).getResult();
    if (!isUnsigned)
      quotient = select(equal(y, i(-1, y)), neg(x), quotient);
    return select(equal(y, i(0, y)), i(0, y), quotient);
  }
  /// The remainder of the truncated quotient: the sign of x.
  Value remainder(Value x, Value y) const { return select(equal(y, i(0, y)), i(0, y), subi(x, muli(div(x, y), y))); }
  Value mod(Value x, Value y, bool fmod) const {
    Value rest = remainder(x, y);
    if (fmod || isUnsigned)
      return rest;
    Value differ = cmp(CmpIPredicate::slt, xori(rest, y), i(0, y));
    return select(andi(differ, cmp(CmpIPredicate::ne, rest, i(0, y))), addi(rest, y), rest);
  }
  Value shift(Value x, Value y, bool left) const {
    int64_t width = getElementTypeOrSelf(x).getIntOrFloatBitWidth();
    Value inside = cmp(CmpIPredicate::ult, y, i(width, y));
    if (!left && !isUnsigned) // the sign fills up, whatever the distance
      return arith::ShRSIOp::create(b.ops(), x, select(inside, y, i(width - 1, y)));
    Value amount = select(inside, y, i(0, y));
    Value shifted = left ? arith::ShLIOp::create(b.ops(), x, amount).getResult() : arith::ShRUIOp::create(b.ops(), x, amount).getResult();
    return select(inside, shifted, i(0, y));
  }
  Value sign(Value x) const {
    Value zero = i(0, x), positive = select(cmp(less(), zero, x), i(1, x), zero);
    return isUnsigned ? positive : select(cmp(CmpIPredicate::slt, x, zero), i(-1, x), positive);
  }
  /// By f64, nudged so that an exact power does not truncate to the number below.
  Value power(Value x, Value y, bool exponentUnsigned) const {
    Type f64 = b.ops().getF64Type(), element = getElementTypeOrSelf(x);
    Value result = emitPow(b, b.convert(x, f64, isUnsigned), b.convert(y, f64, exponentUnsigned));
    return b.convert(mul(result, 1 + 0x1p-45), element, false, isUnsigned);
  }
  /// Bounds are doubles; those beyond the type's range do not limit.
  Value bound(double v, Value like) const {
    int width = getElementTypeOrSelf(like).getIntOrFloatBitWidth();
    double low = isUnsigned ? 0 : -std::ldexp(1.0, width - 1), high = std::ldexp(1.0, isUnsigned ? width : width - 1);
    if (v >= high)
      return integer(isUnsigned ? -1 : int64_t((uint64_t(1) << (width - 1)) - 1), like.getType());
    if (v <= low)
      return integer(isUnsigned ? 0 : int64_t(uint64_t(1) << (width - 1)), like.getType());
    return integer(isUnsigned ? int64_t(uint64_t(v)) : int64_t(v), like.getType());
  }
  Value clip(nn::ClipOp op, Value x) const {
    if (op.getLow())
      x = max(x, bound(std::ceil(op.getLow()->convertToDouble()), x));
    if (op.getHigh())
      x = min(x, bound(std::floor(op.getHigh()->convertToDouble()), x));
    return x;
  }
};

Value emitUnary(const Integers &r, Operation *op, Value x) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::AbsOp) { return r.isUnsigned ? x : r.max(x, r.neg(x)); })
      .Case([&](nn::NegOp) { return r.neg(x); })
      .Case([&](nn::SignOp) { return r.sign(x); })
      .Case([&](nn::ReluOp) { return r.isUnsigned ? x : r.max(x, r.i(0, x)); })
      .Case<nn::NotOp, nn::BitwiseNotOp>([&](auto) { return r.xori(x, r.i(-1, x)); })
      .Case<nn::FloorOp, nn::CeilOp, nn::RoundOp>([&](auto) { return x; })
      .Case([&](nn::ClipOp o) { return r.clip(o, x); })
      .Default([](Operation *) { return Value(); });
}

Value emitBinary(const Integers &r, Operation *op, Value x, Value y) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::AddOp) { return r.addi(x, y); })
      .Case([&](nn::SubOp) { return r.subi(x, y); })
      .Case([&](nn::MulOp) { return r.muli(x, y); })
      .Case([&](nn::DivOp) { return r.div(x, y); })
      .Case([&](nn::PowOp o) { return r.power(x, y, getElementTypeOrSelf(o.getRhs()).isUnsignedInteger()); })
      .Case([&](nn::MaxOp) { return r.max(x, y); })
      .Case([&](nn::MinOp) { return r.min(x, y); })
      .Case<nn::AndOp, nn::BitwiseAndOp>([&](auto) { return r.andi(x, y); })
      .Case<nn::OrOp, nn::BitwiseOrOp>([&](auto) { return r.ori(x, y); })
      .Case<nn::XorOp, nn::BitwiseXorOp>([&](auto) { return r.xori(x, y); })
      .Case([&](nn::PreluOp) { return r.isUnsigned ? x : r.select(r.cmp(CmpIPredicate::slt, x, r.i(0, x)), r.muli(x, y), x); })
      .Case([&](nn::ModOp o) { return r.mod(x, y, o.getFmod()); })
      .Case([&](nn::BitShiftOp o) { return r.shift(x, y, o.getLeft()); })
      .Case([&](nn::EqualOp) { return r.equal(x, y); })
      .Case([&](nn::LessOp) { return r.cmp(r.less(), x, y); })
      .Case([&](nn::LessOrEqualOp) { return r.cmp(r.lessOrEqual(), x, y); })
      .Case([&](nn::GreaterOp) { return r.cmp(r.less(), y, x); })
      .Case([&](nn::GreaterOrEqualOp) { return r.cmp(r.lessOrEqual(), y, x); })
      .Default([](Operation *) { return Value(); });
}
} // namespace

bool isIntegerOp(Operation *op) {
  return isa<nn::AbsOp, nn::NegOp, nn::SignOp, nn::ReluOp, nn::NotOp, nn::BitwiseNotOp, nn::FloorOp, nn::CeilOp, nn::RoundOp, nn::ClipOp,
             nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::PowOp, nn::MaxOp, nn::MinOp, nn::AndOp, nn::BitwiseAndOp, nn::OrOp,
             nn::BitwiseOrOp, nn::XorOp, nn::BitwiseXorOp, nn::PreluOp, nn::ModOp, nn::BitShiftOp, nn::EqualOp, nn::LessOp,
             nn::LessOrEqualOp, nn::GreaterOp, nn::GreaterOrEqualOp>(op);
}

Value emitInteger(KernelBuilder &b, Operation *op, ValueRange operands, bool isUnsigned) {
  Integers r{{b}, isUnsigned};
  return operands.size() == 1 ? emitUnary(r, op, operands[0]) : emitBinary(r, op, operands[0], operands[1]);
}

} // namespace tenon::cpu
