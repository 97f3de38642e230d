#include "passes/6_codegen/gpu/Attention.h"
#include "passes/6_codegen/cpu/Attention.h"
#include "passes/6_codegen/cpu/AttentionProblem.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "passes/6_codegen/gpu/AttentionTile.h"
#include "passes/6_codegen/gpu/Warp.h"
#include <limits>

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int kWarp = 32;

/// One row: lanes have a key each while scores are computed, and some columns each while values are added up.
class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, const cpu::AttentionProblem &problem)
      : b(b), w(b), ops(b.ops()), p(problem), query(b.tensorOf(p.op.getQuery())), key(b.tensorOf(p.op.getKey())), value(b.tensorOf(p.op.getValue())),
        result(b.result(0)), f32(ops.getF32Type()), slices((p.width + kWarp - 1) / kWarp) {
    if (p.op.getMask())
      mask = b.tensorOf(p.op.getMask());
    result.strides.clear();
    for (nn::Dim stride : p.stores)
      result.strides.push_back(b.dim(stride));
  }

  void emit() {
    lane = w.thread();
    Index rest = b.task(), rows = b.dim(p.rows), heads = b.dim(p.heads);
    row = b.rem(rest, rows);
    rest = b.div(rest, rows);
    head = b.rem(rest, heads);
    batch = b.div(rest, heads);
    keyHead = b.div(head, b.dim(p.headsPerKey));
    keys = b.dim(p.keys);
    // With `causal`, row i sees the keys up to i + T - S.
    seen = p.op.getCausal() ? b.max(b.min(b.add(b.sub(b.add(row, keys), rows), 1), keys), 0) : keys;

    KernelBuilder::Values state{b.constant(std::numeric_limits<float>::lowest(), f32), b.constant(0, f32)};
    state.append(slices, b.constant(0, f32));
    state = b.loop(0, seen, kWarp, state, [&](Index first, ValueRange carried) { return block(first, KernelBuilder::Values(carried)); });
    Value sum = total(state[1]), scale = arith::DivFOp::create(ops, b.constant(1, f32), sum);
    if (p.op.getSafe()) {
      Value zero = b.constant(0, f32);
      scale = arith::SelectOp::create(ops, arith::CmpFOp::create(ops, arith::CmpFPredicate::OEQ, sum, zero), zero, scale);
    }
    for (int64_t slice = 0; slice < slices; ++slice)
      atColumn(slice, [&](Index column) {
        Value x = arith::MulFOp::create(ops, state[2 + slice], scale);
        b.store(b.convert(x, result.element), result, b.at(result, {batch, head, row, column}));
      });
  }

