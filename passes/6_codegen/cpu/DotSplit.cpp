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
  // In a hundred, where activations reach 255 at every k: then each vector takes three instructions, where pairs take 4 1/3 for all. Few do: of shares of 60
  // and more less than 5 came out in resnet50. With few k that is not worth three lists.
  constexpr int64_t kMostShare = 75, kMostShareOfShort = 25, kShortFours = 16;
  constexpr int64_t kFewRows = 24; // lists are made for them alone
  bool hasTaps = p.tapCount() > 1;
  int64_t fours = p.depth.asConstant().value_or(0);
  if (!splitsFours(target) || p.woven || p.groups != 1 || (hasTaps ? fours % SplitPanel::kTogether.front() != 0 : !p.lhsReadable()) ||
      llvm::any_of(p.lhsAxes, [&](const LhsAxis &axis) { return p.skipsTaps(axis); }))
    return false;
  int64_t rows = 1;
  for (int axis = 0; axis < p.rowAxes(); ++axis)
    rows *= p.extents[axis].asConstant().value_or(1);
  if (rows < kFewRows)
    return false;
  BlockArgument weights = p.unpacked() ? dyn_cast<BlockArgument>(p.unpacked().getPacked()) : p.rhsArgument();
  auto func = weights ? dyn_cast<kernel::FuncOp>(weights.getOwner()->getParentOp()) : kernel::FuncOp();
  auto share = func ? func.getArgAttrOfType<IntegerAttr>(weights.getArgNumber(), kSplitShareAttr) : IntegerAttr();
  return share && share.getInt() <= (fours * p.tapCount() < kShortFours ? kMostShareOfShort : kMostShare);
}

bool splitFitsRegisters(const Target &target, int64_t rows, int64_t vectors) {
  // Weights of a group, ones, products and the next ones. Of nine rows the last one would be requantized alone (ByteRegisters.h).
  constexpr int64_t kOfStep = SplitPanel::kTogether.front() + 4;
  return vectors == 1 && rows + kOfStep <= target.vectorRegisters;
}

static Value bitcast(KernelBuilder &b, Value x, VectorType to) { return vector::BitCastOp::create(b.ops(), to, x); }

static Value intrinsic(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b.ops(), result, b.ops().getStringAttr(name), operands)->getResult(0);
}

namespace {
/// The most and the least that products of bytes with activations up to given ones add up to, in lanes of 16 bits: at the ends of the range where it is
/// that much or more.
struct Bounds {
  Value most, least;

  static Bounds of(KernelBuilder &b, Value largest, Value weights) {
    ImplicitLocOpBuilder &ops = b.ops();
    Value zero = b.integer(0, weights.getType());
    Type sums = VectorType::get({cast<VectorType>(weights.getType()).getNumElements() / 2}, ops.getI16Type());
    auto products = [&](Value part) { return intrinsic(b, "llvm.x86.avx2.pmadd.ub.sw", sums, {largest, part}); };
    return {products(arith::MaxSIOp::create(ops, weights, zero)), products(arith::MinSIOp::create(ops, weights, zero))};
  }

  Bounds plus(KernelBuilder &b, const Bounds &other) const {
    auto sum = [&](Value x, Value y) { return intrinsic(b, "llvm.sadd.sat.v16i16", x.getType(), {x, y}); };
    return {sum(most, other.most), sum(least, other.least)};
  }

  /// 1 where all sums stay away from both ends of 16 bits, as i32; else 0.
  Value fit(KernelBuilder &b) const {
    Registers r{b};
    constexpr int64_t kEnd = INT16_MAX;
    Value end = r.integer(kEnd, most.getType()), size = arith::MaxSIOp::create(b.ops(), most, r.xori(least, r.integer(-1, least.getType())));
    Value reached = arith::ExtSIOp::create(b.ops(), most.getType(), r.cmp(arith::CmpIPredicate::eq, size, end));
    auto words = VectorType::get({cast<VectorType>(most.getType()).getNumElements() / 4}, b.ops().getI64Type());
    Value bits = bitcast(b, reached, words);
    return intrinsic(b, "llvm.x86.avx.ptestz.256", b.ops().getI32Type(), {bits, bits});
  }
};
} // namespace

static int64_t entries(int64_t fours) { return 2 * fours + SplitPanel::kUnroll; } // at most
static int64_t paddedFours(int64_t fours, int64_t lanes) { return llvm::alignTo(fours, lanes); }
/// Lists are written one entry further than they are long.
static int64_t listLength(int64_t fours) { return fours + 1; }

int64_t SplitOperand::tapCount() const {
  int64_t count = 1;
  for (int64_t size : taps)
    count *= size;
  return count;
}

