// One launch for several kernels: a block looks whose number it has, and computes that kernel's task.
#include "passes/6_codegen/gpu/Beside.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr StringLiteral kMatrix = "gpu.matrix";

KernelPlan planOf(kernel::FuncOp func, const Target &target) {
  kernel::ScheduleAttr schedule = *func.getSchedule();
  return cpu::familyNamed(schedule.getFamily().getValue())->plan(func, schedule, target);
}

/// Blocks of a cluster are neighbours: each part's begin at a multiple of the largest one.
int64_t paddedBlocks(const KernelPlan &part, int cluster) {
  return int64_t(llvm::alignTo(blocksOf(part), cluster));
}

class BesideEmitter {
public:
  BesideEmitter(KernelBuilder &b, kernel::FuncOp whole) : b(b), w(b), parts(partsOf(whole)) {
    for (const BesidePart &part : parts) {
      plans.push_back(planOf(part.func, b.target()));
      cluster = std::max(cluster, plans.back().block.cluster);
      threads = std::max(threads, plans.back().block.threads);
    }
  }

  LogicalResult emit(size_t number = 0, int64_t firstBlock = 0) {
    if (number == parts.size())
      return success();
    int64_t blocks = blocksOf(plans[number]), padded = paddedBlocks(plans[number], cluster);
    LogicalResult result = success(), rest = success();
    auto own = [&] { result = emitPart(number, firstBlock); };
    auto ownOrIdle = [&] { blocks == padded ? own() : b.ifThen(b.lessThan(b.task(), firstBlock + blocks), own); };
    b.ifThen(b.lessThan(b.task(), firstBlock + padded), ownOrIdle, [&] { rest = emit(number + 1, firstBlock + padded); });
    return success(succeeded(result) && succeeded(rest));
  }

private:
  LogicalResult emitPart(size_t number, int64_t firstBlock) {
    kernel::FuncOp func = parts[number].func;
    const BlockShape &block = plans[number].block;
    KernelBuilder part(b.codeModule(), func, b.target(), block);
    if (failed(cpu::familyNamed(func.getSchedule()->getFamily().getValue())->emit(func, *func.getSchedule(), part)))
      return failure();
    nameTables();
    Index task = b.sub(b.task(), firstBlock), thread = w.wide(w.thread());
    auto call = [&] {
      if (!block.waits)
        b.waitForInputs();
      b.call(part, parts[number].buffers, task);
    };
    // Threads that a part does not have leave: barriers count those that are there.
    auto isThread = [&] { return b.lessThan(thread, block.threads); };
    if (block.tasksPerBlock == 1) {
      block.threads == threads ? call() : b.ifThen(isThread(), call);
      return success();
    }
    task = b.add(b.mul(task, block.threads), thread);
    Value isTask = b.lessThan(task, *plans[number].tasks.asConstant());
    b.ifThen(block.threads == threads ? isTask : arith::AndIOp::create(b.ops(), isThread(), isTask).getResult(), call);
    return success();
  }

  /// Tables get this kernel's name: a part may be there in several kernels, whose code is assembled together.
  void nameTables() {
    std::string own = (b.kernelFunc().getSymName() + ".").str();
    for (auto table : llvm::to_vector(b.codeModule().getOps<LLVM::GlobalOp>())) {
      if (table.getLinkage() != LLVM::Linkage::Private || table.getSymName().starts_with(own))
        continue;
      auto name = b.ops().getStringAttr(own + table.getSymName());
      (void)SymbolTable::replaceAllSymbolUses(table, name, b.codeModule());
      table.setSymNameAttr(name);
    }
  }

  KernelBuilder &b;
  Warp w;
  SmallVector<BesidePart> parts;
  SmallVector<KernelPlan> plans;
  int cluster = 1, threads = 0;
};

class BesideFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.beside"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    auto body = func.getBody().front().without_terminator();
    return !body.empty() && llvm::all_of(body, [](Operation &op) { return isa<kernel::DispatchOp>(op); });
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &target) const override {
    KernelPlan plan;
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {0, 1, 0, 1, /*waits=*/true, 1};
    SmallVector<KernelPlan> plans;
    for (BesidePart &part : partsOf(func)) {
      plans.push_back(planOf(part.func, target));
      const BlockShape &block = plans.back().block;
      plan.block.threads = std::max(plan.block.threads, block.threads);
      plan.block.sharedBytes = std::max(plan.block.sharedBytes, block.sharedBytes);
      plan.block.cluster = std::max(plan.block.cluster, block.cluster);
      unsigned arguments = part.func.getNumArguments();
      for (auto [i, argument] : llvm::enumerate(part.func.getOverwrites().value_or(ArrayRef<int64_t>())))
        if (argument >= 0)
          plan.overwrites[part.buffers[arguments + i] - func.getNumArguments()] = part.buffers[argument];
    }
    int64_t blocks = 0;
    for (const KernelPlan &part : plans)
      blocks += paddedBlocks(part, plan.block.cluster);
    plan.tasks = nn::Dim::constant(func.getContext(), blocks);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override { return BesideEmitter(b, func).emit(); }

  nn::Dim operations(kernel::FuncOp func) const override {
    nn::Dim sum = nn::Dim::constant(func.getContext(), 0);
    for (BesidePart &part : partsOf(func))
      sum = sum + cpu::familyNamed(part.func.getSchedule()->getFamily().getValue())->operations(part.func);
    return sum;
  }
};
} // namespace

SmallVector<BesidePart> partsOf(kernel::FuncOp whole) {
  SmallVector<BesidePart> parts;
  ValueRange returned = whole.terminator().getOperands();
  for (auto dispatch : whole.getBody().getOps<kernel::DispatchOp>()) {
    BesidePart part{SymbolTable::lookupNearestSymbolFrom<kernel::FuncOp>(whole->getParentOp(), dispatch.getKernelAttr()), {}};
    for (Value argument : dispatch.getArgs())
      part.buffers.push_back(cast<BlockArgument>(argument).getArgNumber());
    for (Value result : dispatch.getOuts())
      part.buffers.push_back(whole.getNumArguments() + unsigned(std::distance(returned.begin(), llvm::find(returned, result))));
    parts.push_back(std::move(part));
  }
  return parts;
}

int64_t blocksOf(const KernelPlan &plan) {
  return llvm::divideCeil(*plan.tasks.asConstant(), int64_t(plan.block.tasksPerBlock));
}

bool canBeBeside(kernel::FuncOp func, const Target &target) {
  constexpr StringRef kFamilies[] = {kMatrix, "gpu.depthwise", "gpu.pool", "gpu.transpose", "gpu.loops"}; // of which launches were checked on a GPU
  kernel::ScheduleAttr schedule = func.getScheduleAttr();
  if (!schedule || !llvm::is_contained(kFamilies, schedule.getFamily().getValue()) || !func.getSymbols().empty() || func.getWorkspaceBytes())
    return false;
  if (schedule.getFamily().getValue() == kMatrix) {
    MatrixSchedule s = MatrixSchedule::of(schedule);
    if (s.tma || s.pipeline || s.resident) // whose blocks stay, and have maps, or registers for a multiprocessor's share
      return false;
  }
  KernelPlan plan = planOf(func, target);
  return plan.tasks.asConstant().value_or(0) > 0 && plan.block.threads && plan.block.together == 1;
}

kernel::ScheduleAttr slimmed(kernel::FuncOp func, const Target &target, int64_t sharedBytes) {
  kernel::ScheduleAttr schedule = func.getScheduleAttr();
  KernelPlan plan = planOf(func, target);
  if (plan.block.sharedBytes <= sharedBytes)
    return schedule;
  constexpr int64_t kLeastRounds = 3; // one is multiplied, one is on its way, one begins
  MatrixSchedule s = MatrixSchedule::of(schedule);
  if (schedule.getFamily().getValue() != kMatrix || s.direct)
    return {};
  for (s.stages -= s.stages % s.round; s.stages > kLeastRounds * s.round;) {
    s.stages -= s.round;
    kernel::ScheduleAttr smaller = s.attr(func.getContext());
    if (cpu::familyNamed(kMatrix)->plan(func, smaller, target).block.sharedBytes <= sharedBytes)
      return smaller;
  }
  return {};
}

const KernelFamily &besideFamily() {
  static const BesideFamily family;
  return family;
}

} // namespace tenon::gpu
