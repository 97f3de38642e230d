#include "passes/6_codegen/cpu/DotPairs.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kPair = 2, kFour = 4;

ContractionProblem inPairs(const ContractionProblem &fours) {
  ContractionProblem p = fours;
  p.dot = kPair;
  MLIRContext *ctx = p.anchor->getContext();
  // Of an image's few channels no pair is all padding.
  p.depth = p.woven ? nn::Dim::constant(ctx, *p.lhsChannels().asConstant()) : fours.depth * (kFour / kPair);
  return p;
}

std::optional<ContractionProblem> problemOn(kernel::FuncOp func, const Target &target) {
  std::optional<ContractionProblem> p = ContractionProblem::of(func);
  if (!p || p->dot != kFour || multipliesFours(target))
    return p;
  p->split = isSplit(*p, target);
  return p->split ? *p : inPairs(*p);
}

Value pairOf(KernelBuilder &b, int64_t byte) { return b.integer(int32_t(uint32_t(byte) * 0x00010001u), b.ops().getI32Type()); }

/// The same bits as a vector of narrower or wider elements.
static Value split(KernelBuilder &b, Value x, Type to) { return vector::BitCastOp::create(b.ops(), cast<VectorType>(to), x); }

void widenFours(KernelBuilder &b, const Tensor &fours, Index from, Index count, const Tensor &pairs, Index to) {
  ImplicitLocOpBuilder &ops = b.ops();
  auto some = [&](Index i, int64_t lanes) {
    Value bytes = split(b, b.load(fours, b.add(from, i), lanes), VectorType::get({kFour * lanes}, ops.getI8Type()));
    Value wide = arith::ExtUIOp::create(ops, VectorType::get({kFour * lanes}, ops.getI16Type()), bytes);
    b.store(split(b, wide, VectorType::get({2 * lanes}, ops.getI32Type())), pairs, b.add(to, b.mul(i, 2)));
  };
  int64_t lanes = b.target().lanes(32) / 2; // of what is stored a whole vector
  Index whole = b.sub(count, b.rem(count, lanes));
  b.loop(0, whole, lanes, [&](Index i) { some(i, lanes); });
  b.loop(whole, count, 1, [&](Index i) { some(i, 1); });
}

void widenPanel(KernelBuilder &b, const Tensor &bytes, Index from, Index count, const Tensor &pairs, Index to) {
  int64_t lanes = b.target().lanes(32);
  b.loop(0, count, lanes, [&](Index i) {
    Value wide = widenWeights(b, b.load(bytes, b.add(from, i), int(lanes)));
    b.store(split(b, wide, VectorType::get({lanes}, b.ops().getI32Type())), pairs, b.add(to, i));
  });
}

Value widenWeights(KernelBuilder &b, Value bytes) {
  int64_t lanes = cast<VectorType>(bytes.getType()).getNumElements();
  Value each = split(b, bytes, VectorType::get({kPair * lanes}, b.ops().getI8Type()));
  return arith::ExtSIOp::create(b.ops(), VectorType::get({kPair * lanes}, b.ops().getI16Type()), each);
}

bool pairsFitRegisters(const Target &target, int64_t rows, int64_t vectors) {
  constexpr int64_t kOfRow = 2; // the pair, and a product
  return rows * vectors + vectors + kOfRow <= target.vectorRegisters;
}

} // namespace tenon::cpu