Index SplitOperand::tapAt(KernelBuilder &b, Index tap) const {
  Index at = 0;
  for (size_t axis = taps.size(); axis-- > 0;) {
    at = b.add(at, b.mul(b.rem(tap, taps[axis]), steps[axis]));
    tap = b.div(tap, taps[axis]);
  }
  return at;
}

/// What one panel has for itself, in numbers: vectors, their offsets, lists of groups and of the rest, and the lengths of all lists.
static int64_t panelSize(int64_t fours, int64_t lanes) {
  constexpr int64_t kLists = 1 + SplitPanel::kTogether.size();
  return entries(fours) * (lanes + 1) + 2 * kLists * listLength(fours) + kLists + 1;
}

int64_t SplitPanel::bytes(int64_t fours, int64_t lanes, int64_t panels) { return (paddedFours(fours, lanes) + panels * panelSize(fours, lanes)) * 4; }

SplitPanel SplitPanel::at(KernelBuilder &b, int64_t offset, int64_t fours, int64_t lanes) {
  SplitPanel panel;
  auto take = [&](int64_t count) {
    Tensor part = b.workspace(b.ops().getI32Type(), offset, {count});
    offset += 4 * count;
    return part;
  };
  auto list = [&] { return List{take(listLength(fours)), take(listLength(fours)), take(1)}; };
  panel.largest = take(paddedFours(fours, lanes));
  panel.weights = take(entries(fours) * lanes);
  panel.singles.offsets = take(entries(fours));
  panel.singles.length = take(1);
  for (List &group : panel.groups)
    group = list();
  panel.rest = list();
  panel.size = panelSize(fours, lanes);
  return panel;
}

SplitPanel SplitPanel::behind(KernelBuilder &b, Index panels, const Tensor &weightsOfAll, Index from) const {
  SplitPanel panel = *this;
  panel.packed = weightsOfAll;
  panel.first = from;
  auto move = [&](Tensor &part) { part.offset = b.add(part.offset, b.mul(panels, size)); };
  auto moveList = [&](List &list) {
    move(list.places);
    move(list.offsets);
    move(list.length);
  };
  move(panel.weights);
  move(panel.singles.offsets);
  move(panel.singles.length);
  llvm::for_each(panel.groups, moveList);
  moveList(panel.rest);
  return panel;
}

static Index widened(KernelBuilder &b, Value number) { return Index(arith::ExtUIOp::create(b.ops(), b.ops().getI64Type(), number).getResult()); }

Index SplitPanel::List::count(KernelBuilder &b) const { return widened(b, b.load(length, length.offset)); }

void SplitPanel::clear(KernelBuilder &b, int64_t fours) {
  b.fill(largest, largest.offset, paddedFours(fours, b.target().lanes(32)), b.integer(0, largest.element));
}

void SplitPanel::measure(KernelBuilder &b, const Tensor &memory, ArrayRef<Index> places, int64_t fours) {
  ImplicitLocOpBuilder &ops = b.ops();
  int64_t lanes = b.target().lanes(32);
  auto numbers = VectorType::get({lanes}, ops.getI32Type()), bytes = VectorType::get({4 * lanes}, ops.getI8Type());
  b.lanesLoop(fours, int(lanes), [&](Index four, Value mask) {
    Index to = b.add(largest.offset, four);
    Value most = bitcast(b, b.load(largest, to, int(lanes)), bytes);
    for (const Index &place : places) {
      Index from = b.add(place, four);
      Value values = mask ? b.loadMasked(memory, from, int(lanes), mask) : b.load(memory, from, int(lanes));
      most = arith::MaxUIOp::create(ops, most, bitcast(b, values, bytes));
    }
    b.store(bitcast(b, most, numbers), largest, to);
  });
}

namespace {
/// Sorts the vectors of one panel into groups. Nearly all are in groups of four, for which a branch is cheap. What is left is sorted without one: every place
/// is written to the end of each list that it may belong to, and the lists become longer where it does.
class GroupSorter {
public:
  GroupSorter(KernelBuilder &b, const SplitPanel &panel, const SplitOperand &operand) : b(b), panel(panel), operand(operand), r{b} {}

