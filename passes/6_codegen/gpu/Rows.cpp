#include "passes/6_codegen/gpu/Rows.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/RowReduction.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "passes/6_codegen/gpu/Columns.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

bool isElementwiseAfter(kernel::FuncOp func, Operation *anchor) {
  auto dims = nn::dimsOf(anchor->getResult(0).getType());
  bool after = false;
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (after && !op.hasTrait<nn::Elementwise>() && !isa<nn::ConstantOp>(op))
      return false;
    after |= &op == anchor;
  }
  return llvm::all_of(func.getResultTypes(), [&](Type type) { return nn::dimsOf(type) == dims; });
}

namespace {
constexpr int64_t kWarp = 32, kMostChunks = 8; // parts of a row that a thread keeps in registers

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

bool isOfFloats(Operation *anchor) {
  return cpu::computeType(cast<ShapedType>(anchor->getOperand(0).getType()).getElementType()).isF32();
}

/// The axes of the input that a row runs along, [first, end). A group of channels is a part of the first one.
struct RowAxes {
  int first, end;

  static std::optional<RowAxes> of(Operation *anchor) {
    int rank = int(cast<RankedTensorType>(anchor->getOperand(0).getType()).getRank());
    if (auto softmax = dyn_cast<nn::SoftmaxOp>(anchor))
      return RowAxes{int(softmax.getAxis()), int(softmax.getAxis()) + 1};
    if (auto best = dyn_cast<nn::ArgReduceOp>(anchor))
      return RowAxes{int(best.getAxis()), int(best.getAxis()) + 1};
    if (auto layer = dyn_cast<nn::LayerNormOp>(anchor))
      return RowAxes{int(layer.getAxis()), rank};
    if (auto rms = dyn_cast<nn::RMSNormOp>(anchor))
      return RowAxes{int(rms.getAxis()), rank};
    if (isa<nn::GroupNormOp>(anchor))
      return RowAxes{1, rank};
    auto reduce = dyn_cast<nn::ReduceOp>(anchor);
    if (!reduce || reduce.getAxes().empty())
      return std::nullopt;
    RowAxes axes{int(*llvm::min_element(reduce.getAxes())), int(*llvm::max_element(reduce.getAxes())) + 1};
    return axes.end - axes.first == int(reduce.getAxes().size()) ? std::optional(axes) : std::nullopt;
  }
};

/// Sizes along a row, of which the last one is the innermost.
SmallVector<nn::Dim> extentsOf(Operation *anchor) {
  RowAxes axes = *RowAxes::of(anchor);
  SmallVector<nn::Dim> dims = nn::dimsOf(anchor->getOperand(0).getType());
  SmallVector<nn::Dim> extents(ArrayRef(dims).slice(axes.first, axes.end - axes.first));
  if (auto group = dyn_cast<nn::GroupNormOp>(anchor))
    extents.front() = extents.front().floorDiv(int64_t(group.getGroups()));
  return extents;
}

std::optional<int64_t> lengthOf(Operation *anchor) {
  return nn::product(anchor->getContext(), extentsOf(anchor)).asConstant();
}

constexpr int64_t kLong = 2048; // elements: of rows from here on a block has each

bool isAlongLast(Operation *anchor) {
  return RowAxes::of(anchor)->end == cast<RankedTensorType>(anchor->getOperand(0).getType()).getRank();
}

/// What the family computes: rows that a warp has, or a part of one, and
bool isOfWarps(kernel::FuncOp func, const Target &target) {
  Operation *anchor = loopOf(func);
  if (!isa<nn::ReduceOp>(anchor))
    return cpu::rowReductionFamily().matches(func, target);
  std::optional<int64_t> length = extentsOf(anchor).back().asConstant();
  return isAlongLast(anchor) && (!length || *length >= kWarp);
}

/// those that blocks have, or several warps the neighbouring ones of, or that are not one axis.
bool isOfBlocks(kernel::FuncOp func, Operation *anchor, const Target &target) {
  constexpr int64_t kFewest = 16, kFewestAcross = 64, kMostAcross = 1 << 16; // elements of a row, and rows along an axis before others
  std::optional<int64_t> length = lengthOf(anchor), rows = nn::numElements(anchor->getResult(0).getType()).asConstant();
  if (isa<nn::ReduceOp, nn::ArgReduceOp>(anchor) && !isAlongLast(anchor)) // of many columns a thread folds one, or four
    return length && *length >= kFewestAcross && *length <= std::numeric_limits<int32_t>::max() && rows && *rows <= kMostAcross &&
           !columnsFamily().matches(func, target);
  if (isa<nn::GroupNormOp>(anchor))
    return true;
  if (isa<nn::ArgReduceOp>(anchor))
    return length && *length >= kFewest && *length <= std::numeric_limits<int32_t>::max();
  return isa<nn::SoftmaxOp>(anchor) || (length && *length >= kLong);
}

bool isRow(kernel::FuncOp func, const Target &target) {
  Operation *anchor = loopOf(func);
  if (!isa_and_nonnull<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp, nn::GroupNormOp, nn::ReduceOp, nn::ArgReduceOp>(anchor) ||
      !cpu::canCompute(func) || !isOfFloats(anchor) || !RowAxes::of(anchor))
    return false;
  if (auto reduce = dyn_cast<nn::ReduceOp>(anchor)) {
    using Kind = nn::ReduceKind;
    constexpr Kind kKinds[] = {Kind::Sum, Kind::Mean, Kind::Max, Kind::Min, Kind::SumSquare, Kind::L2};
    if (!llvm::is_contained(kKinds, reduce.getKind()) || !isElementwiseAfter(func, reduce))
      return false;
  }
  return isOfWarps(func, target) || (isOfBlocks(func, anchor, target) && isElementwiseAfter(func, anchor));
}

/// Threads that share a row: a warp, or fewer where a row is too short to give each of them an access.
int64_t threadsOfRow(kernel::FuncOp func) {
  constexpr int64_t kElements = 4; // of a thread's access
  Operation *anchor = loopOf(func);
  std::optional<int64_t> length = lengthOf(anchor);
  if (!length || isa<nn::ReduceOp>(anchor))
    return kWarp;
  return std::min<int64_t>(kWarp, llvm::PowerOf2Ceil(std::max<int64_t>(1, llvm::divideCeil(*length, kElements)))); // a row may be empty
}

/// The axes that tell rows apart: of the result where it is reduced.
SmallVector<nn::Dim> rowDims(kernel::FuncOp func) {
  Operation *anchor = loopOf(func);
  SmallVector<nn::Dim> dims = nn::dimsOf(anchor->getResult(0).getType());
  if (isa<nn::ReduceOp, nn::ArgReduceOp>(anchor))
    return dims;
  if (auto group = dyn_cast<nn::GroupNormOp>(anchor))
    return {dims[0], nn::Dim::constant(func.getContext(), int64_t(group.getGroups()))};
  RowAxes axes = *RowAxes::of(anchor);
  dims.erase(dims.begin() + axes.first, dims.begin() + axes.end);
  return dims;
}

/// How threads share rows. A schedule with `blocks` gives each row to so many blocks, a cluster; one with `columns` gives a block so many rows that
/// are neighbours in memory, whose elements are not: threads next to each other have the same element of each.
struct Sharing {
  int64_t threads, blocks, columns; // of a block; 0: the schedule has none
  int64_t ofRow;                    // threads that share a row

