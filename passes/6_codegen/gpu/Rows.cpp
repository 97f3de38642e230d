#include "passes/6_codegen/gpu/Rows.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/RowReduction.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

bool isElementwiseAfter(kernel::FuncOp func, nn::ReduceOp reduce) {
  auto dims = nn::dimsOf(reduce.getResult().getType());
  bool after = false;
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (after && !op.hasTrait<nn::Elementwise>() && !isa<nn::ConstantOp>(op))
      return false;
    after |= &op == reduce.getOperation();
  }
  return llvm::all_of(func.getResultTypes(), [&](Type type) { return nn::dimsOf(type) == dims; });
}

namespace {
constexpr int kWarp = 32;

Operation *loopOf(kernel::FuncOp func) {
  Operation *found = nullptr;
  for (Operation &op : func.getBody().front())
    if (Evaluator::hasLoop(&op)) {
      if (found)
        return nullptr;
      found = &op;
    }
  return found;
}

/// A reduction of f32 along the last axes, over rows long enough for a warp, of which every result is made element by element.
bool isRowReduction(kernel::FuncOp func) {
  auto reduce = dyn_cast_or_null<nn::ReduceOp>(loopOf(func));
  using Kind = nn::ReduceKind;
  constexpr Kind kKinds[] = {Kind::Sum, Kind::Mean, Kind::Max, Kind::Min, Kind::SumSquare, Kind::L2};
  if (!reduce || !llvm::is_contained(kKinds, reduce.getKind()) || !cpu::canCompute(func) ||
      !cpu::computeType(cast<ShapedType>(reduce.getInput().getType()).getElementType()).isF32())
    return false;
  int64_t rank = cast<RankedTensorType>(reduce.getInput().getType()).getRank();
  int64_t first = rank - int64_t(reduce.getAxes().size());
  if (first == rank || llvm::any_of(reduce.getAxes(), [&](int64_t axis) { return axis < first; }))
    return false;
  std::optional<int64_t> length = nn::dimOf(reduce.getInput().getType(), rank - 1).asConstant();
  if (length && *length < kWarp)
    return false;
  return isElementwiseAfter(func, reduce);
}

/// Threads that share a row: a warp, or fewer where a row is too short to give each of them an access.
int64_t threadsOfRow(kernel::FuncOp func) {
  constexpr int64_t kElements = 4; // of a thread's access
  Operation *anchor = loopOf(func);
  std::optional<int64_t> length =
      nn::dimOf(anchor->getOperand(0).getType(), cast<RankedTensorType>(anchor->getOperand(0).getType()).getRank() - 1).asConstant();
  if (!length || isa<nn::ReduceOp>(anchor))
    return kWarp;
  return std::min<int64_t>(kWarp, llvm::PowerOf2Ceil(llvm::divideCeil(*length, kElements)));
}

/// Emits one row, or one element of a reduction, for the threads that share it: what is summed over the row is shared out among them.
class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, kernel::FuncOp func, int64_t threads)
      : b(b), w(b), ops(b.ops()), func(func), anchor(loopOf(func)), input(anchor->getOperand(0)), evaluator(b), threads(threads),
        sharing(threadsOfRow(func)), lane(w.wide(w.rem(w.thread(), sharing))) {}

  void emit(ArrayRef<nn::Dim> outer) {
    place.index.assign(outer.size(), Index(0));
    Index rest = b.task();
    Value isThere; // null: always
    if (sharing < threads) {
      Index row = b.add(b.mul(b.task(), threads / sharing), w.wide(w.div(w.thread(), sharing)));
      Index rows = b.dim(nn::product(func.getContext(), outer));
      isThere = b.lessThan(row, rows);
      rest = b.min(row, b.sub(rows, 1)); // threads of no row take part in the exchanges
    }
    for (int axis = int(outer.size()) - 1; axis >= 0; --axis) {
      place.index[axis] = axis ? b.rem(rest, b.dim(outer[axis])) : rest;
      rest = axis ? b.div(rest, b.dim(outer[axis])) : rest;
    }
    if (auto reduce = dyn_cast<nn::ReduceOp>(anchor)) {
      b.waitForInputs();
      return emitReduction(reduce);
    }
    axis = int(outer.size());
    Index length = b.dim(nn::dimOf(input.getType(), axis));
    place.index.push_back(Index(0));
    loadConstants(length);
    b.waitForInputs();
    place.index.back() = Evaluator::unknown();
    evaluator.hoist(input, place);
    place.index.back() = Index(0);
    SmallVector<cpu::Range> range;
    range.push_back({0, length});
    evaluator.provide(anchor->getResult(0), isa<nn::SoftmaxOp>(anchor) ? softmax(range) : norm(range));
    auto all = [&] {
      Evaluator::Scope scope(evaluator);
      emitElements(range[0].high);
    };
    isThere ? b.ifThen(isThere, all) : all();
  }

