// The gate of squeeze-and-excitation: two products of one row of channels, few values between them.
//
// Every block computes all of the few, and then its share of the gate: what that repeats is hidden, since the weights of the first product are on
// their way to shared memory while the kernel before still runs. The row is the one column that is not zero of mma.sync's right operand.
#include "passes/6_codegen/gpu/Gate.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kThreads = 256, kWarps = kThreads / 32, kShares = 4, kResults = kThreads / kShares; // threads of a result; results of a block
constexpr int64_t kChunk = 8, kChunkBytes = 16, kFragmentRows = 16, kFragmentDepth = 16, kPairBytes = 8;
constexpr int kFirst = 90, kFirstWithout = 120; // GPUs whose blocks have so much shared memory

Type elementOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType();
}

struct GateProblem {
  nn::ConvOp squeeze, excite;
  SmallVector<Operation *> between;
  int64_t channels = 0, hidden = 0, results = 0;
  bool bfloat = false;

  static std::optional<GateProblem> of(kernel::FuncOp func, const Target &target);
  int64_t hiddenRows() const { return llvm::alignTo(hidden, kFragmentRows); }
  int64_t steps() const { return llvm::divideCeil(channels, kFragmentDepth); }
  int64_t chunks() const { return steps() * kFragmentDepth / kChunk; } // of a row of weights, zeros at its end included
  int64_t pitch() const { return (chunks() | 1) * kChunkBytes; }       // odd: eight rows lie in different banks
  int64_t rowAt() const { return hiddenRows() * pitch(); }             // behind the weights of the first product
  int64_t partsAt() const { return rowAt() + chunks() * kChunkBytes; } // what each warp has of the few
  int64_t hiddenAt() const { return partsAt() + kWarps * hiddenRows() * kPairBytes; }
  int64_t sharedBytes() const { return hiddenAt() + hiddenRows() * kPairBytes; }
};

/// A 1x1 convolution of one position, with constant weights as they are.
bool isProductOfRow(nn::ConvOp conv, kernel::FuncOp func) {
  auto weight = dyn_cast<BlockArgument>(conv.getWeight());
  auto shape = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
  auto dims = nn::dimsOf(conv.getInput().getType());
  bool isOneRow = llvm::all_of(ArrayRef(dims).drop_back(), [](nn::Dim d) { return d.isConstant(1); });
  bool isOneTap =
      llvm::all_of(shape.drop_front(2), [](int64_t size) { return size == 1; }) && llvm::all_of(conv.getPads(), [](int64_t pad) { return pad == 0; });
  bool hasBias = !conv.getBias() || isa<BlockArgument>(kernel::viewOf(conv.getBias()).source);
  return weight && func.getArgAttr(weight.getArgNumber(), "kernel.constant") && conv.getGroups() == 1 &&
         conv.getLayout() == nn::Layout::ChannelsLast && isOneRow && isOneTap && hasBias;
}

std::optional<GateProblem> GateProblem::of(kernel::FuncOp func, const Target &target) {
  constexpr int64_t kMostHidden = 64, kMostShared = 200 << 10;
  auto convs = llvm::to_vector(func.getBody().getOps<nn::ConvOp>());
  if (target.computeCapability < kFirst || target.computeCapability >= kFirstWithout || convs.size() != 2 || !isProductOfRow(convs[0], func) ||
      !isProductOfRow(convs[1], func))
    return std::nullopt;
  GateProblem p;
  p.squeeze = convs[0];
  p.excite = convs[1];
  for (Value value = p.excite.getInput(); value != p.squeeze.getResult();) {
    Operation *op = value.getDefiningOp();
    if (!op || !op->hasTrait<nn::Elementwise>() || op->getNumOperands() != 1 || !cpu::canEmitElementwise(op))
      return std::nullopt;
    p.between.insert(p.between.begin(), op);
    value = op->getOperand(0);
  }
  Type element = elementOf(p.squeeze.getInput());
  p.bfloat = element.isBF16();
  kernel::View view = kernel::viewOf(p.squeeze.getInput());
  bool isMemory = isa<BlockArgument>(view.source) && view.offset.isConstant(0) && view.strides.back().isConstant(1);
  bool isHalf = (element.isF16() || element.isBF16()) && elementOf(p.squeeze.getWeight()) == element && elementOf(p.excite.getWeight()) == element;
  auto first = cast<RankedTensorType>(p.squeeze.getWeight().getType()).getShape(),
       second = cast<RankedTensorType>(p.excite.getWeight().getType()).getShape();
  p.hidden = first[0];
  p.channels = first[1];
  p.results = second[0];
  if (!isMemory || !isHalf || !cpu::Epilogue::matches(p.excite.getResult()) || p.channels % kChunk || p.hidden > kMostHidden ||
      p.sharedBytes() > kMostShared)
    return std::nullopt;
  return p;
}

