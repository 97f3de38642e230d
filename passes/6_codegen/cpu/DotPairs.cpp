#include "passes/6_codegen/cpu/DotPairs.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kPair = 2, kFour = 4;

static int64_t channelsOf(const ContractionProblem &p) { return *nn::dimOf(p.lhs.getType(), p.lhsChannel).asConstant(); }

/// Whether the rows of a filter on few channels can be one run each: from one output to the next whole pairs are passed.
static bool joinsRows(const ContractionProblem &p) {
  const LhsAxis &x = p.lhsAxes[p.lhsChannel - 1];
  int64_t across = p.taps.back();
  return p.woven && across > 1 && p.tapCount() > across && x.tapAxis + 1 == int(p.taps.size()) && x.tapScale == 1 && x.rowScale * channelsOf(p) % kPair == 0;
}

ContractionProblem inPairs(const ContractionProblem &fours) {
  ContractionProblem p = fours;
  p.dot = kPair;
  MLIRContext *ctx = p.anchor->getContext();
  if (joinsRows(p)) {
    p.joined = p.taps.pop_back_val();
    p.lhsAxes[p.lhsChannel - 1].tapAxis = -1;
    p.depth = nn::Dim::constant(ctx, llvm::divideCeil(p.joined * channelsOf(p), kPair));
    return p;
  }
  // Of an image's few channels no pair is all padding.
  p.depth = p.woven ? nn::Dim::constant(ctx, *p.lhsChannels().asConstant()) : fours.depth * (kFour / kPair);
  return p;
}

std::optional<ContractionProblem> problemOn(kernel::FuncOp func, const Target &target) {
  std::optional<ContractionProblem> p = ContractionProblem::of(func);
  if (p && target.bf16)
    countInBfloatPairs(*p);
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

void joinPanel(KernelBuilder &b, const ContractionProblem &p, const Tensor &bytes, Index from, int64_t columns, const Tensor &pairs) {
  Registers r{b};
  constexpr int64_t kByteBits = 8, kHalfBits = 16;
  int64_t lanes = b.target().lanes(32), channels = channelsOf(p), ofPixel = *p.lhsChannels().asConstant(), depth = *p.depth.asConstant();
  auto numbers = VectorType::get({lanes}, b.ops().getI32Type());
  b.loop(0, p.tapCount(), 1, [&](Index row) {
    // Of the k-th weight along the row, which in memory is one of two bytes, as i32.
    auto weight = [&](int64_t k, Index column) {
      int64_t tap = k / channels, channel = k % channels;
      Index at = b.sum(from, b.mul(b.add(b.mul(row, p.joined * ofPixel), tap * ofPixel + channel / kPair), columns), column);
      Value both = arith::ExtSIOp::create(b.ops(), numbers, b.load(bytes, at, int(lanes)));
      return r.shrSigned(channel % kPair ? both : r.shl(both, kHalfBits + kByteBits), channel % kPair ? kByteBits : kHalfBits + kByteBits);
    };
    b.loop(0, columns, lanes, [&](Index column) {
      for (int64_t i = 0; i < depth; ++i) {
        Value pair = r.andi(weight(kPair * i, column), r.integer((1 << kHalfBits) - 1, numbers));
        if (kPair * i + 1 < p.joined * channels)
          pair = arith::OrIOp::create(b.ops(), pair, r.shl(weight(kPair * i + 1, column), kHalfBits));
        b.store(pair, pairs, b.sum(pairs.offset, b.mul(b.add(b.mul(row, depth), i), columns), column));
      }
    });
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