private:
  using Element = std::function<Value(const Place &)>;

  /// The scale and bias of a norm, which do not depend on the kernel before, where the thread's parts of a row are few.
  void loadConstants(Index length) {
    if (!isa<nn::LayerNormOp, nn::RMSNormOp>(anchor))
      return;
    int lanes = lanesOfElements(length);
    for (unsigned operand = 1; operand < anchor->getNumOperands(); ++operand) {
      auto argument = dyn_cast<BlockArgument>(anchor->getOperand(operand));
      if (!argument || !func.getArgAttr(argument.getArgNumber(), "kernel.constant"))
        continue;
      for (Index start : chunksOf(length, std::max(lanes, 1))) {
        Place there{place.index, lanes, lanes ? axis : -1};
        there.index[axis] = start;
        constants[operand].push_back(evaluator.atOperand(anchor, operand, there));
      }
    }
  }

  Value normOperand(unsigned operand, const Place &p) {
    ArrayRef<Value> loaded = constants[operand];
    return chunk >= 0 && !loaded.empty() ? loaded[chunk] : evaluator.atOperand(anchor, operand, p);
  }

  int lanesOfElements(Index length) {
    auto results = func.terminator().getOperands();
    return lanesFor(length, [&] { return llvm::all_of(results, [&](Value v) { return Evaluator::lanesSuit(v, axis); }); });
  }

  Value spread(Value v, int lanes) { return lanes ? b.splat(v, lanes) : v; }

  int lanesFor(Index count, llvm::function_ref<bool()> suits) {
    int lanes = evaluator.preferredLanes();
    return count.isConstant() && count.get() % lanes == 0 && suits() ? lanes : 0;
  }

  /// Folds what `element` makes of every element of the input within `ranges`, its last axes; every thread gets the result.
  Value fold(cpu::Fold kind, ArrayRef<cpu::Range> ranges, const Element &element) {
    Type type = ops.getF32Type();
    int first = int(nn::dimsOf(input.getType()).size()) - int(ranges.size()), last = first + int(ranges.size()) - 1;
    Index count = ranges.back().high;
    int lanes = lanesFor(count, [&] { return Evaluator::lanesSuit(input, last); }), width = std::max(lanes, 1);
    Value init = evaluator.identity(kind, lanes ? Type(VectorType::get({lanes}, type)) : type);
    Value folded = ranges.size() == 1 ? foldChunks(kind, init, chunksOf(count, width), lanes, element) : Value();
    if (!folded)
      folded = evaluator.nest(ranges.drop_back(), init, [&](ArrayRef<Index> outer, ValueRange carried) {
        return b.loop(b.mul(lane, width), count, sharing * width, carried, [&](Index i, ValueRange sums) {
          Evaluator::Scope scope(evaluator);
          Place there{place.index, lanes, lanes ? last : -1};
          there.index.resize(last + 1);
          llvm::copy(outer, there.index.begin() + first);
          there.index[last] = b.mul(b.div(i, width), width); // the loop's step does not show what divides it
          return KernelBuilder::Values{evaluator.combine(kind, sums[0], element(there))};
        });
      })[0];
    if (lanes)
      folded = kind == cpu::Fold::Add ? b.reduceAdd(folded) : kind == cpu::Fold::Min ? b.reduceMin(folded) : b.reduceMax(folded);
    for (int64_t distance = sharing / 2; distance; distance /= 2)
      folded = evaluator.combine(kind, folded, w.exchange(folded, distance));
    return folded;
  }

  Value at(const Place &p) { return evaluator.at(input, p); }

  /// Where this thread's parts of a row begin, if they are few: then no pass over them is a loop, and what one pass has loaded the next ones use
  /// again.
  ArrayRef<Index> chunksOf(Index count, int width) {
    constexpr int64_t kMost = 8;
    int64_t step = sharing * width;
    if (!count.isConstant() || count.get() % step != 0 || count.get() / step > kMost)
      return {};
    SmallVector<Index> &known = chunks[width];
    for (int64_t i = int64_t(known.size()); i < count.get() / step; ++i)
      known.push_back(b.mul(b.add(lane, i * sharing), width));
    return known;
  }

  Value foldChunks(cpu::Fold kind, Value init, ArrayRef<Index> starts, int lanes, const Element &element) {
    if (starts.empty())
      return {};
    int last = int(nn::dimsOf(input.getType()).size()) - 1;
    for (Index start : starts) {
      Place there{place.index, lanes, lanes ? last : -1};
      there.index.resize(last + 1);
      there.index[last] = start;
      init = evaluator.combine(kind, init, element(there));
    }
    return init;
  }

  Element softmax(ArrayRef<cpu::Range> range) {
    Value maximum = fold(cpu::Fold::MaxNumber, range, [&](const Place &p) { return at(p); });
    auto weight = [this, maximum](const Place &p) { return cpu::emitExpNegative(b, arith::SubFOp::create(ops, at(p), spread(maximum, p.lanes))); };
    Value sum = fold(cpu::Fold::Add, range, weight);
    if (cast<nn::SoftmaxOp>(anchor).getLogarithm()) {
      Value shift = arith::AddFOp::create(ops, maximum, cpu::emitLog(b, sum));
      return [this, shift](const Place &p) -> Value { return arith::SubFOp::create(ops, at(p), spread(shift, p.lanes)); };
    }
    Value factor = arith::DivFOp::create(ops, b.constant(1, sum.getType()), sum);
    return [this, weight, factor](const Place &p) -> Value { return arith::MulFOp::create(ops, weight(p), spread(factor, p.lanes)); };
  }

  Value countOf(ArrayRef<cpu::Range> ranges) {
    Index count = 1;
    for (const cpu::Range &range : ranges)
      count = b.mul(count, range.high);
    return count.isConstant() ? b.constant(double(count.get()), ops.getF32Type())
                              : arith::SIToFPOp::create(ops, ops.getF32Type(), count.dynamic()).getResult();
  }

  Element norm(ArrayRef<cpu::Range> range) {
    auto layer = dyn_cast<nn::LayerNormOp>(anchor);
    auto rms = dyn_cast<nn::RMSNormOp>(anchor);
    Value count = countOf(range), mean;
    if (layer)
      mean = arith::DivFOp::create(ops, fold(cpu::Fold::Add, range, [&](const Place &p) { return at(p); }), count);
    auto centred = [this, mean](const Place &p) -> Value {
      Value x = at(p);
      return mean ? arith::SubFOp::create(ops, x, spread(mean, p.lanes)).getResult() : x;
    };
    Value squares = fold(cpu::Fold::Add, range, [&](const Place &p) -> Value {
      Value x = centred(p);
      return arith::MulFOp::create(ops, x, x);
    });
    double epsilon = (layer ? layer.getEpsilon() : rms.getEpsilon()).convertToDouble();
    Value variance = arith::AddFOp::create(ops, arith::DivFOp::create(ops, squares, count), b.constant(epsilon, ops.getF32Type()));
    Value inverse = arith::DivFOp::create(ops, b.constant(1, ops.getF32Type()), cpu::emitSqrt(b, variance));
    bool scale = bool(layer ? layer.getScale() : rms.getScale()), bias = bool(layer ? layer.getBias() : rms.getBias());
    return [this, centred, inverse, scale, bias](const Place &p) -> Value {
      Value x = arith::MulFOp::create(ops, centred(p), spread(inverse, p.lanes));
      if (scale)
        x = arith::MulFOp::create(ops, x, normOperand(1, p));
      if (bias)
        x = arith::AddFOp::create(ops, x, normOperand(scale ? 2 : 1, p));
      return x;
    };
  }

  /// The reduction's element, which the first thread makes the results of and stores.
  void emitReduction(nn::ReduceOp reduce) {
    SmallVector<nn::Dim> dims = nn::dimsOf(input.getType());
    SmallVector<cpu::Range> ranges;
    for (size_t d = dims.size() - reduce.getAxes().size(); d < dims.size(); ++d)
      ranges.push_back({0, b.dim(dims[d])});
    Place result = place;
    place.index.truncate(dims.size() - ranges.size()); // kept axes of size 1 go
    place.index.resize(dims.size());
    for (size_t d = dims.size() - ranges.size(); d < dims.size(); ++d)
      place.index[d] = Index(0);
    auto square = [&](const Place &p) -> Value {
      Value x = at(p);
      return arith::MulFOp::create(ops, x, x);
    };
    auto kind = reduce.getKind();
    bool squares = kind == nn::ReduceKind::SumSquare || kind == nn::ReduceKind::L2;
    cpu::Fold how = kind == nn::ReduceKind::Max ? cpu::Fold::Max : kind == nn::ReduceKind::Min ? cpu::Fold::Min : cpu::Fold::Add;
    Value folded = fold(how, ranges, squares ? Element(square) : Element([&](const Place &p) { return at(p); }));
    if (kind == nn::ReduceKind::Mean)
      folded = arith::DivFOp::create(ops, folded, countOf(ranges));
    if (kind == nn::ReduceKind::L2)
      folded = cpu::emitSqrt(b, folded);
    evaluator.provide(reduce.getResult(), [folded](const Place &) { return folded; });
    b.ifThen(b.equal(lane, 0), [&] {
      Evaluator::Scope scope(evaluator);
      store(result);
    });
  }

  void emitElements(Index length) {
    int lanes = lanesOfElements(length), width = std::max(lanes, 1);
    ArrayRef<Index> starts = chunksOf(length, width);
    for (auto [i, start] : llvm::enumerate(starts)) {
      Place there{place.index, lanes, lanes ? axis : -1};
      there.index[axis] = start;
      chunk = int(i);
      store(there);
    }
    chunk = -1;
    if (!starts.empty())
      return;
    b.loop(b.mul(lane, width), length, sharing * width, [&](Index i) {
      Evaluator::Scope scope(evaluator);
      Place there{place.index, lanes, lanes ? axis : -1};
      there.index[axis] = b.mul(b.div(i, width), width);
      store(there);
    });
  }

  /// All results at one place; everything is read before the first store.
  void store(const Place &there) {
    SmallVector<Value> values;
    for (unsigned r = 0; r < func.getNumResults(); ++r) {
      Type element = cast<RankedTensorType>(func.getResultTypes()[r]).getElementType();
      Value x = evaluator.at(func.terminator().getOperand(r), there);
      values.push_back(cpu::computeType(element) == element ? x : b.convert(x, element));
    }
    for (auto [r, x] : llvm::enumerate(values)) {
      Tensor memory = b.result(r);
      Index offset = b.at(memory, there.index);
      there.lanes ? b.storeStrided(x, memory, offset, memory.strides[there.axis]) : b.store(x, memory, offset);
    }
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  kernel::FuncOp func;
  Operation *anchor;
  Value input;
  Evaluator evaluator;
  int64_t threads, sharing;                 // of the block, of a row
  std::map<int, SmallVector<Index>> chunks; // by their width
  SmallVector<Value> constants[3];          // of a norm's operands, for each chunk
  int chunk = -1;                           // that is stored
  Index lane;                               // this thread's number among them
  int axis = -1;                            // of the row
  Place place;                              // of the row, 0 along it
};

class RowsFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.rows"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return isRowReduction(func) || isRow(func, target); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    // A multiprocessor starts few blocks at a time: where it has many rows blocks have several. Norms of 4,096 and 6,304 rows of 768 halves took 3.0
    // and 3.7 us on an H200, and 5.5 and 8.1 in blocks of one row; softmax of a million rows of 16 took 22 us in blocks of eight warps, 41 in blocks
    // of four.
    constexpr int64_t kFewWarps = 16, kManyWarps = 512; // of a multiprocessor
    int64_t sharing = threadsOfRow(func), rows = nn::product(func.getContext(), rowDims(func)).asConstant().value_or(1);
    int64_t warps = rows * sharing / (int64_t(target.cores) * kWarp);
    SmallVector<int64_t> counts = warps > kManyWarps  ? SmallVector<int64_t>{16, 8, 4}
                                  : warps > kFewWarps ? SmallVector<int64_t>{4, 8, 1}
                                                      : SmallVector<int64_t>{1, 4};
    for (int64_t count : counts)
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", count * kWarp}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    int64_t threads = schedule.get("threads", kWarp);
    KernelPlan plan;
    plan.tasks = nn::product(func.getContext(), rowDims(func)).ceilDiv(threads / threadsOfRow(func));
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(threads), 1, 0, 1, /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    RowEmitter(b, func, schedule.get("threads", kWarp)).emit(rowDims(func));
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }

private:
  static bool isRow(kernel::FuncOp func, const Target &target) {
    Operation *anchor = loopOf(func);
    return anchor && cpu::rowReductionFamily().matches(func, target) &&
           cpu::computeType(cast<ShapedType>(anchor->getOperand(0).getType()).getElementType()).isF32();
  }

  /// The axes that tell rows apart: of the result where it is reduced, else all but the last.
  static SmallVector<nn::Dim> rowDims(kernel::FuncOp func) {
    Operation *anchor = loopOf(func);
    SmallVector<nn::Dim> dims = nn::dimsOf(anchor->getResult(0).getType());
    if (!isa<nn::ReduceOp>(anchor))
      dims.pop_back();
    return dims;
  }
};
} // namespace

const KernelFamily &rowsFamily() {
  static const RowsFamily family;
  return family;
}

} // namespace tenon::gpu
