// Resize at an element: for each axis the input elements it takes and their weights, combined as a product of axes.
// Coordinates and weights follow the ONNX definition of Resize (opset 19), in f32.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/ResizeCoordinates.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
/// Taps j in `range` of one axis: input index and weight.
struct AxisTaps {
  unsigned axis;
  Range range;
  std::function<Index(Index)> index;
  std::function<Value(Index)> weight; // null: one tap of weight 1
};

struct ResizeTaps {
  KernelBuilder &b;
  nn::ResizeOp op;
  Type f32;

  ResizeTaps(KernelBuilder &b, nn::ResizeOp op) : b(b), op(op), f32(b.ops().getF32Type()) {}
  Value real(double v) { return b.constant(v, f32); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b.ops(), x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b.ops(), x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b.ops(), x, y); }
  Value less(Value x, Value y) { return arith::CmpFOp::create(b.ops(), arith::CmpFPredicate::OLT, x, y); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b.ops(), c, x, y); }
  Value toReal(Index i) { return arith::SIToFPOp::create(b.ops(), f32, b.value(i)); }
  Index toIndex(Value x) { return Index(arith::FPToSIOp::create(b.ops(), b.ops().getI64Type(), x).getResult()); }

  /// The cubic convolution kernel (Keys 1981) with coefficient a at distance |t|.
  Value cubic(Value t) {
    double a = op.getCubicCoefficient().convertToDouble();
    Value x = math::AbsFOp::create(b.ops(), t);
    Value near = b.fma(b.fma(real(a + 2), x, real(-(a + 3))), mul(x, x), real(1));
    Value far = b.fma(b.fma(b.fma(real(a), x, real(-5 * a)), x, real(8 * a)), x, real(-4 * a));
    return select(less(x, real(1)), near, select(less(x, real(2)), far, real(0)));
  }
  Value triangle(Value t) {
    Value rest = sub(real(1), math::AbsFOp::create(b.ops(), t));
    return select(less(rest, real(0)), real(0), rest);
  }
  Index clamp(Index i, Index size) { return b.max(b.min(i, b.sub(size, 1)), 0); }

  AxisTaps of(unsigned axis, Value x, Index input, Value scale) {
    AxisTaps taps{axis, {0, 1}, {}, {}};
    bool isCubic = op.getMode() == nn::ResizeMode::Cubic;
    if (op.getMode() == nn::ResizeMode::Nearest) {
      Index i = nearestIndex(b, op, x, input);
      taps.index = [=](Index) { return i; };
      return taps;
    }
    if (op.getAntialias()) {
      // A filter as wide as the input pixels under one result pixel; never narrower than the plain one.
      Value narrow = select(less(scale, real(1)), scale, real(1));
      Value support = arith::DivFOp::create(b.ops(), real(isCubic ? 2 : 1), narrow), centre = add(x, real(0.5));
      Index first = toIndex(emitFloor(b, add(sub(centre, support), real(0.5)))), end = toIndex(emitFloor(b, add(add(centre, support), real(0.5))));
      taps.range = op.getExcludeOutside() ? Range{b.max(first, 0), b.min(end, input)} : Range{first, end};
      taps.index = [this, input](Index j) { return clamp(j, input); };
      taps.weight = [this, isCubic, narrow, centre](Index j) {
        Value t = mul(add(sub(toReal(j), centre), real(0.5)), narrow);
        return isCubic ? cubic(t) : triangle(t);
      };
      return taps;
    }
    if (!isCubic) {
      LinearTaps linear = linearTaps(b, x, input);
      taps.range = {0, 2};
      taps.index = [=](Index j) { return j.is(0) ? linear.low : linear.high; };
      taps.weight = [=, this](Index j) { return j.is(0) ? sub(real(1), linear.fraction) : linear.fraction; };
      return taps;
    }
    Value floor = emitFloor(b, x), fraction = sub(x, floor);
    Index base = toIndex(floor);
    taps.range = {0, 4};
    taps.index = [this, base, input](Index j) { return clamp(b.add(base, b.sub(j, 1)), input); };
    taps.weight = [this, fraction, base, input](Index j) {
      Value w = cubic(sub(fraction, real(double(j.get()) - 1)));
      if (!op.getExcludeOutside())
        return w;
      Index i = b.add(base, b.sub(j, 1));
      Value inside = arith::AndIOp::create(b.ops(), b.lessThan(-1, i), b.lessThan(i, input));
      return select(inside, w, real(0));
    };
    return taps;
  }
};
} // namespace

