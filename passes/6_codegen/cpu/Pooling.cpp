#include "passes/6_codegen/cpu/Pooling.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/SingleOp.h"
#include "passes/6_codegen/cpu/SlidingWindow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
int64_t tapsOf(nn::PoolOp pool) {
  int64_t taps = 1;
  for (int64_t size : pool.getWindow())
    taps *= size;
  return taps;
}

/// Lanes of one step: maxima of bytes that go nowhere else fill registers with bytes, where the channels are a multiple of them.
int lanesOf(nn::PoolOp pool, const Target &target) {
  Type element = cast<ShapedType>(pool.getInput().getType()).getElementType();
  std::optional<int64_t> channels = nn::dimsOf(pool.getType()).back().asConstant();
  bool areBytes = pool.getKind() == nn::PoolKind::Max && element.isInteger() && element.getIntOrFloatBitWidth() == 8;
  int lanes = areBytes && channels && llvm::all_of(pool->getUsers(), [](Operation *user) { return isa<kernel::ReturnOp>(user); }) ? target.lanes(8) : target.lanes(32);
  while (lanes > target.lanes(32) && *channels % lanes)
    lanes /= 2;
  return lanes;
}

class PoolingFamily final : public KernelFamily {
public:
  StringRef name() const override { return "pooling"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};
} // namespace

bool PoolingFamily::matches(kernel::FuncOp func, const Target &) const {
  constexpr int64_t kWidestWindow = 16; // a wider window is cheaper as loops
  nn::PoolOp pool = onlyOp<nn::PoolOp>(func);
  if (!pool || pool.getLayout() != nn::Layout::ChannelsLast || pool.getKind() == nn::PoolKind::Lp || pool.getWindow().size() > 2 ||
      pool.getWindow().back() > kWidestWindow)
    return false;
  auto element = cast<ShapedType>(pool.getInput().getType()).getElementType();
  if (!isa<FloatType>(element) && !(pool.getKind() == nn::PoolKind::Max && element.isIntOrIndex() && element.getIntOrFloatBitWidth() >= 8))
    return false;
  kernel::View view = kernel::viewOf(pool.getInput());
  return isa<BlockArgument>(view.source) && view.strides.back().isConstant(1) && Epilogue::matches(pool.getResult());
}

void PoolingFamily::schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const {
  nn::PoolOp pool = onlyOp<nn::PoolOp>(func);
  int64_t tasks = int64_t(target.cores) * 2;
  auto add = [&](int64_t pixels, bool rows) {
    auto schedule = kernel::ScheduleAttr::get(func.getContext(), name(), {{"pixels", pixels}, {"unroll_rows", rows}, {"tasks", tasks}});
    if (!llvm::is_contained(out, schedule))
      out.push_back(schedule);
  };
  bool unroll = tapsOf(pool) <= 9;
  add(pool.getStrides().back() == 1 ? 8 : 4, unroll);
  for (int64_t pixels : {2, 4, 6, 8})
    for (bool rows : {true, false})
      add(pixels, rows);
}

nn::Dim PoolingFamily::operations(kernel::FuncOp func) const {
  nn::PoolOp pool = onlyOp<nn::PoolOp>(func);
  return nn::numElements(pool.getType()) * tapsOf(pool);
}

KernelPlan PoolingFamily::plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const {
  nn::PoolOp pool = onlyOp<nn::PoolOp>(func);
  KernelPlan plan;
  plan.tasks = tasksFor(operations(func).ceilDiv(target.lanes(32) / 4), schedule.get("tasks", 1)).min(windowRows(pool.getResult()));
  plan.overwrites.assign(func.getNumResults(), -1);
  return plan;
}

LogicalResult PoolingFamily::emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const {
  nn::PoolOp pool = onlyOp<nn::PoolOp>(func);
  unsigned spatial = pool.getWindow().size();
  int lanes = lanesOf(pool, b.target());
  SlidingWindow window;
  window.lanes = lanes;
  window.input = b.tensorOf(pool.getInput());
  auto result = b.sizesOf(pool.getResult());
  window.rows = spatial == 2 ? result[1] : Index(1);
  window.columns = result[spatial];
  setWindow(window, pool.getWindow(), pool.getStrides(), pool.getPads(), pool.getDilations());
  window.pixels = schedule.get("pixels", 4);
  window.unrollRows = schedule.get("unroll_rows", 1);

  Evaluator evaluator(b);
  Type type = evaluator.typeAt(pool.getInput(), lanes);
  bool isMax = pool.getKind() == nn::PoolKind::Max;
  bool isUnsigned = cast<ShapedType>(pool.getInput().getType()).getElementType().isUnsignedInteger();
  Fold kind = !isMax ? Fold::Add : isUnsigned ? Fold::MaxUnsigned : Fold::MaxNumber;
  auto start = [&](Index, Value) { return evaluator.identity(kind, type); };
  auto step = [&](Value acc, Value x, Value) { return evaluator.combine(kind, acc, x); };

  // The taps that a mean divides by: those within the (padded) image.
  auto divisor = [&](ArrayRef<Index> position) -> Value {
    Index count = 1;
    for (unsigned d = 0; d < spatial; ++d) {
      Index extent = window.input.sizes[1 + d], at = b.sub(b.mul(position[1 + d], pool.getStrides()[d]), pool.getPads()[d]);
      Range taps = tapsInside(b, at, pool.getWindow()[d], pool.getDilations()[d], extent);
      if (pool.getCountIncludePad())
        taps = {0, tapsInside(b, at, pool.getWindow()[d], pool.getDilations()[d], b.add(extent, pool.getPads()[spatial + d])).high};
      count = b.mul(count, b.sub(taps.high, taps.low));
    }
    Type element = getElementTypeOrSelf(type);
    if (count.isConstant())
      return b.constant(1.0 / double(count.get()), type);
    Value reciprocal = arith::DivFOp::create(b.ops(), b.constant(1.0, element), arith::SIToFPOp::create(b.ops(), element, count.dynamic()));
    return b.splat(reciprocal, lanes);
  };
  Epilogue epilogue(b, pool.getResult());
  auto finish = [&](Value acc, ArrayRef<Index> position, Value mask, bool inside) {
    if (!isMax) {
      Value factor = inside ? b.constant(1.0 / double(tapsOf(pool)), type) : divisor(position);
      acc = arith::MulFOp::create(b.ops(), acc, factor);
    }
    epilogue.store(acc, position, mask);
  };
  window.start = start;
  window.step = step;
  window.finish = finish;
  window.emit(b);
  return success();
}

const KernelFamily &poolingFamily() {
  static const PoolingFamily family;
  return family;
}

} // namespace tenon::cpu
