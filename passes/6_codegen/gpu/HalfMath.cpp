#include "passes/6_codegen/gpu/HalfMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
/// tanh of f32 to 2^-11.
Value unitTanh(cpu::KernelBuilder &b, Value x) {
  auto one = [&](Value lane) -> Value {
    auto op = LLVM::InlineAsmOp::create(b.ops(), TypeRange{lane.getType()}, ValueRange{lane}, "tanh.approx.f32 $0, $1;", "=f,f",
                                        /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                        LLVM::AsmDialectAttr(), ArrayAttr());
    return op->getResult(0);
  };
  auto vector = dyn_cast<VectorType>(x.getType());
  if (!vector)
    return one(x);
  Value result = LLVM::PoisonOp::create(b.ops(), vector);
  for (int lane = 0; lane < vector.getNumElements(); ++lane)
    result = b.insertLane(result, one(b.extractLane(x, lane)), lane);
  return result;
}
} // namespace

bool hasHalfMath(const Target &target, Value result) {
  constexpr int kFirstWithTanh = 75;
  return target.isGpu() && target.computeCapability >= kFirstWithTanh &&
         isa<Float16Type, BFloat16Type>(cast<RankedTensorType>(result.getType()).getElementType());
}

Value emitHalfGelu(cpu::KernelBuilder &b, Value x, bool tanhForm) {
  // Both forms are x (1 + tanh u) / 2; erf(x / sqrt(2)) is tanh(x P(x^2)) to 2.5e-5, with x^2 held where P stays positive.
  constexpr double kErf[] = {0.79750775, 0.037005795, -0.00035154617}, kTanh[] = {0.7978845608, 0.7978845608 * 0.044715}, kLargest = 40;
  cpu::Registers r{b};
  Value z = r.mul(x, x);
  Value u = r.mul(x, tanhForm ? r.polynomial(z, kTanh) : r.polynomial(r.atMost(z, r.c(kLargest, x)), kErf));
  Value half = r.mul(x, 0.5);
  return r.fma(half, unitTanh(b, u), half);
}

bool hasHalfSilu(const Target &target, Value result) {
  return hasHalfMath(target, result) && cast<RankedTensorType>(result.getType()).getElementType().isF16();
}

Value emitHalfSilu(cpu::KernelBuilder &b, Value x) {
  // 1 / (1 + e^-x) is (1 + tanh(x / 2)) / 2: a function of the unit instead of an exponential and a quotient, which are bounded besides.
  cpu::Registers r{b};
  Value half = r.mul(x, 0.5);
  return r.fma(half, unitTanh(b, half), half);
}

} // namespace tenon::gpu
