// The left operand where it is bytes: pairs of them count as one, and padding reads a zero point.
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

Tensor inPairs(KernelBuilder &b, Tensor bytes) {
  constexpr int64_t kPair = 2;
  return cpu::inUnits(b, bytes, kPair);
}

int64_t outsideWord(const cpu::ContractionProblem &c) {
  constexpr uint32_t kFour = 0x01010101;
  return int32_t(uint32_t(c.outside) * kFour);
}

Value LhsLoader::fillPadding(Value chunk, Value inside, const Tap &tap) {
  Value isPadding = arith::AndIOp::create(b.ops(), tap.inside, arith::XOrIOp::create(b.ops(), inside, b.constant(1, inside.getType())));
  Value word = w.select(isPadding, w.i32(outsideWord(c)), w.i32(0));
  return arith::OrIOp::create(b.ops(), chunk, b.splat(word, int(cast<VectorType>(chunk.getType()).getNumElements())));
}

SmallVector<Value> LhsLoader::gatherBytes(Value first) {
  constexpr int64_t kWords = 4, kPairsOfWord = 2;
  SmallVector<Tap> taps;
  for (int64_t word = 0; word < kWords; ++word)
    taps.push_back(tapOf(w.add(first, word * kPairsOfWord)));
  auto type = VectorType::get({kWords}, b.ops().getI32Type());
  return llvm::map_to_vector(rows, [&](const Row &row) -> Value {
    auto words = llvm::map_to_vector(taps, [&](const Tap &tap) { return fourBytes(row, tap); });
    return vector::FromElementsOp::create(b.ops(), type, words);
  });
}

Value LhsLoader::fourBytes(const Row &row, const Tap &tap) {
  constexpr int64_t kFour = 4, kPair = 2, kBits = 8;
  Tensor bytes = b.tensorOf(c.lhs);
  bytes.element = b.ops().getI8Type();
  Type i32 = b.ops().getI32Type();
  Value inside = reads(row, tap), filler = fillsPadding() ? w.select(tap.inside, w.i32(outsideWord(c)), w.i32(0)) : w.i32(0);
  Index offset = b.add(bytes.offset, b.mul(w.wide(w.mul(tap.channel, kPair)), bytes.strides[c.lhsChannel]));
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes)) {
    if (int(axis) == c.lhsChannel)
      continue;
    Index at = map.tapAxis < 0 ? row.index[axis] : w.wide(w.add(row.position[axis], w.mul(tap.at[map.tapAxis], map.tapScale)));
    offset = b.add(offset, b.mul(at, bytes.strides[axis]));
  }
  if (!c.woven && bytes.alignment % kFour == 0) {
    Value four = w.loadIf(inside, b.address(bytes, offset), VectorType::get({kFour}, b.ops().getI8Type()));
    return w.select(inside, LLVM::BitcastOp::create(b.ops(), i32, four), filler);
  }
  // Bytes that lie anywhere are read without a branch, so that all are on their way together.
  offset = b.select(inside, offset, bytes.offset);
  int64_t channels = c.woven ? *nn::dimOf(c.lhs.getType(), c.lhsChannel).asConstant() : kFour;
  Value word = w.i32(0);
  for (int64_t channel = 0; channel < channels; ++channel) {
    Value byte = arith::ExtUIOp::create(b.ops(), i32, b.load(bytes, b.add(offset, b.mul(bytes.strides[c.lhsChannel], channel))));
    word = arith::OrIOp::create(b.ops(), word, arith::ShLIOp::create(b.ops(), byte, w.i32(kBits * channel)));
  }
  return w.select(inside, word, filler);
}

} // namespace tenon::gpu