  static constexpr int64_t kSlotBytes = 16, kFolds = 2; // a value, and its position 8 bytes on; of a row, each of which has slots of its own

  Sharing(kernel::FuncOp func, kernel::ScheduleAttr schedule)
      : threads(schedule.get("threads", kWarp)), blocks(schedule.get("blocks", 0)), columns(schedule.get("columns", 0)),
        ofRow(columns  ? threads / columns
              : blocks ? threads * blocks
                       : threadsOfRow(func)) {}

  bool ofBlocks() const { return blocks || columns; }
  int64_t neighbours() const { return columns ? columns : 1; } // so far from each other are threads of a row
  int64_t cluster() const { return std::max<int64_t>(blocks, 1); }
  int64_t warps() const { return threads / kWarp; }
  /// Whether the threads of a row are more than exchanges reach.
  bool usesMemory() const { return ofRow > 1 && ofRow * neighbours() > kWarp; }
  int64_t foldBytes() const { return (warps() + cluster()) * neighbours() * kSlotBytes; }
  int64_t sharedBytes() const { return usesMemory() ? kFolds * foldBytes() : 0; }
  nn::Dim tasks(nn::Dim rows) const {
    if (columns)
      return rows.ceilDiv(columns);
    return blocks ? rows * blocks : rows.ceilDiv(threads / ofRow);
  }
};

/// Emits one row, or one element of a reduction, for the threads that share it: what is summed over the row is shared out among them.
class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, kernel::FuncOp func, Sharing shape)
      : b(b), w(b), ops(b.ops()), func(func), anchor(loopOf(func)), input(anchor->getOperand(0)), evaluator(b), shape(shape), sharing(shape.ofRow),
        axes(*RowAxes::of(anchor)), isFlat(shape.ofBlocks() || axes.end - axes.first > 1 || isa<nn::ArgReduceOp>(anchor)),
        lane(w.wide(numberInRow())) {
    isFlat &= shape.ofBlocks() || !isa<nn::ReduceOp>(anchor);
  }

  void emit(ArrayRef<nn::Dim> outer) {
    if (shape.cluster() > 1)
      w.arriveInCluster();
    place.index.assign(outer.size(), Index(0));
    Index rest = shape.cluster() > 1 ? b.div(b.task(), shape.cluster()) : b.task();
    Value isThere; // null: always
    if (int64_t together = shape.columns ? shape.columns : shape.blocks ? 1 : shape.threads / sharing; together > 1) {
      Index row = b.mul(b.task(), together);
      row = b.add(row, w.wide(shape.columns ? w.rem(w.thread(), shape.columns) : w.div(w.thread(), sharing)));
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
    if (auto best = dyn_cast<nn::ArgReduceOp>(anchor)) {
      b.waitForInputs();
      return emitBest(best);
    }
    axis = axes.end - 1;
    Index length = b.dim(nn::dimOf(input.getType(), axis));
    if (isa<nn::GroupNormOp>(anchor)) {
      place.index.back() = b.mul(place.index.back(), b.dim(extentsOf(anchor).front()));
      place.index.resize(axes.end, Index(0));
    } else {
      place.index.insert(place.index.begin() + axes.first, axes.end - axes.first, Index(0));
    }
    if (!isFlat)
      loadConstants(length);
    b.waitForInputs();
    if (axes.end - axes.first == 1) {
      place.index[axis] = Evaluator::unknown();
      evaluator.hoist(input, place);
      place.index[axis] = Index(0);
    }
    SmallVector<cpu::Range> range;
    for (nn::Dim extent : extentsOf(anchor))
      range.push_back({0, b.dim(extent)});
    evaluator.provide(anchor->getResult(0), isa<nn::SoftmaxOp>(anchor) ? softmax(range) : norm(range));
    auto all = [&] {
      Evaluator::Scope scope(evaluator);
      emitElements(range.back().high);
    };
    isThere ? b.ifThen(isThere, all) : all();
  }

private:
  using Element = std::function<Value(const Place &)>;
  using Values = KernelBuilder::Values;
  using Step = llvm::function_ref<Values(ValueRange, const Place &)>;
  using Merge = llvm::function_ref<Values(ValueRange, ValueRange)>;

  /// This thread's among those of its row.
  Value numberInRow() {
    if (!shape.ofBlocks())
      return w.rem(w.thread(), sharing);
    if (shape.columns)
      return w.div(w.thread(), shape.columns);
    return shape.cluster() > 1 ? w.add(w.thread(), w.mul(w.rankInCluster(), shape.threads)) : w.thread();
  }

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
    if (isFlat)
      return foldFlat(kind, element);
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
    return acrossThreads(folded, {}, [&](ValueRange x, ValueRange y) { return Values{evaluator.combine(kind, x[0], y[0])}; })[0];
  }

  Value foldFlat(cpu::Fold kind, const Element &element) {
    int lanes = lanesOfInput();
    Type type = ops.getF32Type();
    Value none = evaluator.identity(kind, type), init = lanes ? evaluator.identity(kind, VectorType::get({lanes}, type)) : none;
    auto merge = [&](ValueRange x, ValueRange y) { return Values{evaluator.combine(kind, x[0], y[0])}; };
    Value own = foldOwn(init, lanes, [&](ValueRange sums, const Place &p) { return Values{evaluator.combine(kind, sums[0], element(p))}; }, merge)[0];
    if (lanes)
      own = kind == cpu::Fold::Add ? b.reduceAdd(own) : kind == cpu::Fold::Min ? b.reduceMin(own) : b.reduceMax(own);
    return acrossThreads(own, none, merge)[0];
  }

  /// What `step` makes of `init` along this thread's parts of the row.
  Values foldOwn(ValueRange init, int lanes, Step step, Merge merge) {
    constexpr int64_t kAtOnce = 4; // accesses that do not wait for each other
    size_t size = init.size();
    Values sums(init);
    ArrayRef<Place> own = placesOf(lanes);
    for (const Place &p : own)
      sums = step(sums, p);
    if (!own.empty())
      return sums;
    Index count = accessesOf(lanes), whole = b.mul(b.div(count, sharing * kAtOnce), sharing * kAtOnce);
    auto walk = [&](Index low, Index high, int64_t atOnce, ValueRange carried) {
      return b.loop(low, high, sharing * atOnce, carried, [&](Index i, ValueRange before) {
        Evaluator::Scope scope(evaluator);
        Values next;
        for (int64_t k = 0; k < atOnce; ++k)
          llvm::append_range(next, step(before.slice(k * size, size), placeOf(b.add(i, k * sharing), lanes)));
        return next;
      });
    };
    if (!whole.is(0)) {
      Values many;
      for (int64_t k = 0; k < kAtOnce; ++k)
        llvm::append_range(many, init);
      many = walk(lane, whole, kAtOnce, many);
      sums.assign(many.begin(), many.begin() + size);
      for (int64_t k = 1; k < kAtOnce; ++k)
        sums = merge(sums, ValueRange(many).slice(k * size, size));
    }
    return walk(b.add(whole, lane), count, 1, sums);
  }

  /// `mine` of all threads of the row, merged in one order; every thread gets the result. `none` changes nothing.
  Values acrossThreads(ValueRange mine, ValueRange none, Merge merge) {
    Values all(mine);
    auto exchanged = [&](int64_t distance) { return llvm::map_to_vector(all, [&](Value x) { return exchange(x, distance); }); };
    int64_t neighbours = shape.neighbours();
    for (int64_t distance = std::min<int64_t>(sharing * neighbours, kWarp) / 2; distance >= neighbours; distance /= 2)
      all = merge(all, exchanged(distance));
    if (!shape.usesMemory())
      return all;
    Value thread = w.thread(), number = w.rem(thread, kWarp), column = w.rem(thread, neighbours),
          slots = w.add(w.shared(), (folds++) * shape.foldBytes());
    auto slotOf = [&](Value warp) { return w.add(slots, w.mul(w.add(w.mul(warp, neighbours), column), Sharing::kSlotBytes)); };
    auto serial = [&](int64_t first, int64_t count) {
      Values merged = loaded(slotOf(w.i32(first)), mine);
      for (int64_t i = 1; i < count; ++i)
        merged = merge(merged, loaded(slotOf(w.i32(first + i)), mine));
      return merged;
    };
    b.ifThen(w.below(number, w.i32(neighbours)), [&] { store(slotOf(w.div(thread, kWarp)), all, false); });
    w.barrier();
    if (shape.columns) {
      all = serial(0, shape.warps());
    } else {
      Value isThere = w.below(number, w.i32(shape.warps()));
      all = loaded(slotOf(w.select(isThere, number, w.i32(0))), mine);
      for (auto [x, otherwise] : llvm::zip(all, none))
        x = w.select(isThere, x, otherwise);
      for (int64_t distance = kWarp / 2; distance; distance /= 2)
        all = merge(all, exchanged(distance));
    }
    if (shape.cluster() == 1)
      return all;
    if (folds == 1)
      w.waitForCluster(); // the others' memory is there
    b.ifThen(w.below(thread, w.i32(shape.cluster())), [&] { store(w.peer(slotOf(w.add(w.rankInCluster(), shape.warps())), thread), all, true); });
    w.clusterBarrier();
    return serial(shape.warps(), shape.cluster());
  }

  /// Of 32 or 64 bits.
  Value exchange(Value x, int64_t distance) {
    Type type = x.getType();
    if (type.getIntOrFloatBitWidth() == 32)
      return w.exchange(x, distance);
    Value parts = LLVM::BitcastOp::create(ops, VectorType::get({2}, ops.getI32Type()), x), out = parts;
    for (int i = 0; i < 2; ++i)
      out = b.insertLane(out, w.exchange(b.extractLane(parts, i), distance), i);
    return LLVM::BitcastOp::create(ops, type, out);
  }

  /// Values of up to 8 bytes each in a slot.
  void store(Value slot, ValueRange values, bool ofPeer) {
    for (auto [i, x] : llvm::enumerate(values)) {
      Value address = w.add(slot, int64_t(i) * 8), word = b.splat(x, 1);
      ofPeer ? w.storePeer(address, word) : w.store(address, word);
    }
  }
  Values loaded(Value slot, ValueRange like) {
    Values values;
    for (auto [i, x] : llvm::enumerate(like))
      values.push_back(w.loadElement(w.add(slot, int64_t(i) * 8), x.getType()));
    return values;
  }

  // --- the row as one sequence of accesses, whatever its axes

  int lanesOfInput() {
    int last = axes.end - 1;
    return isAlongLast(anchor) ? lanesFor(b.dim(extentsOf(anchor).back()), [&] { return Evaluator::lanesSuit(input, last); }) : 0;
  }

  Index accessesOf(int lanes) {
    Index count = 1;
    for (nn::Dim extent : extentsOf(anchor))
      count = b.mul(count, b.dim(extent));
    return b.div(count, std::max(lanes, 1));
  }

  Place placeOf(Index number, int lanes) {
    Place there{place.index, lanes, lanes ? axes.end - 1 : -1};
    there.index.resize(std::max<size_t>(there.index.size(), axes.end), Index(0));
    SmallVector<nn::Dim> extents = extentsOf(anchor);
    bool isNarrow = extents.size() > 1 && accessesOf(1).isConstant() && accessesOf(1).get() <= std::numeric_limits<int32_t>::max();
    for (int i = int(extents.size()) - 1; i >= 0; --i) {
      Index size = b.dim(extents[i]), own = number;
      if (i == int(extents.size()) - 1)
        size = b.div(size, std::max(lanes, 1));
      if (i && isNarrow) {
        Value rest = w.narrow(number);
        own = size.is(1) ? Index(0) : w.wide(w.rem(rest, size.get()));
        number = size.is(1) ? number : w.wide(w.div(rest, size.get()));
      } else if (i) {
        own = b.rem(number, size);
        number = b.div(number, size);
      }
      if (i == int(extents.size()) - 1)
        own = b.mul(own, std::max(lanes, 1));
      Index &at = there.index[axes.first + i];
      at = i ? own : b.add(at, own); // a group begins at its first channel
    }
    return there;
  }

  /// Where this thread's parts of a row are, as chunksOf.
  ArrayRef<Place> placesOf(int lanes) {
    Index count = accessesOf(lanes);
    if (!count.isConstant() || count.get() % sharing != 0 || count.get() / sharing > kMostChunks)
      return {};
    SmallVector<Place> &known = places[lanes];
    for (int64_t i = int64_t(known.size()); i < count.get() / sharing; ++i)
      known.push_back(placeOf(b.add(lane, i * sharing), lanes));
    return known;
  }

  Value at(const Place &p) { return evaluator.at(input, p); }

  /// Where this thread's parts of a row begin, if they are few: then no pass over them is a loop, and what one pass has loaded the next ones use
  /// again.
  ArrayRef<Index> chunksOf(Index count, int width) {
    int64_t step = sharing * width;
    if (!count.isConstant() || count.get() % step != 0 || count.get() / step > kMostChunks)
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
    auto group = dyn_cast<nn::GroupNormOp>(anchor);
    Value count = countOf(range), mean;
    if (!rms)
      mean = arith::DivFOp::create(ops, fold(cpu::Fold::Add, range, [&](const Place &p) { return at(p); }), count);
    auto centred = [this, mean](const Place &p) -> Value {
      Value x = at(p);
      return mean ? arith::SubFOp::create(ops, x, spread(mean, p.lanes)).getResult() : x;
    };
    Value squares = fold(cpu::Fold::Add, range, [&](const Place &p) -> Value {
      Value x = centred(p);
      return arith::MulFOp::create(ops, x, x);
    });
    double epsilon = (layer ? layer.getEpsilon() : rms ? rms.getEpsilon() : group.getEpsilon()).convertToDouble();
    Value variance = arith::AddFOp::create(ops, arith::DivFOp::create(ops, squares, count), b.constant(epsilon, ops.getF32Type()));
    Value inverse = arith::DivFOp::create(ops, b.constant(1, ops.getF32Type()), cpu::emitSqrt(b, variance));
    if (group)
      return [this, group, centred, inverse](const Place &p) mutable -> Value {
        Place channel{{p.index[1]}};
        Value scale = arith::MulFOp::create(ops, inverse, evaluator.at(group.getScale(), channel)), bias = evaluator.at(group.getBias(), channel);
        return b.fma(centred(p), spread(scale, p.lanes), spread(bias, p.lanes));
      };
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
    SmallVector<cpu::Range> ranges;
    for (nn::Dim extent : extentsOf(anchor))
      ranges.push_back({0, b.dim(extent)});
    Place result = toInput();
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
    finish(folded, result);
  }

  /// Makes of the place in the result where the row begins in the input; gives what it was.
  Place toInput() {
    Place result = place;
    auto first = place.index.begin() + axes.first;
    if (nn::dimsOf(anchor->getResult(0).getType()).size() == nn::dimsOf(input.getType()).size()) // kept axes of size 1 go
      place.index.erase(first, first + (axes.end - axes.first));
    place.index.insert(place.index.begin() + axes.first, axes.end - axes.first, Index(0));
    return result;
  }

  void finish(Value folded, const Place &result) {
    evaluator.provide(anchor->getResult(0), [folded](const Place &) { return folded; });
    b.ifThen(b.equal(lane, 0), [&] {
      Evaluator::Scope scope(evaluator);
      store(result);
    });
  }

  /// The position of the best element: a fold of pairs. Each thread begins with the row's first element, which a NaN stays, and no other one gets
  /// past.
  void emitBest(nn::ArgReduceOp op) {
    Place result = toInput();
    using P = arith::CmpFPredicate;
    P isBetter = op.getMinimum() ? P::OLT : P::OGT;
    auto isEarlier = op.getSelectLast() ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::slt;
    auto merge = [&](ValueRange x, ValueRange y) -> Values { // y where it is better, or as good and at the place that counts
      Value better = arith::CmpFOp::create(ops, isBetter, y[0], x[0]), equal = arith::CmpFOp::create(ops, P::OEQ, y[0], x[0]);
      Value wins = arith::OrIOp::create(ops, better, arith::AndIOp::create(ops, equal, arith::CmpIOp::create(ops, isEarlier, y[1], x[1])));
      return {w.select(wins, y[0], x[0]), w.select(wins, y[1], x[1])};
    };
    int lanes = lanesOfInput();
    Values first{at(place), w.i32(0)};
    SmallVector<Attribute> numbers;
    for (int i = 0; i < lanes; ++i)
      numbers.push_back(ops.getI32IntegerAttr(i));
    Value number =
        lanes ? arith::ConstantOp::create(ops, DenseElementsAttr::get(VectorType::get({lanes}, ops.getI32Type()), numbers)).getResult() : w.i32(0);
    auto step = [&](ValueRange best, const Place &p) {
      return merge(best, Values{at(p), w.add(number, spread(w.narrow(p.index[axes.first]), lanes))});
    };
    Values best = foldOwn({spread(first[0], lanes), spread(first[1], lanes)}, lanes, step, merge);
    if (lanes) {
      auto lane = [&](int i) { return llvm::map_to_vector(best, [&](Value x) { return b.extractLane(x, i); }); };
      Values one = lane(0);
      for (int i = 1; i < lanes; ++i)
        one = merge(one, lane(i));
      best = one;
    }
    best = acrossThreads(best, first, merge);
    finish(arith::ExtSIOp::create(ops, ops.getI64Type(), best[1]), result);
  }

  void emitElements(Index length) {
    int lanes = isAlongLast(anchor) ? lanesOfElements(length) : 0, width = std::max(lanes, 1);
    if (isFlat) {
      ArrayRef<Place> own = placesOf(lanes);
      for (const Place &there : own)
        store(there);
      if (own.empty())
        b.loop(lane, accessesOf(lanes), sharing, [&](Index i) {
          Evaluator::Scope scope(evaluator);
          store(placeOf(i, lanes));
        });
      return;
    }
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
  Sharing shape;
  int64_t sharing; // threads of a row
  RowAxes axes;
  bool isFlat;                              // the row is walked as one sequence of accesses
  int64_t folds = 0;                        // that have used shared memory
  std::map<int, SmallVector<Index>> chunks; // by their width
  std::map<int, SmallVector<Place>> places; // by their lanes
  SmallVector<Value> constants[3];          // of a norm's operands, for each chunk
  int chunk = -1;                           // that is stored
  Index lane;                               // this thread's number among them
  int axis = -1;                            // of the row
  Place place;                              // of the row, 0 along it
};

class RowsFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.rows"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return isRow(func, target); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    // A multiprocessor starts few blocks at a time: where it has many rows blocks have several. Norms of 4,096 and 6,304 rows of 768 halves took 3.0
    // and 3.7 us on an H200, and 5.5 and 8.1 in blocks of one row; softmax of a million rows of 16 took 22 us in blocks of eight warps, 41 in blocks
    // of four.
    constexpr int64_t kFewWarps = 16, kManyWarps = 512; // of a multiprocessor
    if (std::optional<kernel::ScheduleAttr> ofBlocks = scheduleOfBlocks(func, target)) {
      out.push_back(*ofBlocks);
      return addOthersOfBlocks(func, Sharing(func, *ofBlocks), out);
    }
    int64_t sharing = threadsOfRow(func), rows = nn::product(func.getContext(), rowDims(func)).asConstant().value_or(1);
    int64_t warps = rows * sharing / (int64_t(target.cores) * kWarp);
    SmallVector<int64_t> counts = warps > kManyWarps  ? SmallVector<int64_t>{16, 8, 4}
                                  : warps > kFewWarps ? SmallVector<int64_t>{4, 8, 1}
                                                      : SmallVector<int64_t>{1, 4};
    for (int64_t count : counts)
      out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", count * kWarp}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    Sharing shape(func, schedule);
    KernelPlan plan;
    plan.tasks = shape.tasks(nn::product(func.getContext(), rowDims(func)));
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(shape.threads), 1, int(shape.sharedBytes()), int(shape.cluster()), /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    RowEmitter(b, func, Sharing(func, schedule)).emit(rowDims(func));
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }

private:
  /// Of rows that warps do not have.
  std::optional<kernel::ScheduleAttr> scheduleOfBlocks(kernel::FuncOp func, const Target &target) const {
    Operation *anchor = loopOf(func);
    std::optional<int64_t> length = lengthOf(anchor);
    int64_t rows = nn::product(func.getContext(), rowDims(func)).asConstant().value_or(1);
    if (!isAlongLast(anchor))
      return scheduleOf(func, "columns", neighboursOf(length, rows, target));
    constexpr int64_t kManyRows = 8; // of a multiprocessor: enough for warps to fold one each
    bool isLong = length ? *length >= kLong : isa<nn::GroupNormOp>(anchor);
    if (!isLong || (isa<nn::ReduceOp>(anchor) && isOfWarps(func, target) && rows >= kManyRows * target.cores))
      return std::nullopt;
    return scheduleOf(func, "blocks", clusterOf(anchor, length, rows, target));
  }

  /// For a tuner: half as many threads of a block, and twice as many.
  void addOthersOfBlocks(kernel::FuncOp func, const Sharing &best, SmallVectorImpl<kernel::ScheduleAttr> &out) const {
    constexpr int64_t kFewest = 64, kMost = 1024;
    bool isAlone = best.columns == best.threads; // each thread has a row
    for (int64_t threads : {best.threads / 2, best.threads * 2}) {
      if (threads < kFewest || threads > kMost || threads % kWarp || (!isAlone && best.columns && threads < 2 * best.columns))
        continue;
      out.push_back(best.columns ? scheduleOf(func, "columns", {threads, isAlone ? threads : best.columns})
                                 : scheduleOf(func, "blocks", {threads, best.blocks}));
    }
  }

  /// Threads of a block, and the other parameter.
  using Shape = std::pair<int64_t, int64_t>;
  kernel::ScheduleAttr scheduleOf(kernel::FuncOp func, StringRef parameter, Shape shape) const {
    return kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", shape.first}, {parameter, shape.second}});
  }

  /// A block for rows that are neighbours: 32, or fewer where that leaves multiprocessors without, but as many as memory reads at once.
  static Shape neighboursOf(std::optional<int64_t> length, int64_t rows, const Target &target) {
    constexpr int64_t kPart = 8, kMostSlices = 16, kAlone = 128, kFewestNeighbours = 8, kUnknown = 256;
    int64_t slices = std::min<int64_t>(kMostSlices, llvm::PowerOf2Ceil(llvm::divideCeil(length.value_or(kUnknown), kPart)));
    if (slices <= 1)
      return {kAlone, kAlone};
    int64_t neighbours = kWarp;
    for (; neighbours > kFewestNeighbours && rows < neighbours * target.cores && 2 * slices <= length.value_or(kUnknown); neighbours /= 2)
      slices *= 2;
    return {neighbours * slices, neighbours};
  }

  /// A cluster for a row where rows are few: as many threads as have parts that registers keep, and all of them equally many.
  static Shape clusterOf(Operation *anchor, std::optional<int64_t> length, int64_t rows, const Target &target) {
    constexpr int kFirstWithClusters = 90;
    constexpr int64_t kLanes = 4, kOfBlock = 2048, kMostBlocks = 8, kFewestThreads = 128, kMostThreads = 1024, kFewParts = 4, kUnknownThreads = 256;
    if (!length)
      return {kUnknownThreads, 1};
    bool isWide = extentsOf(anchor).back().asConstant().value_or(1) % kLanes == 0;
    int64_t accesses = isWide ? *length / kLanes : *length, blocks = 1;
    while (target.computeCapability >= kFirstWithClusters && blocks < kMostBlocks && 2 * rows * blocks <= target.cores &&
           accesses >= blocks * kOfBlock)
      blocks *= 2;
    int64_t best = 0;
    for (int64_t threads = kFewestThreads; threads <= kMostThreads; threads += kWarp) {
      int64_t parts = accesses / (threads * blocks);
      if (accesses % (threads * blocks) || parts > kMostChunks)
        continue;
      best = threads;
      if (parts <= kFewParts)
        break;
    }
    if (best)
      return {best, blocks};
    return {std::clamp<int64_t>(llvm::PowerOf2Ceil(accesses / (blocks * kFewParts)), kFewestThreads, kMostThreads), blocks};
  }
};
} // namespace

const KernelFamily &rowsFamily() {
  static const RowsFamily family;
  return family;
}

} // namespace tenon::gpu