  void emit() {
    Value none = b.integer(0, number);
    int64_t fours = operand.fours / kFour * kFour;
    Values counts = b.loop(0, operand.tapCount(), 1, Values(kLists, none), [&](Index tap, ValueRange ofTaps) -> Values {
      Place begin{b.mul(tap, operand.fours), operand.tapAt(b, tap)};
      Values carried = b.loop(0, fours, kFour, ofTaps, [&](Index k, ValueRange in) { return four(moved(begin, k), k, in); });
      for (int64_t k = fours; k < operand.fours; ++k)
        append(kRest, carried, moved(begin, k), one);
      return carried;
    });
    for (size_t i = 0; i < kLists; ++i)
      b.store(counts[i], list(i).length, list(i).length.offset);
  }

private:
  static constexpr int64_t kFour = SplitPanel::kTogether[0], kTwo = SplitPanel::kTogether[1];
  static constexpr size_t kInFours = 0, kInTwos = 1, kRest = 2, kLists = 3;

  /// Where a vector of weights lies in the panel, and what it is multiplied with.
  struct Place {
    Index weights, operand;
  };

  const SplitPanel::List &list(size_t i) const { return i == kRest ? panel.rest : panel.groups[i]; }
  Place moved(const Place &from, Index k) { return {b.add(from.weights, k), b.add(from.operand, b.mul(k, operand.depth))}; }

  /// Writes a place to the end of a list, which is longer by `longer` then.
  void append(size_t to, Values &counts, const Place &place, Value longer) {
    Index end = widened(b, counts[to]);
    b.store(r.truncate(b.value(place.weights), number), list(to).places, b.add(list(to).places.offset, end));
    b.store(r.truncate(b.value(place.operand), number), list(to).offsets, b.add(list(to).offsets.offset, end));
    counts[to] = r.addi(counts[to], longer);
  }

  /// Of two vectors from `place` on, which are multiplied with those of a tap from `k` on.
  Bounds boundsOfTwo(const Place &place, Index k) {
    int64_t lanes = b.target().lanes(32);
    auto bytes = VectorType::get({4 * lanes}, b.ops().getI8Type());
    auto boundsOf = [&](int64_t i) {
      Value weights = bitcast(b, b.load(panel.packed, b.sum(panel.first, b.mul(place.weights, lanes), i * lanes), int(lanes)), bytes);
      return Bounds::of(b, bitcast(b, b.broadcastLoad(panel.largest, b.sum(panel.largest.offset, k, i), int(lanes)), bytes), weights);
    };
    Bounds first = boundsOf(0);
    return first.plus(b, boundsOf(1));
  }

  void two(const Place &place, const Bounds &bounds, Values &counts) {
    Value fits = bounds.fit(b), neither = r.subi(one, fits);
    append(kInTwos, counts, place, fits);
    append(kRest, counts, place, neither);
    append(kRest, counts, moved(place, 1), neither);
  }

  Values four(const Place &place, Index k, ValueRange in) {
    Bounds first = boundsOfTwo(place, k), second = boundsOfTwo(moved(place, kTwo), b.add(k, kTwo));
    auto together = [&] {
      Values counts(in);
      append(kInFours, counts, place, one);
      return counts;
    };
    auto apart = [&] {
      Values counts(in);
      two(place, first, counts);
      two(moved(place, kTwo), second, counts);
      return counts;
    };
    Value fits = r.cmp(arith::CmpIPredicate::ne, first.plus(b, second).fit(b), b.integer(0, number));
    return b.ifElse(fits, SmallVector<Type>(kLists, number), together, apart);
  }

  KernelBuilder &b;
  const SplitPanel &panel;
  const SplitOperand &operand;
  Registers r;
  Type number = b.ops().getI32Type();
  Value one = b.integer(1, number);
};
} // namespace

void SplitPanel::fill(KernelBuilder &b, const SplitOperand &operand) const {
  GroupSorter(b, *this, operand).emit();
  fillSingles(b, operand);
}

