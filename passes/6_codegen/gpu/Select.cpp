// Top-k by selection. Elements are numbers of 64 bits that have their order: how good an element is, then its position. A block counts how many
// elements of a row have each value of the leading byte, which tells the byte of the k-th one, then goes on with the next byte among those that share
// it. What is not beyond the k-th element is gathered in shared memory and sorted there (Batcher's bitonic sort).
#include "passes/6_codegen/gpu/Select.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/RowPlace.h"
#include "passes/6_codegen/cpu/TopK.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kThreads = 1024, kWordBytes = 4, kEntryBytes = 8, kDigit = 8, kDigits = 1 << kDigit, kKeyBits = 32;
/// In shared memory: how many elements have each digit, the digit of the k-th one and what belongs to it, and the elements that are sorted.
constexpr int64_t kDigitAt = kDigits * kWordBytes, kEntriesAt = kDigitAt + 16;

/// The most elements of a row that can be sorted.
int64_t mostSorted(const Target &target) {
  return int64_t(llvm::bit_floor(uint64_t(sharedOfBlock(target) - kEntriesAt) / kEntryBytes));
}

class SelectEmitter {
public:
  SelectEmitter(KernelBuilder &b, nn::TopKOp op, kernel::FuncOp func)
      : b(b), w(b), r{b}, ops(b.ops()), op(op), row(b, op, func), size(*nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant()),
        i32(b.ops().getI32Type()), i64(b.ops().getI64Type()) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    row.moveTo(b.task());
    wanted = b.min(b.dim(op.getK().dims().front()), size); // what is behind the row has no room
    b.ifThen(b.lessThan(0, wanted), [&] {
      auto [mask, last] = findLast();
      gather(mask, last);
      sort();
      eachOfThread(wanted, [&](Index rank) { put(rank, w.loadElement(entry(rank), i64)); });
    });
  }

