#include "passes/6_codegen/cpu/LinearAttention.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/SingleOp.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Sizes of a linear attention; depth and width are of one head.
struct Shape {
  nn::Dim batch, steps, depth, width, blocks;
  int64_t queryHeads, keyHeads, lanes;

  Shape(nn::LinearAttentionOp op, const Target &target) {
    SmallVector<nn::Dim> state = nn::dimsOf(op.getState().getType());
    batch = state[0];
    keyHeads = op.getKeyHeads();
    queryHeads = op.getQueryHeads();
    depth = state[2];
    width = state[3];
    steps = nn::dimOf(op.getQuery().getType(), 1);
    lanes = target.lanes(32);
    blocks = width.ceilDiv(lanes);
  }
  nn::Dim units() const { return batch * keyHeads * blocks; }
};

/// Columns of the state are independent of each other: a unit is `lanes` of them, for one head of one element of the batch. The
/// state lies in the result that returns it; where nothing does, in the workspace.
class LinearAttentionEmitter {
public:
  LinearAttentionEmitter(KernelBuilder &b, nn::LinearAttentionOp op, kernel::FuncOp func)
      : b(b), r{b}, op(op), shape(op, b.target()), width(b.dim(shape.width)), depth(b.dim(shape.depth)), query(b.tensorOf(op.getQuery())),
        key(b.tensorOf(op.getKey())), value(b.tensorOf(op.getValue())), vector(VectorType::get({int(shape.lanes)}, b.ops().getF32Type())) {
    if (auto i = returnedAs(func, op.getSequence()))
      sequence = b.result(*i);
    if (auto i = returnedAs(func, op.getState()))
      state = b.result(*i);
    else
      scratch = b.workspace(b.ops().getF32Type(), 0, {depth.get() * shape.lanes});
  }

  void emit() {
    auto [first, end] = b.share(b.dim(shape.units()), b.tasks(), b.task());
    b.loop(first, end, 1, [&](Index unit) {
      Index blocks = b.dim(shape.blocks), block = b.rem(unit, blocks), rest = b.div(unit, blocks);
      head = b.rem(rest, shape.keyHeads);
      element = b.div(rest, shape.keyHeads);
      column = b.mul(block, shape.lanes);
      mask = b.tailMask(b.min(b.sub(width, column), shape.lanes), shape.lanes);
      start();
      b.loop(0, b.dim(shape.steps), 1, [&](Index t) { step(t); });
    });
  }

private:
  Value loadRow(Index k) {
    if (!state)
      return b.load(scratch, b.mul(k, shape.lanes), int(shape.lanes));
    return b.loadMasked(*state, b.at(*state, {element, head, k, column}), int(shape.lanes), mask);
  }
  void storeRow(Index k, Value v) {
    if (!state)
      return b.store(v, scratch, b.mul(k, shape.lanes));
    b.storeMasked(v, *state, b.at(*state, {element, head, k, column}), mask);
  }
  Value broadcast(const Tensor &t, ArrayRef<Index> at) { return b.broadcastLoad(t, b.at(t, at), int(shape.lanes)); }

  void start() {
    b.loop(0, depth, 1, [&](Index k) {
      if (!op.getPast())
        return storeRow(k, b.constant(0, vector));
      Tensor past = b.tensorOf(op.getPast());
      storeRow(k, b.loadMasked(past, b.at(past, {element, head, k, column}), int(shape.lanes), mask));
    });
  }

  void decay(Index t) {
    Tensor gate = b.tensorOf(op.getDecay());
    nn::Dim entries = nn::dimOf(op.getDecay().getType(), 2), heads = nn::Dim::constant(op.getContext(), shape.keyHeads);
    auto factor = [&](Index at) { return b.splat(emitExp(b, b.load(gate, b.at(gate, {element, t, at}))), int(shape.lanes)); };
    if (entries == heads) {
      Value all = factor(head);
      return b.loop(0, depth, 1, [&](Index k) { storeRow(k, r.mul(loadRow(k), all)); });
    }
    // One for each row of the state, unless a run finds one for each head.
    b.loop(0, depth, 1, [&](Index k) {
      Index own = b.add(b.mul(head, depth), k);
      Index size = b.dim(entries), at = b.min(b.select(b.equal(size, shape.keyHeads), head, own), b.sub(size, 1));
      storeRow(k, r.mul(loadRow(k), factor(at)));
    });
  }