void SplitPanel::fillSingles(KernelBuilder &b, const SplitOperand &operand) const {
  constexpr int64_t kHalf = 64;
  ImplicitLocOpBuilder &ops = b.ops();
  Registers r{b};
  int64_t lanes = b.target().lanes(32);
  auto numbers = VectorType::get({lanes}, ops.getI32Type()), bytes = VectorType::get({4 * lanes}, ops.getI8Type());
  auto put = [&](Index entry, Value vector, Value offset) {
    b.store(bitcast(b, vector, numbers), weights, b.sum(weights.offset, b.mul(entry, lanes)));
    b.store(offset, singles.offsets, b.add(singles.offsets.offset, entry));
  };
  Values end = b.loop(0, rest.count(b), 1, b.value(Index(0)), [&](Index i, ValueRange carried) -> Values {
    Index entry = carried[0], place = widened(b, b.load(rest.places, b.add(rest.places.offset, i)));
    Value offset = b.load(rest.offsets, b.add(rest.offsets.offset, i));
    Value all = bitcast(b, b.load(packed, b.add(first, b.mul(place, lanes)), int(lanes)), bytes);
    Value most = bitcast(b, b.broadcastLoad(largest, b.add(largest.offset, b.rem(place, operand.fours)), int(lanes)), bytes);
    Value some = r.subi(b.integer(1, ops.getI32Type()), Bounds::of(b, most, all).fit(b));
    // Without a branch: the second part is 0 where nothing is split, and its entry the next one's.
    Value within = arith::MinSIOp::create(ops, arith::MaxSIOp::create(ops, all, r.integer(-kHalf, bytes)), r.integer(kHalf - 1, bytes));
    Value selected = bitcast(b, b.splat(r.subi(b.integer(0, ops.getI32Type()), some), int(lanes)), bytes);
    Value second = r.andi(r.subi(all, within), selected);
    put(entry, r.subi(all, second), offset);
    put(b.add(entry, 1), second, offset);
    return {b.value(b.sum(entry, widened(b, some), 1))};
  });
  put(end[0], r.integer(0, bytes), b.integer(0, ops.getI32Type()));
  Index count = b.mul(b.div(b.add(end[0], kUnroll - 1), kUnroll), kUnroll);
  b.store(r.truncate(b.value(count), ops.getI32Type()), singles.length, singles.length.offset);
}

namespace {
class SplitTileEmitter {
public:
  SplitTileEmitter(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const SplitPanel &panel, const PrefetchStream &prefetch)
      : b(b), shape(shape), lhs(lhs), panel(panel), prefetch(prefetch) {}

  Values emit(ValueRange init) {
    Values sums(init);
    Index done = 0;
    for (auto [size, list] : llvm::zip(SplitPanel::kTogether, panel.groups)) {
      Index count = list.count(b);
      sums = b.loop(0, count, 1, sums, [&](Index i, ValueRange in) {
        prefetchLines(b.add(done, i));
        Index place = numberAt(list.places, i);
        Values weights;
        for (int64_t k = 0; k < size; ++k)
          weights.push_back(b.load(panel.packed, b.sum(panel.first, b.mul(place, shape.lanes), k * shape.lanes), int(shape.lanes)));
        return multiplied(numberAt(list.offsets, i), weights, in);
      });
      done = b.add(done, count);
    }
    return b.loop(0, panel.singles.count(b), SplitPanel::kUnroll, sums, [&](Index entry, ValueRange in) {
      prefetchLines(b.add(done, b.div(entry, SplitPanel::kUnroll)));
      Values sums(in);
      for (int64_t unrolled = 0; unrolled < SplitPanel::kUnroll; ++unrolled) {
        Index at = b.add(entry, unrolled);
        Value weights = b.load(panel.weights, b.sum(panel.weights.offset, b.mul(at, shape.lanes)), int(shape.lanes));
        sums = multiplied(numberAt(panel.singles.offsets, at), weights, sums);
      }
      return sums;
    });
  }

private:
  Index numberAt(const Tensor &list, Index i) { return widened(b, b.load(list, b.add(list.offset, i))); }

  void prefetchLines(Index iteration) {
    constexpr int64_t kLineBits = 512;
    for (int64_t i = 0; i < prefetch.lines; ++i) {
      int64_t line = kLineBits / prefetch.memory.element.getIntOrFloatBitWidth();
      b.prefetch(prefetch.memory, b.sum(prefetch.base, b.mul(iteration, prefetch.lines * line), i * line));
    }
  }

  /// Adds the products of the fours at `offset`, one behind the other, with as many vectors of weights.
  Values multiplied(Index offset, ValueRange weights, ValueRange in) {
    Values sums(in);
    Index base = b.add(lhs.base, offset);
    for (int64_t row = 0; row < shape.rows; ++row) {
      Value products;
      for (auto [k, vector] : llvm::enumerate(weights)) {
        Value four = b.broadcastLoad(lhs.memory, b.sum(base, lhs.rows[row], b.mul(lhs.depth, int64_t(k))), int(shape.lanes));
        products = emitFoursIn16(b, four, vector, products);
        b.keepMemoryOrder();
      }
      sums[row] = emitSumOf16(b, products, sums[row]);
    }
    return sums;
  }

  KernelBuilder &b;
  const TileShape &shape;
  const LhsAddress &lhs;
  const SplitPanel &panel;
  const PrefetchStream &prefetch;
};
} // namespace

Values emitSplitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const SplitPanel &panel, const PrefetchStream &prefetch, ValueRange init) {
  return SplitTileEmitter(b, shape, lhs, panel, prefetch).emit(init);
}

} // namespace tenon::cpu
