#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kPair = 2, kFewChannels = 4;

static bool isBfloat(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType().isBF16(); }

bool countInBfloatPairs(ContractionProblem &p) {
  std::optional<int64_t> depth = p.depth.asConstant();
  if (!isBfloat(p.lhs) || !isBfloat(p.rhs) || !p.rhsConstant() || !p.computeElement().isF32() || p.groups != 1 || !depth || *depth == 0 || !hasPlainWeights(p))
    return false;
  bool isRead = *depth % kPair == 0 && liesInUnits(p, kPair), isWoven = !isRead && *depth <= kFewChannels && p.tapCount() > 1;
  if (!isRead && !isWoven)
    return false;
  p.dot = kPair;
  p.bfloat = true;
  p.woven = isWoven;
  p.depth = nn::Dim::constant(p.anchor->getContext(), llvm::divideCeil(*depth, kPair));
  return true;
}

bool multipliesTiles(const ContractionProblem &p, const Target &target) { return p.bfloat ? target.tilesOfBf16 : target.tiles && p.dot == 4; }

bool usesTilesOfBf16(kernel::FuncOp func) {
  std::optional<kernel::ScheduleAttr> schedule = func.getSchedule();
  return schedule && schedule->get("amx", int64_t(0)) && llvm::any_of(func.getBody().front(), [](Operation &op) {
           return isa<nn::ConvOp, nn::MatMulOp>(op) && isBfloat(op.getOperand(0));
         });
}

Tensor inLanes(KernelBuilder &b, const ContractionProblem &p, const Tensor &memory) {
  if (!p.bfloat)
    return inFours(b, memory);
  Tensor pairs = inUnits(b, memory, kPair);
  pairs.element = b.ops().getF32Type();
  return pairs;
}

Value emitBfloatPairs(KernelBuilder &b, Value x, Value w, Value acc) {
  auto sums = cast<VectorType>(acc.getType());
  auto pairs = VectorType::get({kPair * sums.getNumElements()}, b.ops().getBF16Type());
  StringRef name = llvm::Triple(b.target().triple).isX86() ? "llvm.x86.avx512bf16.dpbf16ps.512" : "llvm.aarch64.neon.bfdot.v4f32.v8bf16";
  auto split = [&](Value v) -> Value { return vector::BitCastOp::create(b.ops(), pairs, v); };
  return LLVM::CallIntrinsicOp::create(b.ops(), sums, b.ops().getStringAttr(name), ValueRange{acc, split(x), split(w)})->getResult(0);
}

} // namespace tenon::cpu
