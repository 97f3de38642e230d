#include "passes/6_codegen/gpu/Columns.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/gpu/Rows.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kLanes = 4; // a thread folds four neighbouring columns

nn::ReduceOp reductionOf(kernel::FuncOp func) {
  nn::ReduceOp found;
  for (Operation &op : func.getBody().front())
    if (Evaluator::hasLoop(&op)) {
      if (found || !isa<nn::ReduceOp>(op))
        return {};
      found = cast<nn::ReduceOp>(op);
    }
  return found;
}

/// What combines the elements of a reduction that the family computes.
std::optional<cpu::Fold> foldOf(nn::ReduceKind kind) {
  switch (kind) {
  case nn::ReduceKind::Sum:
  case nn::ReduceKind::Mean:
    return cpu::Fold::Add;
  case nn::ReduceKind::Max:
    return cpu::Fold::Max;
  case nn::ReduceKind::Min:
    return cpu::Fold::Min;
  default:
    return std::nullopt;
  }
}

/// How many positions are folded into one; none where only a run knows.
std::optional<int64_t> positionsOf(nn::ReduceOp reduce) {
  int64_t count = 1;
  for (int64_t axis : reduce.getAxes()) {
    std::optional<int64_t> size = nn::dimOf(reduce.getInput().getType(), axis).asConstant();
    if (!size)
      return std::nullopt;
    count *= *size;
  }
  return count;
}

/// How a block, and a cluster of blocks, share the positions of some columns.
struct Shape {
  int64_t groups = 8, threads = 256, blocks = 1; // threads along the columns; of a block; of the cluster

  static Shape of(nn::ReduceOp reduce, const Target &target);
  int64_t columns() const { return groups * kLanes; }
  int64_t slices() const { return threads / groups; } // of the positions, of a block
  int64_t warps() const { return threads / kWarp; }
  int64_t partBytes() const { return columns() * 4; }
  int64_t sharedBytes() const { return (warps() + blocks) * partBytes(); } // sums of warps, and of blocks
};

Shape Shape::of(nn::ReduceOp reduce, const Target &target) {
  constexpr int kFirstWithClusters = 90;
  constexpr int64_t kRounds = 4, kMostBlocks = 8, kMostThreads = 512; // positions of a thread that are worth another block, more threads
  int64_t positions = *positionsOf(reduce),
          columns = *nn::dimOf(reduce.getInput().getType(), cast<RankedTensorType>(reduce.getInput().getType()).getRank() - 1).asConstant();
  Shape shape;
  if (target.computeCapability < kFirstWithClusters)
    return shape;
  while (shape.blocks < kMostBlocks && positions >= 2 * shape.blocks * shape.slices() * kRounds)
    shape.blocks *= 2;
  // Columns of 32 bytes, a sector, are as good as wider ones, and busy twice as many multiprocessors.
  if (shape.blocks == kMostBlocks && int64_t(llvm::divideCeil(columns, shape.columns())) * shape.blocks < target.cores / 2)
    shape.groups /= 2;
  while (shape.threads < kMostThreads && positions > shape.blocks * shape.slices() * kRounds)
    shape.threads *= 2;
  return shape;
}

/// The kept axes in front of the columns.
SmallVector<nn::Dim> outerDims(nn::ReduceOp reduce) {
  SmallVector<nn::Dim> dims = nn::dimsOf(reduce.getResult().getType());
  dims.pop_back();
  return dims;
}

class ColumnEmitter {
public:
  ColumnEmitter(KernelBuilder &b, kernel::FuncOp func)
      : b(b), w(b), ops(b.ops()), func(func), reduce(reductionOf(func)), fold(*foldOf(reduce.getKind())), shape(Shape::of(reduce, b.target())),
        columns(*nn::dimOf(reduce.getInput().getType(), rank() - 1).asConstant()), evaluator(b),
        vector(VectorType::get({kLanes}, b.ops().getF32Type())) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    if (shape.blocks > 1)
      w.arriveInCluster();
    Index tile = shape.blocks == 1 ? b.task() : b.div(b.task(), shape.blocks);
    int64_t tiles = llvm::divideCeil(columns, shape.columns());
    Value group = w.rem(thread, shape.groups);
    Index column = b.add(b.mul(b.rem(tile, tiles), shape.columns()), w.wide(w.mul(group, kLanes)));
    isThere = b.lessThan(column, columns);
    column = b.mul(b.div(b.min(column, columns - kLanes), kLanes), kLanes); // for the alignment of loads
    placeOf(b.div(tile, tiles), column);