  /// Sum over the state's rows times the entries of `factors` from `first` on.
  Value weighted(const Tensor &factors, Index t, Index first) {
    return b.loop(0, depth, 1, ValueRange{b.constant(0, vector)}, [&](Index k, ValueRange sum) -> KernelBuilder::Values {
      return {b.fma(broadcast(factors, {element, t, b.add(first, k)}), loadRow(k), sum[0])};
    })[0];
  }

  void step(Index t) {
    if (op.getDecay())
      decay(t);
    Index firstKey = b.mul(head, depth), firstValue = b.add(b.mul(head, width), column);
    Value written = b.loadMasked(value, b.at(value, {element, t, firstValue}), int(shape.lanes), mask);
    if (op.getBeta()) {
      Tensor beta = b.tensorOf(op.getBeta());
      // One for each head, or a single one.
      Index at = b.min(head, b.sub(b.dim(nn::dimOf(op.getBeta().getType(), 2)), 1));
      written = r.mul(broadcast(beta, {element, t, at}), r.sub(written, weighted(key, t, firstKey)));
    }
    b.loop(0, depth, 1, [&](Index k) { storeRow(k, b.fma(broadcast(key, {element, t, b.add(firstKey, k)}), written, loadRow(k))); });
    if (!sequence)
      return;
    int64_t members = shape.queryHeads / shape.keyHeads;
    b.loop(0, members, 1, [&](Index member) {
      Index reader = b.add(b.mul(head, members), member);
      Value out = r.mul(weighted(query, t, b.mul(reader, depth)), op.getScale().convertToDouble());
      b.storeMasked(out, *sequence, b.at(*sequence, {element, t, b.add(b.mul(reader, width), column)}), mask);
    });
  }

  KernelBuilder &b;
  Registers r;
  nn::LinearAttentionOp op;
  Shape shape;
  Index width, depth;
  Tensor query, key, value, scratch;
  VectorType vector;
  std::optional<Tensor> sequence, state;
  Index head, element, column;
  Value mask;
};

class LinearAttentionFamily final : public KernelFamily {
public:
  StringRef name() const override { return "linear_attention"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    nn::LinearAttentionOp op = singleOp<nn::LinearAttentionOp>(func);
    if (!op || (!returnedAs(func, op.getState()) && !nn::dimsOf(op.getState().getType())[2].isConstant()))
      return false;
    return llvm::all_of(op->getOperandTypes(), [](Type type) { return cast<ShapedType>(type).getElementType().isF32(); });
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", int64_t(target.cores) * 2}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    Shape shape(singleOp<nn::LinearAttentionOp>(func), target);
    MLIRContext *ctx = func.getContext();
    KernelPlan plan;
    plan.tasks = shape.units().min(nn::Dim::constant(ctx, std::max<int64_t>(schedule.get("tasks", 1), 1))).max(nn::Dim::constant(ctx, 1));
    constexpr int64_t kFloatBytes = 4;
    if (!returnedAs(func, singleOp<nn::LinearAttentionOp>(func).getState()))
      plan.workspaceBytes = llvm::alignTo(*shape.depth.asConstant() * shape.lanes * kFloatBytes, 64);
    plan.overwrites.assign(func.getNumResults(), -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    LinearAttentionEmitter(b, singleOp<nn::LinearAttentionOp>(func), func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    nn::LinearAttentionOp op = singleOp<nn::LinearAttentionOp>(func);
    constexpr int64_t kPasses = 3; // read for the correction, write, read for the query
    return nn::numElements(op.getState().getType()) * nn::dimOf(op.getQuery().getType(), 1) * (2 * kPasses);
  }
};
} // namespace

const KernelFamily &linearAttentionFamily() {
  static const LinearAttentionFamily family;
  return family;
}

} // namespace tenon::cpu
