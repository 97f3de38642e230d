#include "passes/6_codegen/gpu/ImageBytes.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::gpu {
using namespace mlir;

static float factorOf(Operation *op) {
  auto contents = cast<DenseElementsAttr>(op->getOperand(1).getDefiningOp<nn::ConstantOp>().getValue());
  return (*contents.value_begin<APFloat>()).convertToFloat();
}

/// x / divisor, rounded as a division is, for quotients that nn.quantize does not saturate, and beyond that something as large. With the reciprocal rounded
/// once, two corrections by exact remainders make the quotient the nearest one (Markstein), unless all bits of the divisor are ones.
static std::optional<Value> emitQuotient(cpu::Registers r, Value x, float divisor) {
  constexpr float kSmallest = 1e-30f, kLargest = 1e30f, kMostSteps = 1024;
  constexpr uint32_t kMantissa = (1u << 23) - 1;
  bool isUsual = divisor >= kSmallest && divisor <= kLargest && (llvm::bit_cast<uint32_t>(divisor) & kMantissa) != kMantissa;
  if (!isUsual)
    return std::nullopt;
  double reciprocal = 1.0f / divisor;
  x = r.clamp(x, -kMostSteps * divisor, kMostSteps * divisor);
  Value quotient = r.mul(x, reciprocal);
  for (int correction = 0; correction < 2; ++correction)
    quotient = r.fma(r.fma(quotient, -double(divisor), x), reciprocal, quotient);
  return quotient;
}

/// nn.quantize without the conversions: the sum's last bits are the integer.
static Value emitByte(cpu::Registers r, nn::QuantizeOp op, Value x) {
  constexpr double kMagic = 12582912; // 1.5 * 2^23
  double zeroPoint = double(op.getZeroPoint());
  Value lowest = r.c(-zeroPoint, x), notBelow = r.select(r.cmp(arith::CmpFPredicate::OGT, x, lowest), x, lowest); // NaN becomes the lower bound
  Value steps = r.sub(r.add(r.atMost(notBelow, r.c(255 - zeroPoint, x)), kMagic), kMagic);
  return zeroPoint == 0 ? steps : r.add(steps, zeroPoint);
}

Value emitImageByte(KernelBuilder &b, ArrayRef<Operation *> program, Value x) {
  cpu::Registers r{b};
  for (Operation *op : program) {
    if (auto quantize = dyn_cast<nn::QuantizeOp>(op)) {
      x = emitByte(r, quantize, x);
      continue;
    }
    std::optional<Value> quotient = isa<nn::DivOp>(op) && program.size() == 2 ? emitQuotient(r, x, factorOf(op)) : std::nullopt;
    x = quotient ? *quotient : cpu::emitElementwise(b, op, {x, r.c(factorOf(op), x)});
  }
  return x;
}

} // namespace tenon::gpu
