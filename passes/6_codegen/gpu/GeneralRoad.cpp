#include "passes/6_codegen/gpu/GeneralRoad.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/ElementwiseProgram.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsElementwise.h"
#include "passes/6_codegen/cpu/LoopsScatter.h"
#include "passes/6_codegen/gpu/ThreadNest.h"

using namespace mlir;

namespace tenon::gpu {

namespace {
constexpr int kThreads = 128;
constexpr int kAccessBytes = 16; // the widest load of a thread

bool scatters(Value v) {
  return v.getDefiningOp() && cpu::isScatter(v.getDefiningOp());
}

/// Results of one shape, computed together.
using Group = SmallVector<unsigned>;

/// Results that no scatter makes, by shape.
SmallVector<Group> groupsOf(kernel::FuncOp func) {
  SmallVector<Group> groups;
  auto results = func.terminator().getOperands();
  for (unsigned r = 0; r < func.getNumResults(); ++r) {
    if (scatters(results[r]))
      continue;
    auto sameShape = [&](const Group &group) { return nn::dimsOf(results[group[0]].getType()) == nn::dimsOf(results[r].getType()); };
    Group *group = llvm::find_if(groups, sameShape);
    group == groups.end() ? groups.push_back({r}) : group->push_back(r);
  }
  return groups;
}

/// Of the widest element that a thread loads or stores, which decides how many lanes fill an access.
int64_t widestBytes(kernel::FuncOp func) {
  int64_t bytes = 1;
  for (TypeRange types : {TypeRange(func.getArgumentTypes()), TypeRange(func.getResultTypes())})
    for (Type type : types)
      if (!nn::numElements(type).isConstant(1))
        bytes = std::max(bytes, int64_t(nn::elementBytes(type)));
  return bytes;
}

int lanesOf(kernel::FuncOp func, kernel::ScheduleAttr schedule) {
  return std::min<int64_t>(schedule.get("lanes", 1), kAccessBytes / widestBytes(func));
}

ThreadNest nestOf(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Group &group) {
  auto results = func.terminator().getOperands();
  SmallVector<nn::Dim> dims = nn::dimsOf(results[group[0]].getType());
  ThreadNest nest = ThreadNest::of(dims, lanesOf(func, schedule));
  // Lanes only where no loop would run lane by lane.
  if (nest.lanes && !llvm::all_of(group, [&](unsigned r) { return Evaluator::lanesSuit(results[r], nest.axis); }))
    nest.lanes = 0, nest.axis = -1;
  return nest;
}

class GeneralRoad final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.loops"; }
  bool matches(kernel::FuncOp func, const Target &) const override { return cpu::canCompute(func); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    // Of many elements a thread has as many as an access takes, of few the multiprocessors want the threads.
    constexpr int64_t kWide = 8;
    int64_t most = 0;
    for (Type type : func.getResultTypes())
      most = std::max(most, nn::numElements(type).asConstant().value_or(0));
    bool isMany = most > kWide * limitsOf(target).threads * target.cores;
    SmallVector<int64_t> lanesInOrder = isMany ? SmallVector<int64_t>{8, 4, 2, 1} : SmallVector<int64_t>{4, 8, 2, 1};
    if (widestBytes(func) == 1) // a thread moves no less where elements are bytes
      lanesInOrder.insert(lanesInOrder.begin(), kAccessBytes);
    // The GPU starts some 800 blocks a microsecond: of many elements large blocks.
    SmallVector<int64_t> blocks = isMany ? SmallVector<int64_t>{4 * kThreads, 2 * kThreads, kThreads} : SmallVector<int64_t>{kThreads, 2 * kThreads};
    for (int64_t lanes : lanesInOrder)
      for (int64_t threads : blocks)
        out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"threads", threads}, {"lanes", lanes}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    KernelPlan plan = cpu::loopsFamily().plan(func, schedule, Target());
    MLIRContext *context = func.getContext();
    bool anyScatter = llvm::any_of(func.terminator().getOperands(), scatters);
    plan.tasks = nn::Dim::constant(context, anyScatter ? 1 : 0);
    if (auto program = cpu::ElementwiseProgram::of(func))
      plan.tasks = elementwiseNest(func, schedule, *program).threads(context);
    else
      for (const Group &group : groupsOf(func))
        plan.tasks = plan.tasks.max(nestOf(func, schedule, group).threads(context));
    int threads = schedule.get("threads", kThreads);
    plan.block = {threads, threads, 0};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    if (auto program = cpu::ElementwiseProgram::of(func)) {
      cpu::ElementwiseEmitter emitter(b, func);
      elementwiseNest(func, schedule, *program).emit(b, emitter.evaluator, true, [&](const Place &place) { emitter.store(place); });
      return success();
    }
    Evaluator evaluator(b);
    auto groups = groupsOf(func);
    for (unsigned r = 0; r < func.getNumResults(); ++r)
      if (Value v = func.terminator().getOperand(r); scatters(v))
        b.ifThen(b.equal(b.task(), 0), [&] { // updates may meet: one thread does them all, in their order
          Evaluator::Scope scope(evaluator);
          cpu::emitScatter(b, evaluator, v.getDefiningOp(), b.result(r));
        });
    bool isAll = groups.size() == 1 && groups[0].size() == func.getNumResults();
    for (const Group &group : groups)
      emitGroup(b, evaluator, func, schedule, group, isAll);
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }

private:
  static ThreadNest elementwiseNest(kernel::FuncOp func, kernel::ScheduleAttr schedule, const cpu::ElementwiseProgram &program) {
    return ThreadNest::of(cpu::MergedAxes(program, func).sizes, lanesOf(func, schedule));
  }

  static void emitGroup(KernelBuilder &b, Evaluator &evaluator, kernel::FuncOp func, kernel::ScheduleAttr schedule, const Group &group, bool isAll) {
    nestOf(func, schedule, group).emit(b, evaluator, isAll, [&](const Place &place) {
      SmallVector<Value> computed;
      for (unsigned r : group) {
        Type element = cast<RankedTensorType>(func.getResultTypes()[r]).getElementType();
        Value x = evaluator.at(func.terminator().getOperand(r), place);
        computed.push_back(cpu::computeType(element) == element ? x : b.convert(x, element));
      }
      for (auto [r, x] : llvm::zip(group, computed)) {
        Tensor memory = b.result(r);
        Index offset = b.at(memory, place.index);
        place.lanes ? b.storeStrided(x, memory, offset, memory.strides[place.axis]) : b.store(x, memory, offset);
      }
    });
  }
};
} // namespace

const KernelFamily &generalRoadFamily() {
  static const GeneralRoad family;
  return family;
}

} // namespace tenon::gpu
