// Scatters. A block has neighbouring rows of the result: it copies them, looks through all indices for those that lie among its rows, and makes these
// updates in their order. Every element belongs to one thread, so that the last of equal indices stays, and reductions add up in the order of the
// updates, as on a CPU, in every run.
#include "passes/6_codegen/gpu/Scatter.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsScatter.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kThreads = 512, kMostOfThread = 8, kWordBytes = 4;
constexpr int kWordsAtOnce = 4; // of masks

/// The kernel's one scatter, and how its result is divided: the axes before `split` tell rows apart.
struct ScatterProblem {
  Operation *op = nullptr;
  int split = 0, outer = 0; // outer: the updates' axes before a row's
  int64_t lanes = 1;        // of an access
  int64_t ofThread = 1;     // indices that a thread reads at once
  int64_t blocks = 1;

  static std::optional<ScatterProblem> of(kernel::FuncOp func, const Target &target);

  Value input() const { return op->getOperand(0); }
  Value updates() const { return op->getOperand(2); }
  SmallVector<nn::Dim> dims() const { return nn::dimsOf(op->getResult(0).getType()); }
  nn::Dim rowSize() const { return nn::product(op->getContext(), ArrayRef(dims()).drop_front(split)); }
  nn::Dim rows() const { return nn::product(op->getContext(), ArrayRef(dims()).take_front(split)); }
  nn::Dim updateCount() const { return nn::product(op->getContext(), ArrayRef(nn::dimsOf(updates().getType())).take_front(outer)); }
  /// Rows of one element are shared out by accesses.
  int64_t rowsOfUnit() const { return split == int(dims().size()) ? lanes : 1; }
  int64_t slots() const { return kThreads * ofThread; }
  int64_t words() const { return slots() / kWarp; }
  int64_t sharedBytes() const { return (slots() + llvm::alignTo(words(), kWordsAtOnce)) * kWordBytes; }
};

std::optional<ScatterProblem> ScatterProblem::of(kernel::FuncOp func, const Target &target) {
  if (func.getNumResults() != 1 || !cpu::canCompute(func))
    return std::nullopt;
  ScatterProblem p;
  p.op = func.terminator().getOperand(0).getDefiningOp();
  if (!p.op || !cpu::isScatter(p.op))
    return std::nullopt;
  for (Operation &op : func.getBody().front().without_terminator())
    if (&op != p.op && Evaluator::hasLoop(&op))
      return std::nullopt;
  SmallVector<nn::Dim> dims = p.dims();
  int rank = int(dims.size()), updatesRank = int(cast<RankedTensorType>(p.updates().getType()).getRank());
  if (isa<nn::ScatterElementsOp>(p.op)) {
    p.split = rank;
  } else {
    constexpr int64_t kMostOfRow = 1 << 14; // elements: longer slices are several rows, each of which has to be found
    p.split = int(*nn::dimsOf(p.op->getOperand(1).getType()).back().asConstant());
    while (p.split + 1 < rank && p.rowSize().asConstant().value_or(0) > kMostOfRow)
      ++p.split;
  }
  p.outer = updatesRank - (rank - p.split);
  if (rank == 0)
    return std::nullopt;
  int64_t most = 16 / int64_t(nn::elementBytes(p.op->getResult(0).getType())), last = dims.back().asConstant().value_or(1);
  for (p.lanes = std::min<int64_t>(4, most); last % p.lanes; p.lanes /= 2)
    ;
  bool suits = Evaluator::lanesSuit(p.input(), rank - 1) && (p.split == rank || Evaluator::lanesSuit(p.updates(), updatesRank - 1));
  if (!suits)
    p.lanes = 1;
  constexpr int64_t kManyUpdates = 1 << 17, kBlocks = 4, kAccesses = 4; // blocks of a multiprocessor; accesses of a thread that are worth a block
  std::optional<int64_t> count = p.updateCount().asConstant(), elements = nn::numElements(p.op->getResult(0).getType()).asConstant();
  while (p.ofThread < kMostOfThread && count.value_or(kManyUpdates) > kThreads * p.ofThread)
    p.ofThread *= 2;
  // Every block reads all indices.
  p.blocks = target.cores * (count.value_or(kManyUpdates) < kManyUpdates ? kBlocks : 1);
  if (elements)
    p.blocks = std::clamp<int64_t>(llvm::divideCeil(*elements, kThreads * kAccesses * p.lanes), 1, p.blocks);
  if (std::optional<int64_t> rows = p.rows().asConstant())
    p.blocks = std::clamp<int64_t>(*rows / p.rowsOfUnit(), 1, p.blocks);
  return p;
}

