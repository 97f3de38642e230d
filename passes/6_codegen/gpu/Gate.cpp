// The gate of squeeze-and-excitation: two products of one row of channels for each image, few values between them.
//
// Every block computes all of the few of an image, and then its share of the gate: what that repeats is hidden, since the weights of the first product are
// on their way to shared memory while the kernel before still runs. The row is a column of mma.sync's right operand. Where it is a mean of which the kernel
// before gave sums (nn-means-into-depthwise), up to eight threads have parts of it for the same channels: each part is a column, and the results are added.
#include "passes/6_codegen/gpu/Gate.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/gpu/GateProblem.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = GateProblem::kWarp, kShares = GateProblem::kShares, kFewThreads = GateProblem::kFewThreads, kMostThreads = GateProblem::kMostThreads;
constexpr int64_t kLanes = GateProblem::kLanes, kChunk = GateProblem::kChunk, kChunkBytes = GateProblem::kChunkBytes;
constexpr int64_t kFragmentRows = GateProblem::kFragmentRows, kPairBytes = GateProblem::kPairBytes;

class GateEmitter {
public:
  GateEmitter(KernelBuilder &b, const GateProblem &p)
      : b(b), w(b), ops(b.ops()), p(p), half(p.bfloat ? Type(ops.getBF16Type()) : Type(ops.getF16Type())), f32(ops.getF32Type()) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    lane = w.rem(thread, 32);
    share = w.rem(thread, kShares);
    image = p.images == 1 ? Index(0) : b.div(b.task(), p.blocksOfImage());
    Index block = p.images == 1 ? b.task() : b.rem(b.task(), p.blocksOfImage());
    Index first = b.add(b.mul(block, p.resultsOfBlock()), w.wide(w.div(thread, kShares)));
    copyWeights(); // which do not depend on the kernel before
    SmallVector<SmallVector<Value>> factors;
    SmallVector<Value> biases;
    for (int64_t round = 0; round < p.rounds; ++round) {
      results.push_back(b.add(first, round * p.threads / kShares));
      factors.push_back(loadFactors(results.back()));
      biases.push_back(biasAt(p.excite, b.min(results.back(), p.results - 1)));
    }
    Value bias = biasAt(p.squeeze, b.min(w.wide(thread), p.hidden - 1));
    b.waitForInputs();
    p.sums ? sumParts() : copyRow();
    w.waitFor(0);
    w.barrier();
    squeeze();
    w.barrier();
    b.ifThen(w.below(thread, w.i32(p.hiddenRows())), [&] { activate(bias); });
    w.barrier();
    for (auto [round, result] : llvm::enumerate(results))
      excite(result, factors[round], biases[round]);
  }

