#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/ContractionProblem.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

bool splitsFours(const Target &target) {
  constexpr int kBytes = 32;
  bool multipliesOnce = llvm::is_contained({"haswell", "broadwell", "znver1", "znver2"}, StringRef(target.cpu));
  return llvm::Triple(target.triple).isX86() && target.vectorBytes == kBytes && llvm::is_contained(target.required, "avx2") && !multipliesFours(target) && !multipliesOnce;
}

bool isSplit(const ContractionProblem &p, const Target &target) {
  // In a hundred: each vector of the list takes three instructions, where pairs take 4 1/3; measured are gains of 20 to 36 % at 10, 5 % at 24, and losses above 30.
  constexpr int64_t kMostShare = 25;
  constexpr int64_t kFewRows = 24; // a list is made for them alone
  if (!splitsFours(target) || p.tapCount() != 1 || !p.lhsReadable() || llvm::any_of(p.lhsAxes, [](const LhsAxis &axis) { return axis.rowScale != 1; }))
    return false;
  int64_t rows = 1;
  for (int axis = 0; axis < p.rowAxes(); ++axis)
    rows *= p.extents[axis].asConstant().value_or(1);
  if (rows < kFewRows)
    return false;
  BlockArgument weights = p.unpacked() ? dyn_cast<BlockArgument>(p.unpacked().getPacked()) : p.rhsArgument();
  auto func = weights ? dyn_cast<kernel::FuncOp>(weights.getOwner()->getParentOp()) : kernel::FuncOp();
  auto share = func ? func.getArgAttrOfType<IntegerAttr>(weights.getArgNumber(), kSplitShareAttr) : IntegerAttr();
  return share && share.getInt() <= kMostShare;
}

bool splitFitsRegisters(const Target &target, int64_t rows, int64_t vectors) {
  constexpr int64_t kOfStep = 4; // weights, four bytes of a row, a product, ones: 13 rows are no faster, without a register to spare
  return vectors == 1 && rows + kOfStep <= target.vectorRegisters;
}

static Value bitcast(KernelBuilder &b, Value x, VectorType to) { return vector::BitCastOp::create(b.ops(), to, x); }

static Value intrinsic(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b.ops(), result, b.ops().getStringAttr(name), operands)->getResult(0);
}

SplitPanel SplitPanel::at(KernelBuilder &b, int64_t offset, int64_t fours, int64_t lanes) {
  Type element = b.ops().getI32Type();
  int64_t count = entries(fours);
  return {b.workspace(element, offset, {count * lanes}), b.workspace(element, offset + count * lanes * 4, {count}), 0};
}

void SplitPanel::fill(KernelBuilder &b, const Tensor &packed, Index from, int64_t fours) {
  constexpr int64_t kMostSum = 128, kHalf = 64;
  ImplicitLocOpBuilder &ops = b.ops();
  Registers r{b};
  int64_t lanes = b.target().lanes(32);
  auto numbers = VectorType::get({lanes}, ops.getI32Type()), bytes = VectorType::get({4 * lanes}, ops.getI8Type());
  auto sums = VectorType::get({2 * lanes}, ops.getI16Type()), words = VectorType::get({lanes / 2}, ops.getI64Type());
  auto put = [&](Index entry, Value vector, Value place) {
    b.store(bitcast(b, vector, numbers), weights, b.sum(weights.offset, b.mul(entry, lanes)));
    b.store(place, places, b.add(places.offset, entry));
  };
  Values end = b.loop(0, fours, 1, b.value(Index(0)), [&](Index four, ValueRange carried) -> Values {
    Index entry = carried[0];
    Value all = bitcast(b, b.load(packed, b.add(from, b.mul(four, lanes)), int(lanes)), bytes);
    Value sum = intrinsic(b, "llvm.x86.avx2.pmadd.ub.sw", sums, {r.integer(1, bytes), all});
    Value size = arith::MaxSIOp::create(ops, sum, r.subi(r.integer(0, sums), sum));
    Value exceeds = bitcast(b, arith::ExtSIOp::create(ops, sums, r.cmp(arith::CmpIPredicate::sgt, size, r.integer(kMostSum, sums))), words);
    Value none = intrinsic(b, "llvm.x86.avx.ptestz.256", ops.getI32Type(), {exceeds, exceeds}); // 1 or 0
    Value some = r.subi(b.integer(1, ops.getI32Type()), none);
    // Without a branch: the second part is 0 where nothing is split, and its entry the next one's.
    Value most = arith::MinSIOp::create(ops, arith::MaxSIOp::create(ops, all, r.integer(-kHalf, bytes)), r.integer(kHalf - 1, bytes));
    Value selected = bitcast(b, b.splat(r.subi(b.integer(0, ops.getI32Type()), some), int(lanes)), bytes);
    Value second = r.andi(r.subi(all, most), selected), place = r.truncate(b.value(four), ops.getI32Type());
    put(entry, r.subi(all, second), place);
    put(b.add(entry, 1), second, place);
    return {b.value(b.sum(entry, Index(arith::ExtUIOp::create(ops, ops.getI64Type(), some).getResult()), 1))};
  });
  put(end[0], r.integer(0, bytes), b.integer(0, ops.getI32Type()));
  count = b.mul(b.div(b.add(end[0], kUnroll - 1), kUnroll), kUnroll);
}

Values emitSplitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const SplitPanel &panel, const PrefetchStream &prefetch, ValueRange init) {
  ImplicitLocOpBuilder &ops = b.ops();
  return b.loop(0, panel.count, SplitPanel::kUnroll, init, [&](Index entry, ValueRange in) {
    constexpr int64_t kLineBits = 512;
    for (int64_t i = 0; i < prefetch.lines; ++i) {
      int64_t line = kLineBits / prefetch.memory.element.getIntOrFloatBitWidth();
      b.prefetch(prefetch.memory, b.sum(prefetch.base, b.mul(b.div(entry, SplitPanel::kUnroll), prefetch.lines * line), i * line));
    }
    Values sums(in);
    for (int64_t unrolled = 0; unrolled < SplitPanel::kUnroll; ++unrolled) {
      Index at = b.add(entry, unrolled);
      Value weights = b.load(panel.weights, b.sum(panel.weights.offset, b.mul(at, shape.lanes)), int(shape.lanes));
      Index place(arith::ExtUIOp::create(ops, ops.getI64Type(), b.load(panel.places, b.add(panel.places.offset, at))).getResult());
      Index base = b.add(lhs.base, b.mul(place, lhs.depth));
      for (int64_t row = 0; row < shape.rows; ++row) {
        Value four = b.broadcastLoad(lhs.memory, b.add(base, lhs.rows[row]), int(shape.lanes));
        sums[row] = emitSplitFours(b, four, weights, sums[row]);
        b.keepMemoryOrder();
      }
    }
    return sums;
  });
}

} // namespace tenon::cpu