class ScatterEmitter {
public:
  ScatterEmitter(KernelBuilder &b, const ScatterProblem &p) : b(b), w(b), ops(b.ops()), p(p), evaluator(b), result(b.result(0)), dims(p.dims()) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    masks = w.add(shared, p.slots() * kWordBytes);
    auto [low, high] = b.share(b.div(b.dim(p.rows()), p.rowsOfUnit()), p.blocks, b.task());
    copy(low, high);
    w.barrier();
    first = b.mul(low, p.rowsOfUnit());
    count = b.sub(b.mul(high, p.rowsOfUnit()), first);
    Index updates = b.dim(p.updateCount());
    b.loop(0, updates, p.slots(), [&](Index base) {
      Evaluator::Scope scope(evaluator);
      find(base, updates);
      w.barrier();
      walk(base);
      w.barrier();
    });
  }

private:
  bool isOfElements() const { return p.split == int(dims.size()); }

  /// The index of a number in the axes [from, end), whose last one is divided by `divisor`.
  void decompose(Index number, ArrayRef<nn::Dim> sizes, int64_t divisor, SmallVectorImpl<Index> &index) {
    size_t start = index.size();
    index.resize(start + sizes.size(), Index(0));
    for (size_t i = sizes.size(); i-- > 0;) {
      bool isLast = i + 1 == sizes.size();
      Index size = isLast ? b.div(b.dim(sizes[i]), divisor) : b.dim(sizes[i]), own = i ? b.rem(number, size) : number;
      number = i ? b.div(number, size) : number;
      index[start + i] = isLast ? b.mul(own, divisor) : own;
    }
  }

  Value element(Value v, ArrayRef<Index> index, int64_t lanes) {
    Place place;
    place.index.assign(index.begin(), index.end());
    if (lanes > 1)
      place.lanes = int(lanes), place.axis = int(index.size()) - 1;
    return evaluator.at(v, place);
  }

  void store(Value x, Index offset) {
    if (cpu::computeType(result.element) != result.element)
      x = b.convert(x, result.element);
    isa<VectorType>(x.getType()) ? b.storeStrided(x, result, offset, result.strides.back()) : b.store(x, result, offset);
  }

  /// The block's rows, units [low, high), where the result does not lie where the input does.
  void copy(Index low, Index high) {
    auto all = [&] {
      constexpr int64_t kAtOnce = 4;
      Index ofUnit = b.div(b.mul(b.dim(p.rowSize()), p.rowsOfUnit()), p.lanes), start = b.mul(low, ofUnit), end = b.mul(high, ofUnit);
      auto some = [&](Index from, Index to, int64_t atOnce) {
        b.loop(b.add(from, w.wide(thread)), to, kThreads * atOnce, [&](Index i) {
          Evaluator::Scope scope(evaluator);
          SmallVector<Value> values;
          SmallVector<Index> offsets;
          for (int64_t k = 0; k < atOnce; ++k) {
            SmallVector<Index> index;
            decompose(b.add(i, k * kThreads), dims, p.lanes, index);
            values.push_back(element(p.input(), index, p.lanes));
            offsets.push_back(b.at(result, index));
          }
          for (auto [x, offset] : llvm::zip(values, offsets))
            store(x, offset);
        });
      };
      int64_t step = kThreads * kAtOnce;
      Index whole = b.add(start, b.mul(b.div(b.sub(end, start), step), step));
      some(start, whole, kAtOnce);
      some(whole, end, 1);
    };
    auto argument = dyn_cast<BlockArgument>(p.input());
    if (!argument)
      return all();
    auto number = [&](Value pointer) { return LLVM::PtrToIntOp::create(ops, ops.getI64Type(), pointer).getResult(); };
    Value isElsewhere = arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, number(b.argument(argument.getArgNumber()).base), number(result.base));
    b.ifThen(isElsewhere, all);
  }

  /// Finds the rows of the updates from `base` on, and which of them are the block's.
  void find(Index base, Index updates) {
    SmallVector<Value> relative, isOwn;
    for (int64_t k = 0; k < p.ofThread; ++k) {
      Index number = b.add(b.add(base, k * kThreads), w.wide(thread)), there = b.min(number, b.sub(updates, 1));
      SmallVector<Index> where = targetOf(there);
      Index row = 0;
      for (int axis = 0; axis < p.split; ++axis)
        row = b.add(b.mul(row, b.dim(dims[axis])), where[axis]);
      Value distance = b.value(b.sub(row, first));
      Value isAmong = arith::CmpIOp::create(ops, arith::CmpIPredicate::ult, distance, b.value(count));
      isOwn.push_back(arith::AndIOp::create(ops, isAmong, b.lessThan(number, updates)));
      relative.push_back(arith::TruncIOp::create(ops, ops.getI32Type(), distance));
    }
    Value warp = w.div(thread, kWarp), isFirst = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, w.rem(thread, kWarp), w.i32(0));
    for (int64_t k = 0; k < p.ofThread; ++k) {
      w.store(w.add(shared, w.mul(w.add(thread, k * kThreads), kWordBytes)), b.splat(relative[k], 1));
      Value mask = w.ballot(isOwn[k]);
      w.storeIf(isFirst, w.add(masks, w.mul(w.add(warp, k * (kThreads / kWarp)), kWordBytes)), mask);
    }
  }

  /// Where update `number` goes: as many coordinates as there are axes before a row's.
  SmallVector<Index> targetOf(Index number) {
    SmallVector<Index> index;
    decompose(number, ArrayRef(nn::dimsOf(p.updates().getType())).take_front(p.outer), 1, index);
    return cpu::scatterTarget(b, evaluator, p.op, index);
  }

  /// Makes the block's updates, one after the other.
  void walk(Index base) {
    int64_t accesses = isOfElements() ? 1 : p.rowSize().asConstant().value_or(kWarp * p.lanes) / p.lanes;
    int64_t together = std::clamp<int64_t>(llvm::PowerOf2Ceil(accesses), 1, kThreads); // threads that have a row
    Value group = w.div(thread, together), ofRow = w.rem(thread, together);
    b.loop(0, p.words(), kWordsAtOnce, [&](Index word) {
      Value four = LLVM::BitcastOp::create(ops, VectorType::get({kWordsAtOnce}, ops.getI32Type()),
                                           w.loadFloats(w.add(masks, w.mul(w.narrow(word), kWordBytes))));
      for (int i = 0; i < kWordsAtOnce; ++i) {
        Value mask = b.extractLane(four, i);
        Value bits = LLVM::CtPopOp::create(ops, mask);
        b.loop(0, w.wide(bits), 1, mask, [&](Index, ValueRange left) {
          Value bit = LLVM::CountTrailingZerosOp::create(ops, ops.getI32Type(), left[0], false);
          Value slot = w.add(w.mul(w.add(w.narrow(word), i), kWarp), bit);
          Value row = w.loadElement(w.add(shared, w.mul(slot, kWordBytes)), ops.getI32Type());
          Value isMine = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, w.rem(row, kThreads / together), group);
          b.ifThen(isMine, [&] {
            Evaluator::Scope scope(evaluator);
            update(b.add(base, w.wide(slot)), b.add(first, Index(arith::ExtUIOp::create(ops, ops.getI64Type(), row).getResult())), w.wide(ofRow),
                   together);
          });
          return KernelBuilder::Values{w.bitAnd(left[0], w.add(left[0], -1))};
        });
      }
    });
  }

  void update(Index number, Index row, Index ofRow, int64_t together) {
    auto updateDims = nn::dimsOf(p.updates().getType());
    SmallVector<Index> from, to;
    decompose(number, ArrayRef(updateDims).take_front(p.outer), 1, from);
    decompose(row, ArrayRef(dims).take_front(p.split), 1, to);
    std::optional<cpu::Fold> fold = cpu::scatterFold(p.op);
    auto one = [&](Index access) {
      Evaluator::Scope scope(evaluator);
      SmallVector<Index> source(from), target(to);
      if (!isOfElements()) {
        decompose(access, ArrayRef(updateDims).drop_front(p.outer), p.lanes, source);
        target.append(source.begin() + p.outer, source.end());
      }
      Index offset = b.at(result, target);
      int64_t lanes = isOfElements() ? 1 : p.lanes;
      Value x = element(p.updates(), source, lanes);
      if (fold) {
        Value old = lanes > 1 ? b.loadStrided(result, offset, result.strides.back(), int(lanes)) : b.load(result, offset);
        if (cpu::computeType(result.element) != result.element)
          old = b.convert(old, cpu::computeType(result.element));
        x = evaluator.combine(*fold, old, x);
      }
      store(x, offset);
    };
    if (isOfElements())
      return one(0);
    b.loop(ofRow, b.div(b.dim(p.rowSize()), p.lanes), together, one);
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  ScatterProblem p;
  Evaluator evaluator;
  Tensor result;
  SmallVector<nn::Dim> dims;
  Value thread, shared, masks;
  Index first, count; // of the block's rows
};

class ScatterFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.scatter"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return ScatterProblem::of(func, target).has_value(); }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &target) const override {
    ScatterProblem p = *ScatterProblem::of(func, target);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), p.blocks);
    auto argument = dyn_cast<BlockArgument>(p.input());
    bool mayOverwrite = argument && argument.hasOneUse() && argument.getType() == func.getResultTypes()[0]; // updates lie elsewhere
    plan.overwrites = {mayOverwrite ? int64_t(argument.getArgNumber()) : -1};
    plan.block = {int(kThreads), 1, int(p.sharedBytes())};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    ScatterEmitter(b, *ScatterProblem::of(func, b.target())).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &scatterFamily() {
  static const ScatterFamily family;
  return family;
}

} // namespace tenon::gpu
