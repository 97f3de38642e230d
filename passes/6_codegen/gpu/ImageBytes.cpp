#include "passes/6_codegen/gpu/ImageBytes.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/QuantizedOps.h"
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::gpu {
using namespace mlir;

static float factorOf(Operation *op) {
  auto contents = cast<DenseElementsAttr>(op->getOperand(1).getDefiningOp<nn::ConstantOp>().getValue());
  return (*contents.value_begin<APFloat>()).convertToFloat();
}

/// nn.quantize without the conversions: the sum's last bits are the integer.
static Value emitByte(cpu::Registers r, nn::QuantizeOp op, Value x, bool isClamped) {
  constexpr double kMagic = 12582912; // 1.5 * 2^23
  double zeroPoint = double(op.getZeroPoint());
  if (!isClamped) {
    Value lowest = r.c(-zeroPoint, x), notBelow = r.select(r.cmp(arith::CmpFPredicate::OGT, x, lowest), x, lowest); // NaN becomes the lower bound
    x = r.atMost(notBelow, r.c(255 - zeroPoint, x));
  }
  Value steps = r.sub(r.add(x, kMagic), kMagic);
  return zeroPoint == 0 ? steps : r.add(steps, zeroPoint);
}

Value emitImageByte(KernelBuilder &b, ArrayRef<Operation *> program, Value x) {
  cpu::Registers r{b};
  bool isClamped = false;
  for (Operation *op : program) {
    if (auto quantize = dyn_cast<nn::QuantizeOp>(op)) {
      x = emitByte(r, quantize, x, isClamped);
      continue;
    }
    auto div = dyn_cast<nn::DivOp>(op);
    if (Value quotient = div ? cpu::emitSteps(b, div, x, /*isClamped=*/true) : Value()) {
      x = quotient;
      isClamped = true;
      continue;
    }
    x = cpu::emitElementwise(b, op, {x, r.c(factorOf(op), x)});
  }
  return x;
}

} // namespace tenon::gpu