class GateEmitter {
public:
  GateEmitter(KernelBuilder &b, const GateProblem &p)
      : b(b), w(b), ops(b.ops()), p(p), half(p.bfloat ? Type(ops.getBF16Type()) : Type(ops.getF16Type())), f32(ops.getF32Type()) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    lane = w.rem(thread, 32);
    share = w.rem(thread, kShares);
    result = b.add(b.mul(b.task(), kResults), w.wide(w.div(thread, kShares)));
    copyWeights(); // which do not depend on the kernel before
    SmallVector<Value> factors = loadFactors();
    b.waitForInputs();
    copyRow();
    w.waitFor(0);
    w.barrier();
    squeeze();
    w.barrier();
    b.ifThen(w.below(thread, w.i32(p.hiddenRows())), [&] { activate(); });
    w.barrier();
    excite(factors);
  }

private:
  Value pointer(const Tensor &t, Index offset) {
    return LLVM::GEPOp::create(ops, t.base.getType(), t.element, t.base, ArrayRef<LLVM::GEPArg>{b.value(offset)});
  }

  void forChunks(int64_t chunks, llvm::function_ref<void(Value)> body) {
    for (int64_t first = 0; first < chunks; first += kThreads) {
      Value own = w.add(thread, first);
      first + kThreads <= chunks ? body(own) : b.ifThen(w.below(own, w.i32(chunks)), [&] { body(own); });
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
  SmallVector<Value> loadFactors() {
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
      Index element = b.add(row.offset, w.wide(w.mul(own, kChunk)));
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

  /// The few, summed over this warp's share of the channels: in the first column of fragments.
  void squeeze() {
    Value warp = w.div(thread, 32), matrix = w.div(lane, 8), rowOfMatrix = w.rem(lane, 8), isColumn = w.below(lane, w.i32(4));
    int64_t fragments = p.hiddenRows() / kFragmentRows;
    Value left = w.add(shared, w.add(w.mul(w.add(rowOfMatrix, w.mul(w.rem(matrix, 2), 8)), p.pitch()), w.mul(w.div(matrix, 2), kChunkBytes)));
    Value right = w.add(w.add(shared, p.rowAt()), w.mul(w.rem(lane, 4), 4));
    KernelBuilder::Values init(fragments * 4, b.constant(0, f32));
    auto sums = b.loop(w.wide(warp), p.steps(), kWarps, init, [&](Index step, ValueRange carried) {
      KernelBuilder::Values next(carried);
      Value at = w.mul(w.narrow(step), 2 * kChunkBytes);
      SmallVector<Value> column{w.loadWordIf(isColumn, w.add(right, at)), w.loadWordIf(isColumn, w.add(w.add(right, at), kChunkBytes))};
      for (int64_t m = 0; m < fragments; ++m)
        w.multiply(p.bfloat, w.loadMatrices(w.add(w.add(left, at), m * kFragmentRows * p.pitch())), column, MutableArrayRef(next).slice(m * 4, 4));
      return next;
    });
    Value parts = w.add(w.add(shared, p.partsAt()), w.mul(w.add(w.mul(warp, p.hiddenRows()), w.div(lane, 4)), kPairBytes));
    Value isFirst = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, w.rem(lane, 4), w.i32(0));
    b.ifThen(isFirst, [&] {
      for (int64_t m = 0; m < fragments; ++m)
        for (int64_t lower = 0; lower < 2; ++lower) {
          Value pair =
              vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{sums[m * 4 + lower * 2], sums[m * 4 + lower * 2 + 1]});
          w.store(w.add(parts, (m * kFragmentRows + lower * 8) * kPairBytes), pair);
        }
    });
  }

  Value biasAt(nn::ConvOp conv, Index at) {
    Tensor bias = b.tensorOf(conv.getBias());
    return b.convert(b.load(bias, b.at(bias, {at})), f32);
  }

  /// One of the few; zero beyond them.
  void activate() {
    Value at = w.add(w.add(shared, p.partsAt()), w.mul(thread, kPairBytes)), sum;
    for (int64_t warp = 0; warp < kWarps; ++warp) {
      Value part = w.loadPair(w.add(at, warp * p.hiddenRows() * kPairBytes)).first;
      sum = sum ? arith::AddFOp::create(ops, sum, part).getResult() : part;
    }
    if (p.squeeze.getBias())
      sum = arith::AddFOp::create(ops, sum, biasAt(p.squeeze, b.min(w.wide(thread), p.hidden - 1)));
    for (Operation *op : p.between)
      sum = cpu::emitElementwise(b, op, sum);
    sum = w.select(w.below(thread, w.i32(p.hidden)), sum, b.constant(0, f32));
    Value pair = vector::FromElementsOp::create(ops, VectorType::get({2}, f32), ValueRange{sum, sum});
    w.store(w.add(w.add(shared, p.hiddenAt()), w.mul(thread, kPairBytes)), pair);
  }

  void excite(ArrayRef<Value> factors) {
    Value at = w.add(w.add(shared, p.hiddenAt()), w.mul(share, kPairBytes)), sum = b.constant(0, f32);
    for (auto [i, factor] : llvm::enumerate(factors))
      sum = b.fma(factor, w.loadPair(w.add(at, int64_t(i) * kShares * kPairBytes)).first, sum);
    for (int64_t distance = 1; distance < kShares; distance *= 2)
      sum = arith::AddFOp::create(ops, sum, w.exchange(sum, distance));
    Value isFirst = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, share, w.i32(0));
    b.ifThen(arith::AndIOp::create(ops, isFirst, b.lessThan(result, p.results)), [&] {
      Value gate = p.excite.getBias() ? arith::AddFOp::create(ops, sum, biasAt(p.excite, result)).getResult() : sum;
      SmallVector<Index> position(cast<RankedTensorType>(p.excite.getType()).getRank(), Index(0));
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
  Index result;
};

class GateFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.gate"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return GateProblem::of(func, target).has_value(); }

  void schedules(kernel::FuncOp func, const Target &, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), ArrayRef<std::pair<StringRef, int64_t>>{}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &target) const override {
    GateProblem p = *GateProblem::of(func, target);
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), llvm::divideCeil(p.results, kResults));
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(kThreads), 1, int(p.sharedBytes()), 1, /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    std::optional<GateProblem> p = GateProblem::of(func, b.target());
    if (!p)
      return func.emitError("the gate family computes two products of one row with constant weights in a half type");
    GateEmitter(b, *p).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    int64_t count = 0;
    for (nn::ConvOp conv : func.getBody().getOps<nn::ConvOp>())
      count += 2 * cast<RankedTensorType>(conv.getWeight().getType()).getNumElements();
    return nn::Dim::constant(func.getContext(), count);
  }
};
} // namespace

const KernelFamily &gateFamily() {
  static const GateFamily family;
  return family;
}

} // namespace tenon::gpu