private:
  void eachOfThread(Index count, llvm::function_ref<void(Index)> body) { b.loop(w.wide(thread), count, kThreads, body); }
  Value entry(Index number) { return w.add(shared, w.add(w.mul(w.narrow(number), kEntryBytes), kEntriesAt)); }
  void store(Value address, Value x) { w.store(address, b.splat(x, 1)); }

  /// Smaller comes first. NaN is behind all numbers.
  Value numberOf(Index position) {
    Value x = row.element(position), key;
    Value sign = b.integer(int64_t(INT32_MIN), i32), all = b.integer(-1, i32);
    if (isa<FloatType>(x.getType())) {
      Value bits = r.bits(r.add(x, 0.0)); // -0 is 0
      key = r.xori(bits, r.ori(r.shrSigned(bits, kKeyBits - 1), sign));
      key = op.getSmallest() ? key : r.xori(key, all);
      key = r.select(r.isNan(x), all, key);
    } else {
      key = row.isUnsigned() ? x : r.xori(x, sign);
      key = op.getSmallest() ? key : r.xori(key, all);
    }
    return r.ori(r.shl(r.zext(key, i64), kKeyBits), b.value(position));
  }

  /// The leading digits of the last element that is wanted, as far as they tell: (which bits they are, the bits).
  std::pair<Value, Value> findLast() {
    int64_t ofPosition = llvm::divideCeil(llvm::Log2_64_Ceil(std::max<int64_t>(size, 2)), kDigit), ofKey = kKeyBits / kDigit;
    Value none = b.integer(0, i64);
    KernelBuilder::Values init{none, none, w.narrow(wanted), r.zext(b.lessThan(wanted, size), i32)};
    SmallVector<Type> types{i64, i64, i32, i32};
    KernelBuilder::Values found = b.loop(0, ofKey + ofPosition, 1, init, [&](Index digit, ValueRange carried) {
      Value isOpen = r.cmp(arith::CmpIPredicate::ne, carried[3], w.i32(0));
      return b.ifElse(
          isOpen, types,
          [&] {
            Index ofNumber = b.mul(b.sub(2 * ofKey - 1, digit), kDigit), ofPlace = b.mul(b.sub(ofKey + ofPosition - 1, digit), kDigit);
            return findDigit(b.value(b.select(b.lessThan(digit, ofKey), ofNumber, ofPlace)), carried);
          },
          [&] { return KernelBuilder::Values(carried); });
    });
    return {found[0], found[1]};
  }

  KernelBuilder::Values findDigit(Value shift, ValueRange carried) {
    Value mask = carried[0], last = carried[1], rank = carried[2];
    b.ifThen(w.below(thread, w.i32(kDigits)), [&] { store(w.add(shared, w.mul(thread, kWordBytes)), w.i32(0)); });
    w.barrier();
    eachOfThread(size, [&](Index position) {
      Value number = numberOf(position), digit = r.truncate(arith::ShRUIOp::create(ops, number, shift), i32);
      b.ifThen(r.cmp(arith::CmpIPredicate::eq, r.andi(number, mask), last),
               [&] { w.countShared(w.add(shared, w.mul(w.bitAnd(digit, w.i32(kDigits - 1)), kWordBytes))); });
    });
    w.barrier();
    b.ifThen(w.below(thread, w.i32(kWarp)), [&] { publishDigit(rank); });
    w.barrier();
    auto told = [&](int64_t word) { return w.loadElement(w.add(shared, kDigitAt + word * kWordBytes), i32); };
    Value digit = told(0), before = told(1), count = told(2);
    auto shifted = [&](Value x) -> Value { return arith::ShLIOp::create(ops, x, shift); };
    Value restOfRank = r.subi(rank, before);
    return {r.ori(mask, shifted(b.integer(kDigits - 1, i64))), r.ori(last, shifted(r.zext(digit, i64))), restOfRank,
            r.zext(r.cmp(arith::CmpIPredicate::ne, restOfRank, count), i32)};
  }

  /// By the first warp: the digit under which the element of that rank is, how many have a smaller one, and how many have it.
  void publishDigit(Value rank) {
    constexpr int64_t kOfLane = kDigits / kWarp;
    SmallVector<Value> counts;
    Value sum = w.i32(0);
    for (int64_t i = 0; i < kOfLane; ++i) {
      counts.push_back(w.loadElement(w.add(shared, w.add(w.mul(thread, kOfLane * kWordBytes), i * kWordBytes)), i32));
      sum = r.addi(sum, counts.back());
    }
    Value through = sum;
    for (int64_t distance = 1; distance < kWarp; distance *= 2) {
      Value other = w.fromLane(through, w.add(thread, -distance));
      through = r.select(r.cmp(arith::CmpIPredicate::uge, thread, w.i32(distance)), r.addi(through, other), through);
    }
    Value before = r.subi(through, sum);
    for (int64_t i = 0; i < kOfLane; ++i) {
      Value after = r.addi(before, counts[i]);
      Value isHere = r.andi(r.cmp(arith::CmpIPredicate::ult, before, rank), r.cmp(arith::CmpIPredicate::ule, rank, after));
      b.ifThen(isHere, [&] {
        Value told[] = {w.add(w.mul(thread, kOfLane), i), before, counts[i]};
        for (auto [word, x] : llvm::enumerate(told))
          store(w.add(shared, kDigitAt + int64_t(word) * kWordBytes), x);
      });
      before = after;
    }
  }

  /// Those up to the last one, in any order, and behind them what comes after all.
  void gather(Value mask, Value last) {
    w.barrier();
    Value counter = w.add(shared, kDigitAt);
    b.ifThen(w.below(thread, w.i32(1)), [&] { store(counter, w.i32(0)); });
    w.barrier();
    eachOfThread(size, [&](Index position) {
      Value number = numberOf(position);
      b.ifThen(r.cmp(arith::CmpIPredicate::ule, r.andi(number, mask), last), [&] { store(entry(w.wide(w.takeShared(counter))), number); });
    });
    stages = b.sub(64, Index(LLVM::CountLeadingZerosOp::create(ops, i64, b.value(b.sub(wanted, 1)), /*is_zero_poison=*/false).getResult()));
    Index padded = Index(arith::ShLIOp::create(ops, b.integer(1, i64), b.value(stages)).getResult());
    pairs = b.div(padded, 2);
    b.loop(b.add(wanted, w.wide(thread)), padded, kThreads, [&](Index i) { store(entry(i), b.integer(-1, i64)); });
    w.barrier();
  }

  void sort() {
    b.loop(1, b.add(stages, 1), 1, [&](Index stage) {
      b.loop(0, stage, 1, [&](Index pass) {
        Value distance = arith::ShLIOp::create(ops, b.integer(1, i64), b.value(b.sub(b.sub(stage, 1), pass)));
        eachOfThread(pairs, [&](Index pair) {
          Value within = r.andi(b.value(pair), r.subi(distance, b.integer(1, i64)));
          Value first = r.subi(b.value(b.mul(pair, 2)), within), second = r.addi(first, distance);
          Value falls = r.andi(arith::ShRUIOp::create(ops, first, b.value(stage)), b.integer(1, i64));
          Value rises = r.cmp(arith::CmpIPredicate::eq, falls, b.integer(0, i64));
          Value to = entry(Index(first)), from = entry(Index(second)), x = w.loadElement(to, i64), y = w.loadElement(from, i64);
          Value low = arith::MinUIOp::create(ops, x, y), high = arith::MaxUIOp::create(ops, x, y);
          store(to, r.select(rises, low, high));
          store(from, r.select(rises, high, low));
        });
        w.barrier();
      });
    });
  }

  void put(Index rank, Value number) {
    Index position = Index(r.andi(number, b.integer((int64_t(1) << kKeyBits) - 1, i64)));
    row.put(rank, row.hasValues() ? row.element(position) : Value(), b.value(position));
  }

  KernelBuilder &b;
  Warp w;
  cpu::Registers r;
  ImplicitLocOpBuilder &ops;
  nn::TopKOp op;
  cpu::TopKRow row;
  int64_t size;
  Type i32, i64;
  Index wanted, stages, pairs;
  Value thread, shared;
};

