#include "passes/6_codegen/cpu/ResizeCoordinates.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

static Value toReal(KernelBuilder &b, Index i) {
  Type f32 = b.ops().getF32Type();
  return i.isConstant() ? b.constant(double(i.get()), f32) : arith::SIToFPOp::create(b.ops(), f32, i.dynamic()).getResult();
}
static Index toIndex(KernelBuilder &b, Value x) { return Index(arith::FPToSIOp::create(b.ops(), b.ops().getI64Type(), x).getResult()); }

/// The bits of a scale that only the run knows; none where the scale is known.
static std::optional<nn::Dim> scaleBits(nn::ResizeOp op, unsigned axis) {
  if (!op.getScaleBits() || op.getScaleBits()->dims()[axis].isConstant(0))
    return std::nullopt;
  return op.getScaleBits()->dims()[axis];
}

bool isCopiedAxis(nn::ResizeOp op, unsigned axis) {
  if (scaleBits(op, axis))
    return false;
  double scale = op.getScales()[axis];
  return nn::dimOf(op.getInput().getType(), axis) == nn::dimOf(op.getType(), axis) && (scale == 0 || scale == 1) &&
         op.getCoordinates() != nn::CoordinateMode::TfCropAndResize;
}

Value resizeScale(KernelBuilder &b, nn::ResizeOp op, const ResizeAxis &axis) {
  if (std::optional<nn::Dim> bits = scaleBits(op, axis.axis)) {
    Value narrow = arith::TruncIOp::create(b.ops(), b.ops().getI32Type(), b.value(b.dim(*bits)));
    return arith::BitcastOp::create(b.ops(), b.ops().getF32Type(), narrow);
  }
  if (double given = op.getScales()[axis.axis]; given != 0)
    return b.constant(given, b.ops().getF32Type());
  if (axis.input.isConstant() && axis.output.isConstant())
    return b.constant(float(axis.output.get()) / float(axis.input.get()), b.ops().getF32Type());
  return arith::DivFOp::create(b.ops(), toReal(b, axis.output), toReal(b, axis.input));
}

Value inputCoordinate(KernelBuilder &b, nn::ResizeOp op, const ResizeAxis &axis, Value scale, Index i) {
  auto &ops = b.ops();
  auto real = [&](double v) { return b.constant(v, ops.getF32Type()); };
  auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(ops, x, y); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(ops, x, y); };
  auto mul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(ops, x, y); };
  auto div = [&](Value x, Value y) -> Value { return arith::DivFOp::create(ops, x, y); };
  Value x = toReal(b, i);
  auto halfPixel = [&] { return sub(div(add(x, real(0.5)), scale), real(0.5)); };
  // Where the result has one element, `single` takes the place of the formula (which would divide by zero).
  auto unlessSingle = [&](Value formula, Value single) -> Value {
    if (axis.output.isConstant())
      return axis.output.is(1) ? single : formula;
    return arith::SelectOp::create(ops, b.equal(axis.output, 1), single, formula);
  };
  Value lastInput = toReal(b, b.sub(axis.input, 1)), lastOutput = toReal(b, b.max(b.sub(axis.output, 1), 1));
  if (scaleBits(op, axis.axis) || op.getScales()[axis.axis] != 0) // the length is scaled as a number, and not rounded
    lastOutput = sub(mul(toReal(b, axis.input), scale), real(1));
  switch (op.getCoordinates()) {
  case nn::CoordinateMode::HalfPixel:
    return halfPixel();
  case nn::CoordinateMode::HalfPixelSymmetric: {
    Value adjustment = div(toReal(b, axis.output), mul(scale, toReal(b, axis.input)));
    Value offset = mul(mul(toReal(b, axis.input), real(0.5)), sub(real(1), adjustment));
    return add(offset, halfPixel());
  }
  case nn::CoordinateMode::PytorchHalfPixel:
    return unlessSingle(halfPixel(), real(0));
  case nn::CoordinateMode::AlignCorners:
    return unlessSingle(div(mul(x, lastInput), lastOutput), real(0));
  case nn::CoordinateMode::Asymmetric:
    return div(x, scale);
  case nn::CoordinateMode::TfHalfPixelForNN:
    return div(add(x, real(0.5)), scale);
  case nn::CoordinateMode::TfCropAndResize: {
    ArrayRef<double> roi = op.getRoi().value_or(ArrayRef<double>());
    size_t rank = cast<ShapedType>(op.getType()).getRank();
    double start = roi.size() == 2 * rank ? roi[axis.axis] : 0, end = roi.size() == 2 * rank ? roi[rank + axis.axis] : 1;
    Value formula = add(mul(real(start), lastInput), div(mul(mul(x, real(end - start)), lastInput), lastOutput));
    return unlessSingle(formula, mul(real(0.5 * (start + end)), lastInput));
  }
  }
  return x;
}

Index nearestIndex(KernelBuilder &b, nn::ResizeOp op, Value x, Index input) {
  auto &ops = b.ops();
  Value half = b.constant(0.5, x.getType());
  Value rounded;
  switch (op.getNearest()) {
  case nn::NearestMode::RoundPreferFloor:
    rounded = emitCeil(b, arith::SubFOp::create(ops, x, half));
    break;
  case nn::NearestMode::RoundPreferCeil:
    rounded = emitFloor(b, arith::AddFOp::create(ops, x, half));
    break;
  case nn::NearestMode::Floor:
    rounded = emitFloor(b, x);
    break;
  case nn::NearestMode::Ceil:
    rounded = emitCeil(b, x);
    break;
  }
  return b.max(b.min(toIndex(b, rounded), b.sub(input, 1)), 0);
}

LinearTaps linearTaps(KernelBuilder &b, Value x, Index input) {
  auto &ops = b.ops();
  Index last = b.sub(input, 1);
  Value clamped = arith::MaxNumFOp::create(ops, arith::MinNumFOp::create(ops, x, toReal(b, last)), b.constant(0, x.getType()));
  Index low = toIndex(b, clamped);
  return {low, b.min(b.add(low, 1), last), arith::SubFOp::create(ops, clamped, toReal(b, low))};
}

} // namespace tenon::cpu
