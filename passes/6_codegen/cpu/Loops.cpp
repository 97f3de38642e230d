#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsAnalysis.h"
#include "passes/6_codegen/cpu/LoopsConcat.h"
#include "passes/6_codegen/cpu/LoopsElementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/LoopsScatter.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"

using namespace mlir;

namespace tenon::cpu {

Operation *sequentialOp(kernel::FuncOp func) {
  for (Operation &op : func.getBody().front())
    if (isSequential(&op) && llvm::equal(op.getResults(), func.terminator().getOperands()))
      return &op;
  return nullptr;
}

bool canCompute(kernel::FuncOp func) {
  Operation *sequential = sequentialOp(func);
  if (sequential && !llvm::all_of(sequential->getOperands(), isBounded))
    return false;
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (&op == sequential)
      continue;
    if (isScatter(&op)) {
      // Writes its updates into the memory of a result; nothing can follow.
      if (!llvm::all_of(op.getUsers(), [](Operation *user) { return isa<kernel::ReturnOp>(user); }) || !canEmitScatter(&op))
        return false;
    } else if (!Evaluator::canEvaluate(&op)) {
      return false;
    }
  }
  for (Value result : func.terminator().getOperands()) {
    Operation *op = result.getDefiningOp();
    if (op && op == sequential)
      continue;
    if (op && isScatter(op) ? !llvm::all_of(op->getOperands(), isBounded) : !isBounded(result))
      return false;
  }
  return true;
}

namespace {
class LoopsFamily final : public KernelFamily {
public:
  StringRef name() const override { return "loops"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};
} // namespace

bool LoopsFamily::matches(kernel::FuncOp func, const Target &) const { return canCompute(func); }

void LoopsFamily::schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const {
  // Twice as many tasks as cores balance a core that is late; more of them cost time to hand out.
  for (int64_t tasks : {int64_t(target.cores) * 2, int64_t(target.cores), int64_t(target.cores) * 4, int64_t(1)})
    if (auto schedule = kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", tasks}}); !llvm::is_contained(out, schedule))
      out.push_back(schedule);
}

/// Convolution weights in the order in which lanes along the result's channels read them: taps, input channels, channels.
static void packWeights(kernel::FuncOp func, KernelPlan &plan) {
  auto pack = [&](Value weight, unsigned channels, unsigned depth) {
    auto argument = dyn_cast<BlockArgument>(weight);
    auto type = cast<RankedTensorType>(weight.getType());
    if (!argument || !type.hasStaticShape())
      return;
    auto perm = llvm::to_vector(llvm::seq<int64_t>(2, type.getRank()));
    perm.push_back(depth);
    perm.push_back(channels);
    plan.packings.emplace_back(argument.getArgNumber(), kernel::PackingAttr::get(func.getContext(), type.getShape(), type.getShape(), perm));
  };
  for (Operation &op : func.getBody().front()) {
    if (auto conv = dyn_cast<nn::ConvOp>(op); conv && conv.getLayout() == nn::Layout::ChannelsLast && conv.getGroups() == 1)
      pack(conv.getWeight(), 0, 1);
    if (auto conv = dyn_cast<nn::ConvTransposeOp>(op); conv && conv.getLayout() == nn::Layout::ChannelsLast && conv.getGroups() == 1)
      pack(conv.getWeight(), 1, 0);
  }
}

nn::Dim LoopsFamily::operations(kernel::FuncOp func) const {
  nn::Dim total = nn::Dim::constant(func.getContext(), 0);
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (op.hasTrait<nn::ViewLike>() || isa<nn::ConstantOp, kernel::UnpackOp>(op))
      continue;
    int64_t each = isa<nn::MatMulOp, nn::ConvOp, nn::ConvTransposeOp>(op) ? 2 : 1;
    total = total + nn::numElements(op.getResult(0).getType()) * workPerElement(op.getResult(0)) * each;
  }
  return total;
}

KernelPlan LoopsFamily::plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const {
  KernelPlan plan;
  plan.overwrites.assign(func.getNumResults(), -1);
  nn::Dim work = operations(func);
  for (Type result : func.getResultTypes())
    work = work + nn::numElements(result);
  bool scatters = llvm::any_of(func.getBody().front(), [](Operation &op) { return isScatter(&op); });
  plan.tasks = tasksFor(work, scatters ? 1 : schedule.get("tasks", 1));
  if (Operation *sequential = sequentialOp(func))
    plan.tasks = plan.tasks.min(sequentialParts(sequential)).max(nn::Dim::constant(func.getContext(), 1));
  if (isElementwiseKernel(func))
    plan.overwrites = elementwiseOverwrites(func);
  packWeights(func, plan);
  return plan;
}

/// Whether the kernel's only loops are reductions of arguments, and long ones.
static bool reducesLongRuns(kernel::FuncOp func) {
  constexpr int64_t kLong = 32;
  bool isLong = false;
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (!Evaluator::hasLoop(&op))
      continue;
    if (!isa<nn::ReduceOp>(op) || !isa<BlockArgument>(kernel::viewOf(op.getOperand(0)).source))
      return false;
    isLong |= workPerElement(op.getResult(0)).asConstant().value_or(kLong) >= kLong;
  }
  return isLong;
}

