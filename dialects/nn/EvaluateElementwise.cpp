#include "dialects/nn/EvaluateElementwise.h"
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

namespace {
using llvm::APFloat;
using llvm::APInt;
constexpr auto kNearest = APFloat::rmNearestTiesToEven;

// --- floats: APFloat rounds as IEEE says, like the generated code. f16 and bf16 compute in f32 there, which rounds to the
// same for these operations.

std::optional<APFloat> unaryFloat(Operation *op, APFloat x) {
  auto rounded = [&](llvm::RoundingMode mode) {
    x.roundToIntegral(mode);
    return x;
  };
  APFloat zero = APFloat::getZero(x.getSemantics());
  return llvm::TypeSwitch<Operation *, std::optional<APFloat>>(op)
      .Case([&](AbsOp) { return llvm::abs(x); })
      .Case([&](NegOp) { return llvm::neg(x); })
      .Case([&](FloorOp) { return rounded(APFloat::rmTowardNegative); })
      .Case([&](CeilOp) { return rounded(APFloat::rmTowardPositive); })
      .Case([&](RoundOp) { return rounded(kNearest); })
      .Case([&](ReluOp) { return x.isNaN() || x > zero ? x : zero; })
      .Case([&](SignOp) {
        if (x.isNaN() || x.isZero())
          return x;
        return APFloat(x.getSemantics(), x.isNegative() ? "-1" : "1");
      })
      .Case([&](ReciprocalOp) {
        APFloat one(x.getSemantics(), 1);
        one.divide(x, kNearest);
        return one;
      })
      .Case([&](SqrtOp) -> std::optional<APFloat> {
        if (&x.getSemantics() != &APFloat::IEEEsingle())
          return std::nullopt;
        return APFloat(std::sqrt(x.convertToFloat()));
      })
      .Case([&](ClipOp clip) {
        auto bound = [&](APFloat limit, bool low) {
          bool inexact;
          limit.convert(x.getSemantics(), kNearest, &inexact);
          if (!x.isNaN())
            x = low ? llvm::maximum(x, limit) : llvm::minimum(x, limit);
        };
        if (clip.getLow())
          bound(*clip.getLow(), true);
        if (clip.getHigh())
          bound(*clip.getHigh(), false);
        return x;
      })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<APFloat> binaryFloat(Operation *op, APFloat a, const APFloat &b) {
  return llvm::TypeSwitch<Operation *, std::optional<APFloat>>(op)
      .Case([&](AddOp) { return a + b; })
      .Case([&](SubOp) { return a - b; })
      .Case([&](MulOp) { return a * b; })
      .Case([&](DivOp) { return a / b; })
      .Case([&](MaxOp) { return llvm::maximum(a, b); })
      .Case([&](MinOp) { return llvm::minimum(a, b); })
      .Case([&](ModOp mod) -> std::optional<APFloat> {
        if (!mod.getFmod())
          return std::nullopt;
        a.mod(b);
        return a;
      })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<bool> compareFloat(Operation *op, const APFloat &a, const APFloat &b) {
  return llvm::TypeSwitch<Operation *, std::optional<bool>>(op)
      .Case([&](EqualOp) { return a == b; })
      .Case([&](LessOp) { return a < b; })
      .Case([&](LessOrEqualOp) { return a <= b; })
      .Case([&](GreaterOp) { return a > b; })
      .Case([&](GreaterOrEqualOp) { return a >= b; })
      .Default([](Operation *) { return std::nullopt; });
}

// --- integers wrap, like the generated code

/// A bound of nn.clip as an integer; none where it is not one.
std::optional<int64_t> integerBound(const APFloat &bound) {
  llvm::APSInt value(64, /*isUnsigned=*/false);
  bool exact;
  if (bound.convertToInteger(value, APFloat::rmTowardZero, &exact) != APFloat::opOK)
    return std::nullopt;
  return value.getExtValue();
}

std::optional<Dim> clipSize(ClipOp clip, Dim x) {
  for (auto [bound, low] : {std::pair(clip.getLow(), true), std::pair(clip.getHigh(), false)}) {
    if (!bound)
      continue;
    std::optional<int64_t> limit = integerBound(*bound);
    if (!limit)
      return std::nullopt;
    Dim other = Dim::constant(x.context(), *limit);
    x = low ? x.max(other) : x.min(other);
  }
  return x;
}

std::optional<APInt> unaryInteger(Operation *op, APInt x, bool noSign) {
  unsigned bits = x.getBitWidth();
  APInt zero(bits, 0);
  return llvm::TypeSwitch<Operation *, std::optional<APInt>>(op)
      .Case([&](AbsOp) { return noSign ? x : x.abs(); })
      .Case([&](NegOp) { return -x; })
      .Case<NotOp, BitwiseNotOp>([&](auto) { return ~x; })
      .Case([&](ReluOp) { return noSign ? x : llvm::APIntOps::smax(x, zero); })
      .Case([&](SignOp) {
        if (x.isZero())
          return x;
        return !noSign && x.isNegative() ? APInt::getAllOnes(bits) : APInt(bits, 1);
      })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<APInt> divideInteger(const APInt &a, const APInt &b, bool noSign) {
  if (b.isZero() || (!noSign && a.isMinSignedValue() && b.isAllOnes()))
    return std::nullopt;
  return noSign ? a.udiv(b) : a.sdiv(b);
}

std::optional<APInt> remainder(const APInt &a, const APInt &b, bool noSign, bool signOfLhs) {
  if (b.isZero() || (!noSign && b.isAllOnes()))
    return b.isZero() ? std::nullopt : std::optional(APInt(a.getBitWidth(), 0));
  if (noSign)
    return a.urem(b);
  APInt rest = a.srem(b);
  bool otherSign = !rest.isZero() && rest.isNegative() != b.isNegative();
  return !signOfLhs && otherSign ? rest + b : rest;
}

std::optional<APInt> binaryInteger(Operation *op, const APInt &a, const APInt &b, bool noSign) {
  return llvm::TypeSwitch<Operation *, std::optional<APInt>>(op)
      .Case([&](AddOp) { return a + b; })
      .Case([&](SubOp) { return a - b; })
      .Case([&](MulOp) { return a * b; })
      .Case([&](DivOp) { return divideInteger(a, b, noSign); })
      .Case([&](ModOp mod) { return remainder(a, b, noSign, mod.getFmod()); })
      .Case([&](MaxOp) { return noSign ? llvm::APIntOps::umax(a, b) : llvm::APIntOps::smax(a, b); })
      .Case([&](MinOp) { return noSign ? llvm::APIntOps::umin(a, b) : llvm::APIntOps::smin(a, b); })
      .Case<AndOp, BitwiseAndOp>([&](auto) { return a & b; })
      .Case<OrOp, BitwiseOrOp>([&](auto) { return a | b; })
      .Case<XorOp, BitwiseXorOp>([&](auto) { return a ^ b; })
      .Case([&](BitShiftOp shift) -> std::optional<APInt> {
        if (b.uge(a.getBitWidth()))
          return std::nullopt;
        return shift.getLeft() ? a.shl(b) : (noSign ? a.lshr(b) : a.ashr(b));
      })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<bool> compareInteger(Operation *op, const APInt &a, const APInt &b, bool noSign) {
  return llvm::TypeSwitch<Operation *, std::optional<bool>>(op)
      .Case([&](EqualOp) { return a == b; })
      .Case([&](LessOp) { return noSign ? a.ult(b) : a.slt(b); })
      .Case([&](LessOrEqualOp) { return noSign ? a.ule(b) : a.sle(b); })
      .Case([&](GreaterOp) { return noSign ? a.ugt(b) : a.sgt(b); })
      .Case([&](GreaterOrEqualOp) { return noSign ? a.uge(b) : a.sge(b); })
      .Default([](Operation *) { return std::nullopt; });
}

// --- sizes: only what is true whatever the symbols are

bool notNegative(Dim a) { return a.lowerBound().value_or(-1) >= 0; }

std::optional<Dim> divideSizes(Dim a, Dim b) {
  if (std::optional<Dim> exact = a.dividedExactlyBy(b))
    return exact;
  // Truncation is floor where nothing is negative; a divisor that is a size is positive, or the model divides by zero.
  bool positive = b.isConstant() ? b.lowerBound() > 0 : notNegative(b);
  return positive && notNegative(a) ? std::optional(a.floorDiv(b)) : std::nullopt;
}

std::optional<Dim> binarySizes(Operation *op, Dim a, Dim b) {
  return llvm::TypeSwitch<Operation *, std::optional<Dim>>(op)
      .Case([&](AddOp) { return a + b; })
      .Case([&](SubOp) { return a - b; })
      .Case([&](MulOp) { return a * b; })
      .Case([&](DivOp) { return divideSizes(a, b); })
      .Case([&](MaxOp) { return a.max(b); })
      .Case([&](MinOp) { return a.min(b); })
      .Case([&](ModOp mod) -> std::optional<Dim> {
        bool positive = b.isConstant() ? b.lowerBound() > 0 : notNegative(b);
        return positive && (!mod.getFmod() || notNegative(a)) ? std::optional(a.mod(b)) : std::nullopt;
      })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<Dim> unarySizes(Operation *op, Dim a) {
  return llvm::TypeSwitch<Operation *, std::optional<Dim>>(op)
      .Case([&](NegOp) { return a * -1; })
      .Case<AbsOp>([&](auto) { return notNegative(a) ? std::optional(a) : std::nullopt; })
      .Case<ReluOp>([&](auto) { return a.max(Dim::constant(a.context(), 0)); })
      .Case([&](ClipOp clip) { return clipSize(clip, a); })
      .Default([](Operation *) { return std::nullopt; });
}

std::optional<bool> lessSizes(Dim a, Dim b, bool orEqual) {
  int64_t gap = orEqual ? 0 : 1;
  if ((b - a).lowerBound().value_or(gap - 1) >= gap)
    return true;
  if ((a - b).lowerBound().value_or(-gap) >= 1 - gap)
    return false;
  return std::nullopt;
}

std::optional<bool> compareSizes(Operation *op, Dim a, Dim b) {
  return llvm::TypeSwitch<Operation *, std::optional<bool>>(op)
      .Case([&](EqualOp) { return a == b ? std::optional(true) : (provedDifferent(a, b) ? std::optional(false) : std::nullopt); })
      .Case([&](LessOp) { return lessSizes(a, b, false); })
      .Case([&](LessOrEqualOp) { return lessSizes(a, b, true); })
      .Case([&](GreaterOp) { return lessSizes(b, a, false); })
      .Case([&](GreaterOrEqualOp) { return lessSizes(b, a, true); })
      .Default([](Operation *) { return std::nullopt; });
}

// --- the ops that look at several kinds

bool castElement(const Known &from, int64_t i, Known &result) {
  Type to = result.type.getElementType(), source = from.type.getElementType();
  if (from.isSizes()) {
    result.sizes.push_back(from.sizes[i]);
    return to.isInteger(64) || to.isInteger(32);
  }
  bool inexact = false;
  if (auto floatType = dyn_cast<FloatType>(to)) {
    if (floatType.getWidth() < 16)
      return false; // saturation is the generated code's business
    APFloat value(floatType.getFloatSemantics());
    if (from.isFloat()) {
      value = from.floats[i];
      if (value.isNaN() && &value.getSemantics() != &floatType.getFloatSemantics())
        return false; // LLVM makes infinity of a NaN that has no fraction
      value.convert(floatType.getFloatSemantics(), kNearest, &inexact);
    } else {
      value.convertFromAPInt(from.integers[i], !isUnsigned(source), kNearest);
    }
    result.floats.push_back(value);
    return true;
  }
  auto integerType = dyn_cast<IntegerType>(to);
  if (!integerType)
    return false;
  unsigned bits = integerType.getWidth();
  if (bits == 1) {
    result.integers.push_back(APInt(1, from.isFloat() ? !from.floats[i].isZero() : !from.integers[i].isZero()));
    return true;
  }
  if (!from.isFloat()) {
    result.integers.push_back(isUnsigned(source) ? from.integers[i].zextOrTrunc(bits) : from.integers[i].sextOrTrunc(bits));
    return true;
  }
  llvm::APSInt value(bits, isUnsigned(to));
  if (from.floats[i].convertToInteger(value, APFloat::rmTowardZero, &inexact) == APFloat::opInvalidOp)
    return false;
  result.integers.push_back(value);
  return true;
}

bool selectElement(ArrayRef<Known> operands, ArrayRef<int64_t> at, Known &result) {
  unsigned chosen = operands[0].integers[at[0]].isZero() ? 2 : 1;
  const Known &from = operands[chosen];
  if (from.isSizes())
    result.sizes.push_back(from.sizes[at[chosen]]);
  else if (from.isFloat())
    result.floats.push_back(from.floats[at[chosen]]);
  else
    result.integers.push_back(from.integers[at[chosen]]);
  return true;
}

template <typename T> bool append(SmallVector<T> &to, std::optional<T> value) {
  if (value)
    to.push_back(*value);
  return value.has_value();
}

bool appendBool(Known &result, std::optional<bool> value) {
  if (value)
    result.integers.push_back(APInt(1, *value));
  return value.has_value();
}

bool unaryElement(Operation *op, const Known &x, int64_t i, Known &result) {
  if (isa<IsNanOp>(op))
    return appendBool(result, x.floats[i].isNaN());
  if (auto test = dyn_cast<IsInfOp>(op))
    return appendBool(result, x.floats[i].isInfinity() && (x.floats[i].isNegative() ? test.getNegative() : test.getPositive()));
  if (x.isSizes())
    return append(result.sizes, unarySizes(op, x.sizes[i]));
  if (x.isFloat())
    return append(result.floats, unaryFloat(op, x.floats[i]));
  return append(result.integers, unaryInteger(op, x.integers[i], isUnsigned(x.type.getElementType())));
}

bool binaryElement(Operation *op, ArrayRef<Known> operands, ArrayRef<int64_t> at, Known &result) {
  const Known &a = operands[0], &b = operands[1];
  bool compares = isa<EqualOp, LessOp, LessOrEqualOp, GreaterOp, GreaterOrEqualOp>(op);
  if (a.isSizes()) {
    Dim x = a.sizes[at[0]], y = b.sizes[at[1]];
    return compares ? appendBool(result, compareSizes(op, x, y)) : append(result.sizes, binarySizes(op, x, y));
  }
  if (a.type.getElementType() != b.type.getElementType())
    return false; // pow with mixed types
  if (a.isFloat()) {
    const APFloat &x = a.floats[at[0]], &y = b.floats[at[1]];
    return compares ? appendBool(result, compareFloat(op, x, y)) : append(result.floats, binaryFloat(op, x, y));
  }
  bool noSign = isUnsigned(a.type.getElementType());
  const APInt &x = a.integers[at[0]], &y = b.integers[at[1]];
  return compares ? appendBool(result, compareInteger(op, x, y, noSign)) : append(result.integers, binaryInteger(op, x, y, noSign));
}
} // namespace

bool evaluateElement(Operation *op, ArrayRef<Known> operands, ArrayRef<int64_t> at, Known &result) {
  if (isa<CastOp>(op))
    return castElement(operands[0], at[0], result);
  if (isa<SelectOp>(op))
    return selectElement(operands, at, result);
  return operands.size() == 1 ? unaryElement(op, operands[0], at[0], result) : binaryElement(op, operands, at, result);
}

} // namespace tenon::nn