Value Evaluator::resizeAt(nn::ResizeOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  ResizeTaps maker(b, op);
  auto input = nn::dimsOf(op.getInput().getType()), output = nn::dimsOf(op.getType());
  Type type = typeAt(op, place.lanes), element = getElementTypeOrSelf(type);
  SmallVector<AxisTaps> taps;
  Value outside;
  for (unsigned axis = 0; axis < input.size(); ++axis) {
    if (isCopiedAxis(op, axis))
      continue;
    ResizeAxis coordinates{axis, b.dim(input[axis]), b.dim(output[axis])};
    Value scale = resizeScale(b, op, coordinates), x = inputCoordinate(b, op, coordinates, scale, place.index[axis]);
    if (op.getCoordinates() == nn::CoordinateMode::TfCropAndResize)
      for (Value beyond : {maker.less(x, maker.real(0)), maker.less(maker.toReal(b.sub(coordinates.input, 1)), x)})
        outside = outside ? arith::OrIOp::create(b.ops(), outside, beyond).getResult() : beyond;
    taps.push_back(maker.of(axis, x, coordinates.input, scale));
  }
  bool weighted = op.getMode() != nn::ResizeMode::Nearest && !taps.empty();
  bool normalized = weighted && (op.getAntialias() || (op.getMode() == nn::ResizeMode::Cubic && op.getExcludeOutside()));
  Type f32 = b.ops().getF32Type(), sumElement = element.isF64() ? element : f32;
  Type sumType = place.lanes ? Type(VectorType::get({place.lanes}, sumElement)) : sumElement;

  Place there{place};
  auto value = [&] { return at(op.getInput(), there); };
  Value result;
  if (!weighted) {
    for (AxisTaps &t : taps)
      there.index[t.axis] = t.index(0);
    result = value();
  } else {
    // Sum of weight * value and sum of weights, axis by axis: unrolled where the taps are few, else in loops.
    using Values = KernelBuilder::Values;
    std::function<Values(unsigned, Value, ValueRange)> level = [&](unsigned depth, Value weight, ValueRange sums) -> Values {
      if (depth == taps.size()) {
        Value w = spread(b.convert(weight, sumElement), place.lanes);
        return {b.fma(b.convert(value(), sumElement), w, sums[0]), normalized ? maker.add(sums[1], weight) : sums[1]};
      }
      AxisTaps &t = taps[depth];
      auto step = [&](Index j, ValueRange in) {
        there.index[t.axis] = t.index(j);
        Value w = t.weight(j);
        return level(depth + 1, weight ? maker.mul(weight, w) : w, in);
      };
      Values out(sums);
      if (t.range.low.isConstant() && t.range.high.isConstant()) {
        for (int64_t j = t.range.low.get(); j < t.range.high.get(); ++j)
          out = step(j, out);
        return out;
      }
      return b.loop(t.range.low, t.range.high, 1, out, [&](Index j, ValueRange in) {
        Scope scope(*this);
        return step(j, in);
      });
    };
    Values sums = level(0, {}, ValueRange{b.constant(0, sumType), b.constant(0, f32)});
    result = sums[0];
    if (normalized)
      result = arith::DivFOp::create(b.ops(), result, spread(b.convert(sums[1], sumElement), place.lanes));
    result = b.convert(result, element);
  }
  if (!outside)
    return result;
  return choose(type, outside, [&] { return b.constant(op.getExtrapolationValue().convertToDouble(), type); }, [&] { return result; });
}

} // namespace tenon::cpu