/// The nest over results `first` to `end`, which have one shape, storing each.
static void emitResults(KernelBuilder &b, Evaluator &evaluator, kernel::FuncOp func, ArrayRef<unsigned> group, int64_t tasks) {
  SmallVector<Value> values;
  SmallVector<Tensor> memory;
  for (unsigned r : group) {
    values.push_back(func.terminator().getOperand(r));
    memory.push_back(b.result(r));
  }
  auto dims = nn::dimsOf(values[0].getType());
  SmallVector<int> inner(dims.size(), 0);
  for (Value v : values)
    for (auto [sum, count] : llvm::zip(inner, invariantAxes(v)))
      sum += count;
  // Lanes only where no reduction would run lane by lane.
  int lanes = evaluator.preferredLanes(), last = int(dims.size()) - 1;
  while (last >= 0 && dims[last].isConstant(1))
    --last;
  if (last < 0 || !llvm::all_of(values, [&](Value v) { return evaluator.lanesAllowed(v, last); }))
    lanes = 0;
  LoopNest nest = chooseNest(b, dims, inner, tasks, lanes, reducesLongRuns(func));
  nest.overlaps = true; // nothing here is overwritten in place
  nest.emit(
      b, evaluator,
      [&](const Place &place) {
        for (Value v : values)
          evaluator.hoist(v, place);
      },
      [&](const Place &place) {
        SmallVector<Value> computed;
        for (auto [v, t] : llvm::zip(values, memory)) {
          Value x = evaluator.at(v, place);
          computed.push_back(computeType(t.element) == t.element ? x : b.convert(x, t.element));
        }
        for (auto [x, t] : llvm::zip(computed, memory)) {
          Index offset = b.at(t, place.index);
          if (!place.lanes || t.strides[place.axis].is(1))
            b.store(x, t, offset);
          else
            b.storeStrided(x, t, offset, t.strides[place.axis]);
        }
      });
}

LogicalResult LoopsFamily::emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const {
  int64_t tasks = schedule.get("tasks", 1);
  if (isElementwiseKernel(func)) {
    emitElementwiseKernel(b, func, tasks);
    return success();
  }
  Evaluator evaluator(b);
  if (nn::ConcatOp concat = concatOfBytes(func, b.target())) {
    emitConcatOfBytes(b, evaluator, concat, tasks);
    return success();
  }
  if (Operation *sequential = sequentialOp(func)) {
    emitSequential(b, evaluator, sequential, tasks);
    return success();
  }
  SmallVector<bool> done(func.getNumResults(), false);
  for (unsigned r = 0; r < func.getNumResults(); ++r) {
    if (done[r])
      continue;
    Value result = func.terminator().getOperand(r);
    if (Operation *op = result.getDefiningOp(); op && isScatter(op)) {
      emitScatter(b, evaluator, op, b.result(r));
      continue;
    }
    SmallVector<unsigned> group;
    for (unsigned other = r; other < func.getNumResults(); ++other) {
      Value v = func.terminator().getOperand(other);
      bool scatters = v.getDefiningOp() && isScatter(v.getDefiningOp());
      if (!done[other] && !scatters && nn::dimsOf(v.getType()) == nn::dimsOf(result.getType())) {
        group.push_back(other);
        done[other] = true;
      }
    }
    emitResults(b, evaluator, func, group, tasks);
  }
  return success();
}

const KernelFamily &loopsFamily() {
  static const LoopsFamily family;
  return family;
}

} // namespace tenon::cpu