/// The most elements that are wanted of a row.
int64_t mostWanted(nn::TopKOp op) {
  int64_t size = *nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant();
  return std::min(op.getK().dims().front().asConstant().value_or(size), size);
}

int64_t paddedEntries(nn::TopKOp op) {
  return int64_t(llvm::PowerOf2Ceil(std::max<int64_t>(mostWanted(op), 2)));
}

class SelectFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.select"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    if (!cpu::topKFamily().matches(func, target))
      return false;
    nn::TopKOp op = cpu::singleOp<nn::TopKOp>(func);
    Type element = cast<RankedTensorType>(op.getInput().getType()).getElementType();
    std::optional<int64_t> size = nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant();
    bool isWord = element.isF32() || (element.isInteger() && element.getIntOrFloatBitWidth() == 32);
    if (!isWord || !size || *size < 1 || *size >= INT32_MAX || paddedEntries(op) > mostSorted(target))
      return false;
    // Comparing all with all is as fast where there are few, and busies all multiprocessors where nearly all of one row are wanted; many short rows
    // are many threads' work.
    constexpr int64_t kShort = 1 << 10, kFew = 1 << 12, kManyInAll = 1 << 17, kSmallShare = 4;
    std::optional<int64_t> elements = nn::numElements(op.getInput().getType()).asConstant(), k = op.getK().dims().front().asConstant();
    bool isSmallShare = !k || *k <= *size / kSmallShare;
    bool isMany = !elements || *elements > kManyInAll;
    return (isMany && *size >= kShort) || (*size >= kFew && isSmallShare);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    nn::TopKOp op = cpu::singleOp<nn::TopKOp>(func);
    SmallVector<nn::Dim> rows = nn::dimsOf(op.getInput().getType());
    rows.erase(rows.begin() + op.getAxis());
    KernelPlan plan;
    plan.tasks = nn::product(func.getContext(), rows);
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(kThreads), 1, int(kEntriesAt + paddedEntries(op) * kEntryBytes)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    SelectEmitter(b, cpu::singleOp<nn::TopKOp>(func), func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::topKFamily().operations(func); }
};
} // namespace

const KernelFamily &selectFamily() {
  static const SelectFamily family;
  return family;
}

} // namespace tenon::gpu