private:
  Value pointer(const Tensor &t, Index offset) {
    return LLVM::GEPOp::create(ops, t.base.getType(), t.element, t.base, ArrayRef<LLVM::GEPArg>{b.value(offset)});
  }

  void forChunks(int64_t chunks, llvm::function_ref<void(Value)> body) {
    for (int64_t first = 0; first < chunks; first += p.threads) {
      Value own = w.add(thread, first);
      first + p.threads <= chunks ? body(own) : b.ifThen(w.below(own, w.i32(chunks)), [&] { body(own); });
    }
  }

  void copyWeights() {
    Tensor weight = b.tensorOf(p.squeeze.getWeight());
    forChunks(p.hidden * p.chunks(), [&](Value own) {
      Value row = w.div(own, p.chunks()), chunk = w.rem(own, p.chunks()), isThere = w.below(chunk, w.i32(p.channels / kChunk));
      Value element = w.select(isThere, w.add(w.mul(row, p.channels), w.mul(chunk, kChunk)), w.i32(0));
      Value to = w.add(shared, w.add(w.mul(row, p.pitch()), w.mul(chunk, kChunkBytes)));
      w.copyAsync(to, pointer(weight, w.wide(element)), w.select(isThere, w.i32(kChunkBytes), w.i32(0)));
    });
    w.commit();
  }

  /// This thread's factors of the second product: every fourth of a result's row.
  SmallVector<Value> loadFactors(Index result) {
    Tensor weight = b.tensorOf(p.excite.getWeight());
    Value isThere = b.lessThan(result, p.results);
    SmallVector<Value> factors;
    for (int64_t first = 0; first < p.hidden; first += kShares) {
      Value own = w.add(share, first);
      Value within = arith::AndIOp::create(ops, isThere, w.below(own, w.i32(p.hidden)));
      Value loaded = w.loadIf(within, pointer(weight, b.add(b.mul(result, p.hidden), w.wide(own))), VectorType::get({1}, half));
      factors.push_back(b.convert(b.extractLane(loaded, 0), f32));
    }
    return factors;
  }

  void copyRow() {
    Tensor row = b.tensorOf(p.squeeze.getInput());
    forChunks(p.chunks(), [&](Value own) {
      Value isThere = w.below(own, w.i32(p.channels / kChunk));
      // As wide as its place in memory allows.
      Index element = b.add(b.at(row, {image, Index(0), Index(0), Index(0)}), w.wide(w.mul(own, kChunk)));
      int64_t lanes = std::clamp<int64_t>(row.alignment / 2, 1, kChunk);
      Value chunk = b.constant(0, VectorType::get({kChunk}, half));
      for (int64_t first = 0; first < kChunk; first += lanes) {
        Value loaded = w.loadIf(isThere, pointer(row, b.add(element, first)), VectorType::get({lanes}, half));
        for (int64_t i = 0; i < lanes; ++i)
          chunk = b.insertLane(chunk, b.extractLane(loaded, int(i)), int(first + i));
      }
      w.store(w.add(w.add(shared, p.rowAt()), w.mul(own, kChunkBytes)), chunk);
    });
  }

  /// Parts of the mean of four channels, so many rows of pixels apart, from the sums that the kernel before gave.
  void sumParts() {
    Tensor parts = b.tensorOf(p.sums.getInput());
    int64_t columns = p.columns(), items = columns * p.quads(), rows = p.rowsOfSums;
    struct Item {
      Value column, quad, isThere;
      SmallVector<Value> loaded;
    };
    SmallVector<Item> all;
    for (int64_t first = 0; first < items; first += p.threads) { // all loads are under way before the first sum
      Item item;
      Value own = w.add(thread, first);
      item.column = w.div(own, p.quads());
      item.quad = w.rem(own, p.quads());
      item.isThere = w.below(own, w.i32(items));
      Value isSummed = arith::AndIOp::create(ops, item.isThere, w.below(item.quad, w.i32(p.channels / kLanes)));
      for (int64_t row = 0; row < rows; row += columns)
        item.loaded.push_back(loadSums(parts, w.add(item.column, row), item.quad, isSummed, row + columns <= rows));
      all.push_back(item);
    }
    for (Item &item : all) {
      Value sum = item.loaded.front();
      for (Value x : ArrayRef(item.loaded).drop_front())
        sum = arith::AddFOp::create(ops, sum, x);
      cpu::Evaluator evaluator(b);
      evaluator.provide(p.sums.getResult(), [sum](const Place &) { return sum; });
      Value part = evaluator.at(p.squeeze.getInput(), {{image, Index(0), Index(0), w.wide(w.mul(item.quad, kLanes))}, kLanes, 3});
      Value to = w.add(w.add(shared, p.rowAt()), w.add(w.mul(item.column, p.pitch()), w.mul(item.quad, kLanes * 2)));
      b.ifThen(item.isThere, [&] { w.store(to, b.convert(part, half)); });
    }
  }

  /// Four neighbouring sums of a row of pixels; zeros where there are none.
  Value loadSums(const Tensor &parts, Value row, Value quad, Value isThere, bool isRow) {
    Value within = isRow ? isThere : arith::AndIOp::create(ops, isThere, w.below(row, w.i32(p.rowsOfSums))).getResult();
    int64_t lanes = std::clamp<int64_t>(parts.alignment / 4, 1, kLanes); // as wide as their place in memory allows
    Index element = b.at(parts, {image, w.wide(row), Index(0), w.wide(w.mul(quad, kLanes))});
    Value sums = b.constant(0, VectorType::get({kLanes}, f32));
    for (int64_t first = 0; first < kLanes; first += lanes) {
      Value loaded = w.loadIf(within, pointer(parts, b.add(element, first)), VectorType::get({lanes}, f32));
      if (lanes == kLanes)
        return loaded;
      for (int64_t i = 0; i < lanes; ++i)
        sums = b.insertLane(sums, b.extractLane(loaded, int(i)), int(first + i));
    }
    return sums;
  }

  /// The few, summed over this warp's share of the channels: in the first columns of fragments.
  void squeeze() {
    Value warp = w.div(thread, kWarp), matrix = w.div(lane, 8), rowOfMatrix = w.rem(lane, 8), isColumn = w.below(lane, w.i32(4 * p.columns()));
    int64_t fragments = p.hiddenRows() / kFragmentRows;
    Value left = w.add(shared, w.add(w.mul(w.add(rowOfMatrix, w.mul(w.rem(matrix, 2), 8)), p.pitch()), w.mul(w.div(matrix, 2), kChunkBytes)));
    Value right = w.add(w.add(shared, p.rowAt()), w.add(w.mul(w.div(lane, 4), p.pitch()), w.mul(w.rem(lane, 4), 4)));
    KernelBuilder::Values init(fragments * 4, b.constant(0, f32));
    auto sums = b.loop(w.wide(warp), p.steps(), p.warps(), init, [&](Index step, ValueRange carried) {
      KernelBuilder::Values next(carried);
      Value at = w.mul(w.narrow(step), 2 * kChunkBytes);
      SmallVector<Value> column{w.loadWordIf(isColumn, w.add(right, at)), w.loadWordIf(isColumn, w.add(w.add(right, at), kChunkBytes))};
      for (int64_t m = 0; m < fragments; ++m)
        w.multiply(p.bfloat, w.loadMatrices(w.add(w.add(left, at), m * kFragmentRows * p.pitch())), column, MutableArrayRef(next).slice(m * 4, 4));
      return next;
    });
    Value parts = w.add(w.add(shared, p.partsAt()), w.mul(w.add(w.mul(warp, p.hiddenRows()), w.div(lane, 4)), kPairBytes));
    Value isFirst = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, w.rem(lane, 4), w.i32(0));
    if (p.columns() > 1)
      addColumns(sums);
    b.ifThen(isFirst, [&] {
      for (int64_t m = 0; m < fragments; ++m)
        for (int64_t lower = 0; lower < 2; ++lower) {
          Value pair =
              vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{sums[m * 4 + lower * 2], sums[m * 4 + lower * 2 + 1]});
          w.store(w.add(parts, (m * kFragmentRows + lower * 8) * kPairBytes), pair);
        }
    });
  }

  /// The first of each two sums becomes that of all columns.
  void addColumns(MutableArrayRef<Value> sums) {
    for (size_t i = 0; i < sums.size(); i += 2) {
      sums[i] = arith::AddFOp::create(ops, sums[i], sums[i + 1]);
      for (int64_t distance = 1; distance < 4; distance *= 2)
        sums[i] = arith::AddFOp::create(ops, sums[i], w.exchange(sums[i], distance));
    }
  }

  Value biasAt(nn::ConvOp conv, Index at) {
    if (!conv.getBias())
      return {};
    Tensor bias = b.tensorOf(conv.getBias());
    return b.convert(b.load(bias, b.at(bias, {at})), f32);
  }

  /// One of the few; zero beyond them.
  void activate(Value bias) {
    Value at = w.add(w.add(shared, p.partsAt()), w.mul(thread, kPairBytes)), sum;
    for (int64_t warp = 0; warp < p.warps(); ++warp) {
      Value part = w.loadPair(w.add(at, warp * p.hiddenRows() * kPairBytes)).first;
      sum = sum ? arith::AddFOp::create(ops, sum, part).getResult() : part;
    }
    sum = bias ? arith::AddFOp::create(ops, sum, bias).getResult() : sum;
    for (Operation *op : p.between)
      sum = cpu::emitElementwise(b, op, sum);
    sum = w.select(w.below(thread, w.i32(p.hidden)), sum, b.constant(0, f32));
    Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{sum, sum});
    w.store(w.add(w.add(shared, p.hiddenAt()), w.mul(thread, kPairBytes)), pair);
  }

  void excite(Index result, ArrayRef<Value> factors, Value bias) {
    Value at = w.add(w.add(shared, p.hiddenAt()), w.mul(share, kPairBytes)), sum = b.constant(0, f32);
    for (auto [i, factor] : llvm::enumerate(factors))
      sum = b.fma(factor, w.loadPair(w.add(at, int64_t(i) * kShares * kPairBytes)).first, sum);
    for (int64_t distance = 1; distance < kShares; distance *= 2)
      sum = arith::AddFOp::create(ops, sum, w.exchange(sum, distance));
    Value isFirst = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, share, w.i32(0));
    b.ifThen(arith::AndIOp::create(ops, isFirst, b.lessThan(result, p.results)), [&] {
      Value gate = bias ? arith::AddFOp::create(ops, sum, bias).getResult() : sum;
      SmallVector<Index> position(cast<RankedTensorType>(p.excite.getType()).getRank(), Index(0));
      position.front() = image;
      position.back() = result;
      cpu::Epilogue(b, p.excite.getResult()).store(gate, position);
    });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  GateProblem p;
  Type half, f32;
  Value thread, shared, lane, share;
  Index image;
  SmallVector<Index> results; // of the thread
};

class GateFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.gate"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return GateProblem::of(func, target).has_value(); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    GateProblem p = *GateProblem::of(func, target);
    int64_t most = std::max<int64_t>(1, target.cores / p.images); // blocks of an image: all are to run at once
    auto add = [&](int64_t threads, int64_t rounds) {
      auto schedule = kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", threads}, {"rounds", rounds}});
      if (!llvm::is_contained(out, schedule))
        out.push_back(schedule);
    };
    // More threads where several, then, add up sums of the same channels.
    bool isWide = p.images > 1 || (p.rowsOfSums && p.quads() > kFewThreads / 2 && p.quads() <= kMostThreads / 2);
    for (int64_t threads : {isWide ? kMostThreads : kFewThreads, isWide ? kFewThreads : kMostThreads}) {
      constexpr int64_t kMostRounds = 4;
      int64_t results = threads / kShares, rounds = std::min(kMostRounds, int64_t(llvm::divideCeil(llvm::divideCeil(p.results, most), results)));
      add(threads, rounds);
      add(threads, 1);
      add(threads, 2);
    }
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    GateProblem p = *GateProblem::of(func, target);
    p.take(schedule);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), p.images * p.blocksOfImage());
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(p.threads), 1, int(p.sharedBytes()), 1, /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    std::optional<GateProblem> p = GateProblem::of(func, b.target());
    if (!p)
      return func.emitError("the gate family computes two products of one row of each image with constant weights in a half type");
    p->take(schedule);
    GateEmitter(b, *p).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    int64_t count = 0;
    for (nn::ConvOp conv : func.getBody().getOps<nn::ConvOp>())
      count += 2 * cast<RankedTensorType>(conv.getWeight().getType()).getNumElements();
    auto conv = *func.getBody().getOps<nn::ConvOp>().begin();
    return nn::dimOf(conv.getType(), 0) * count;
  }
};
} // namespace

const KernelFamily &gateFamily() {
  static const GateFamily family;
  return family;
}

} // namespace tenon::gpu