private:
  Value total(Value x) {
    for (int64_t distance = kWarp / 2; distance; distance /= 2)
      x = arith::AddFOp::create(ops, x, w.exchange(x, distance));
    return x;
  }

  Value exponential(Value x) { return cpu::emitExp2(b, arith::MulFOp::create(ops, x, b.constant(1.4426950408889634, f32))); }

  void atColumn(int64_t slice, llvm::function_ref<void(Index)> body) {
    Index column = b.add(w.wide(lane), slice * kWarp);
    if ((slice + 1) * kWarp <= p.width)
      return body(column);
    b.ifThen(b.lessThan(column, p.width), [&] { body(column); });
  }

  /// The score of this lane's key, -inf where the row does not see it.
  Value score(Index at) {
    constexpr int kLanes = 8;
    Index left = b.at(query, {batch, head, row, 0}), right = b.at(key, {batch, keyHead, at, 0});
    Value sum = b.constant(0, f32);
    int64_t whole = p.depth / kLanes * kLanes;
    for (int64_t d = 0; d < p.depth; d += d < whole ? kLanes : 1) {
      int lanes = d < whole ? kLanes : 1;
      auto load = [&](const Tensor &t, Index offset) {
        Index from = b.add(offset, b.mul(t.strides[3], d));
        return b.convert(lanes > 1 ? b.loadStrided(t, from, t.strides[3], lanes) : b.load(t, from), f32);
      };
      Value x = load(query, left), y = load(key, right);
      for (int i = 0; i < lanes; ++i)
        sum = lanes > 1 ? b.fma(b.extractLane(x, i), b.extractLane(y, i), sum) : b.fma(x, y, sum);
    }
    return arith::MulFOp::create(ops, sum, b.constant(p.op.getScale().convertToDouble(), f32));
  }

  Value masked(Value x, Index at) {
    if (!mask.base)
      return x;
    Index position[] = {batch, head, row, at};
    SmallVector<Index> where;
    for (int axis = 0; axis < mask.rank(); ++axis) {
      Index own = position[4 - mask.rank() + axis];
      where.push_back(mask.sizes[axis].isConstant() ? (mask.sizes[axis].is(1) ? Index(0) : own)
                                                    : b.select(b.equal(mask.sizes[axis], 1), Index(0), own));
    }
    Value loaded = b.load(mask, b.at(mask, where));
    if (mask.element.isInteger(1))
      return arith::SelectOp::create(ops, loaded, x, hidden());
    return arith::AddFOp::create(ops, x, b.convert(loaded, f32));
  }

  Value hidden() { return b.constant(-std::numeric_limits<double>::infinity(), f32); }

  /// The next 32 keys: state is the largest score so far, the lane's sum of weights, and its columns of the weighted values.
  KernelBuilder::Values block(Index first, KernelBuilder::Values state) {
    Index own = b.add(first, w.wide(lane)), last = b.sub(keys, 1), at = b.min(own, last);
    Value x = masked(score(at), at);
    x = arith::SelectOp::create(ops, b.lessThan(own, seen), x, hidden());
    Value highest = x;
    for (int64_t distance = kWarp / 2; distance; distance /= 2)
      highest = arith::MaximumFOp::create(ops, highest, w.exchange(highest, distance));
    highest = arith::MaximumFOp::create(ops, highest, state[0]);
    Value weight = exponential(arith::SubFOp::create(ops, x, highest)), correction = exponential(arith::SubFOp::create(ops, state[0], highest));
    state[0] = highest;
    state[1] = b.fma(state[1], correction, weight);
    KernelBuilder::Values sums;
    for (int64_t slice = 0; slice < slices; ++slice)
      sums.push_back(arith::MulFOp::create(ops, state[2 + slice], correction));
    sums = b.loop(0, b.min(b.sub(seen, first), kWarp), 1, sums, [&](Index k, ValueRange carried) {
      Value share = w.fromLane(weight, w.narrow(k));
      KernelBuilder::Values next;
      for (int64_t slice = 0; slice < slices; ++slice) {
        // Columns past the end read the last one; nothing is stored there.
        Index column = b.min(b.add(w.wide(lane), slice * kWarp), p.width - 1);
        Value v = b.convert(b.load(value, b.at(value, {batch, keyHead, b.add(first, k), column})), f32);
        next.push_back(b.fma(share, v, carried[slice]));
      }
      return next;
    });
    llvm::copy(sums, state.begin() + 2);
    return state;
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  cpu::AttentionProblem p;
  Tensor query, key, value, mask, result;
  Type f32;
  int64_t slices; // columns of a lane
  Value lane;
  Index batch, head, keyHead, row, keys, seen;
};

void emitTile(KernelBuilder &b, const cpu::AttentionProblem &p, const AttentionTile &tile) {
  if (tile.isOfShares())
    return emitAttentionShares(b, p, tile);
  tile.slots ? emitAttentionStaged(b, p, tile) : emitAttentionTile(b, p, tile);
}

class AttentionFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.attention"; }

  bool matches(kernel::FuncOp func, const Target &target) const override { return cpu::attentionFamily().matches(func, target); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    for (const AttentionTile &tile : attentionTiles(*cpu::AttentionProblem::of(func), target))
      out.push_back(tile.attr(func.getContext()));
    if (out.empty()) // a warp for each row
      KernelFamily::schedules(func, target, out);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &) const override {
    cpu::AttentionProblem p = *cpu::AttentionProblem::of(func);
    KernelPlan plan;
    plan.overwrites.assign(1, -1);
    if (std::optional<AttentionTile> tile = AttentionTile::of(attr, p)) {
      plan.tasks = p.batch * p.heads * p.rows.ceilDiv(tile->rows()) * tile->passes;
      plan.block = {int(tile->threads()), 1, int(tile->sharedBytes()), 1, /*waits=*/false, int(tile->together())};
      return plan;
    }
    plan.tasks = p.batch * p.heads * p.rows;
    plan.block = {kWarp, 1, 0};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<cpu::AttentionProblem> p = cpu::AttentionProblem::of(func);
    if (!p)
      return func.emitError("the attention family computes one nn.attention on views of arguments");
    if (std::optional<AttentionTile> tile = AttentionTile::of(attr, *p))
      emitTile(builder, *p, *tile);
    else
      RowEmitter(builder, *p).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::attentionFamily().operations(func); }
};
} // namespace

const KernelFamily &attentionFamily() {
  static const AttentionFamily family;
  return family;
}

} // namespace tenon::gpu