    Value folded = foldSlice(column);
    for (int64_t distance = shape.groups; distance < kWarp; distance *= 2)
      folded = combineWith(folded, [&](Value x) { return w.exchange(x, distance); });
    Value part = w.add(shared, w.mul(group, kLanes * 4));
    b.ifThen(w.below(w.rem(thread, kWarp), w.i32(shape.groups)),
             [&] { w.store(w.add(part, w.mul(w.div(thread, kWarp), shape.partBytes())), folded); });
    w.barrier();
    Value isFirst = w.below(thread, w.i32(shape.groups));
    if (shape.blocks == 1) {
      b.ifThen(arith::AndIOp::create(ops, isFirst, isThere), [&] { finish(foldParts(part, shape.warps())); });
      return;
    }
    // Each block sends what it has to the first one.
    Value sent = w.add(part, shape.warps() * shape.partBytes()), rank = w.rankInCluster();
    w.waitForCluster();
    b.ifThen(isFirst, [&] { w.storePeer(w.peer(w.add(sent, w.mul(rank, shape.partBytes())), w.i32(0)), foldParts(part, shape.warps())); });
    w.clusterBarrier();
    Value isOwner = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, rank, w.i32(0));
    b.ifThen(arith::AndIOp::create(ops, isOwner, arith::AndIOp::create(ops, isFirst, isThere)), [&] { finish(foldParts(sent, shape.blocks)); });
  }

private:
  int rank() { return int(cast<RankedTensorType>(reduce.getInput().getType()).getRank()); }
  bool isReduced(int axis) { return llvm::is_contained(reduce.getAxes(), axis); }

  /// Where the columns lie in the input, 0 along reduced axes, and in the result.
  void placeOf(Index rest, Index column) {
    SmallVector<nn::Dim> outer = outerDims(reduce);
    result.index.assign(outer.size() + 1, Index(0));
    for (int axis = int(outer.size()) - 1; axis >= 0; --axis) {
      result.index[axis] = axis ? b.rem(rest, b.dim(outer[axis])) : rest;
      rest = axis ? b.div(rest, b.dim(outer[axis])) : rest;
    }
    result.index.back() = column;
    result.lanes = kLanes;
    result.axis = int(outer.size());
    bool keeps = int(outer.size()) + 1 == rank();
    int next = 0;
    for (int axis = 0; axis < rank(); ++axis) {
      if (isReduced(axis)) {
        input.push_back(Index(0));
        next += keeps;
      } else {
        input.push_back(result.index[next++]);
      }
    }
  }

  /// The thread's share of the positions.
  Value foldSlice(Index column) {
    Value slice = w.div(thread, shape.groups);
    if (shape.blocks > 1)
      slice = w.add(slice, arith::MulIOp::create(ops, w.rankInCluster(), w.i32(shape.slices())));
    constexpr int64_t kMostAtOnce = 16, kSums = 4; // positions whose loads are under way together; independent sums
    int64_t positions = *positionsOf(reduce), step = shape.slices() * shape.blocks,
            atOnce = std::min<int64_t>(kMostAtOnce, llvm::divideCeil(positions, step));
    int64_t whole = positions / (step * atOnce) * (step * atOnce), rest = llvm::divideCeil(positions - whole, step);
    auto element = [&](Index position) { return evaluator.at(reduce.getInput(), at(position)); };
    auto add = [&](MutableArrayRef<Value> sums, int64_t i, Value x) { sums[i % kSums] = evaluator.combine(fold, sums[i % kSums], x); };
    KernelBuilder::Values sums(kSums, evaluator.identity(fold, vector));
    if (whole)
      sums = b.loop(w.wide(slice), whole, step * atOnce, sums, [&](Index first, ValueRange carried) {
        Evaluator::Scope scope(evaluator);
        KernelBuilder::Values next(carried);
        for (int64_t i = 0; i < atOnce; ++i)
          add(next, i, element(b.add(first, i * step)));
        return next;
      });
    for (int64_t i = 0; i < rest; ++i) {
      Evaluator::Scope scope(evaluator);
      Index position = b.add(w.wide(slice), whole + i * step);
      bool isLast = i + 1 == rest; // which some threads do not have: they read another one
      Value x = element(isLast ? b.min(position, positions - 1) : position);
      if (isLast)
        x = arith::SelectOp::create(ops, b.lessThan(position, positions), x, evaluator.identity(fold, vector));
      add(sums, i, x);
    }
    for (int64_t i = 1; i < kSums; ++i)
      sums[0] = evaluator.combine(fold, sums[0], sums[i]);
    return sums[0];
  }

  Place at(Index position) {
    Place there{input, kLanes, rank() - 1};
    Value rest = w.narrow(position);
    SmallVector<int64_t> axes(reduce.getAxes());
    llvm::sort(axes);
    for (size_t i = axes.size(); i-- > 0;) {
      int64_t size = *nn::dimOf(reduce.getInput().getType(), axes[i]).asConstant();
      there.index[axes[i]] = w.wide(i ? w.rem(rest, size) : rest);
      rest = i ? w.div(rest, size) : rest;
    }
    return there;
  }

  Value combineWith(Value v, llvm::function_ref<Value(Value)> other) {
    Value others = v;
    for (int i = 0; i < kLanes; ++i)
      others = b.insertLane(others, other(b.extractLane(v, i)), i);
    return evaluator.combine(fold, v, others);
  }

  /// Sums of warps or blocks, one after the other from `first` on, combined.
  Value foldParts(Value first, int64_t count) {
    Value sum = w.loadFloats(first);
    for (int64_t i = 1; i < count; ++i)
      sum = evaluator.combine(fold, sum, w.loadFloats(w.add(first, i * shape.partBytes())));
    return sum;
  }

  /// What the kernel makes of the folded columns.
  void finish(Value folded) {
    Evaluator::Scope scope(evaluator);
    if (reduce.getKind() == nn::ReduceKind::Mean)
      folded = arith::DivFOp::create(ops, folded, b.constant(double(*positionsOf(reduce)), vector));
    evaluator.provide(reduce.getResult(), [folded](const Place &) { return folded; });
    SmallVector<Value> values;
    for (auto [returned, type] : llvm::zip(func.terminator().getOperands(), func.getResultTypes())) {
      Type element = cast<RankedTensorType>(type).getElementType();
      Value x = evaluator.at(returned, result);
      values.push_back(cpu::computeType(element) == element ? x : b.convert(x, element));
    }
    for (auto [r, x] : llvm::enumerate(values)) {
      Tensor memory = b.result(r);
      b.storeStrided(x, memory, b.at(memory, result.index), memory.strides[result.axis]);
    }
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  kernel::FuncOp func;
  nn::ReduceOp reduce;
  cpu::Fold fold;
  Shape shape;
  int64_t columns;
  Evaluator evaluator;
  VectorType vector;
  Value thread, shared, isThere;
  SmallVector<Index, 6> input;
  Place result;
};

class ColumnsFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.columns"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    nn::ReduceOp reduce = reductionOf(func);
    if (!reduce || !foldOf(reduce.getKind()) || !positionsOf(reduce) || !cpu::canCompute(func) ||
        !cpu::computeType(cast<ShapedType>(reduce.getInput().getType()).getElementType()).isF32())
      return false;
    int64_t rank = cast<RankedTensorType>(reduce.getInput().getType()).getRank();
    std::optional<int64_t> columns = nn::dimOf(reduce.getInput().getType(), rank - 1).asConstant();
    constexpr int64_t kFewest = 16, kMost = int64_t(1) << 30; // positions: fewer are a thread's loop
    if (!columns || *columns % kLanes || llvm::is_contained(reduce.getAxes(), rank - 1) || *positionsOf(reduce) < kFewest ||
        *positionsOf(reduce) > kMost || !Evaluator::lanesSuit(reduce.getInput(), int(rank - 1)))
      return false;
    return isElementwiseAfter(func, reduce);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &target) const override {
    nn::ReduceOp reduce = reductionOf(func);
    int64_t rank = cast<RankedTensorType>(reduce.getInput().getType()).getRank();
    Shape shape = Shape::of(reduce, target);
    int64_t tiles = llvm::divideCeil(*nn::dimOf(reduce.getInput().getType(), rank - 1).asConstant(), shape.columns());
    KernelPlan plan;
    plan.tasks = nn::product(func.getContext(), outerDims(reduce)) * (tiles * shape.blocks);
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(shape.threads), 1, int(shape.sharedBytes()), int(shape.blocks)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    ColumnEmitter(b, func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &columnsFamily() {
  static const ColumnsFamily family;
  return family;
}

} // namespace tenon::gpu
