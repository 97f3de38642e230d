// Launches that do not need each other become one, on GPUs, where what a small kernel takes is mostly its launch.
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lib/Target/Gpu.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/5_memory/Passes.h"
#include "passes/6_codegen/gpu/Beside.h"
#include "passes/PassTarget.h"

namespace tenon::memory {
#define GEN_PASS_DEF_MERGELAUNCHES
#include "passes/5_memory/Passes.h.inc"

namespace {
using namespace mlir;

Value rootOf(Value buffer) {
  while (auto view = buffer.getDefiningOp<plan::ViewOp>())
    buffer = view.getSource();
  return buffer;
}

/// One launch, and what it needs to know of others.
struct Candidate {
  plan::LaunchOp launch;
  kernel::FuncOp func;
  llvm::SmallDenseSet<Value> reads, writes; // whole buffers
  bool mayMerge = false, isDone = false;
};

bool meet(const llvm::SmallDenseSet<Value> &a, const llvm::SmallDenseSet<Value> &b) {
  return llvm::any_of(a, [&](Value value) { return b.contains(value); });
}

bool depend(const Candidate &a, const Candidate &b) {
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}

cpu::KernelPlan planOf(kernel::FuncOp func, const Target &target) {
  return cpu::familyNamed(func.getSchedule()->getFamily().getValue())->plan(func, *func.getSchedule(), target);
}

/// Merges the launches of one plan.
class Merger {
public:
  Merger(SymbolTable &symbols, const Target &target) : symbols(symbols), target(target) {}

  /// Launches between steps of other kinds keep their place among those. Returns how many launches there are less.
  int64_t run(plan::FuncOp func) {
    SmallVector<plan::LaunchOp> row;
    int64_t less = 0;
    for (Operation &op : llvm::make_early_inc_range(func.getBody().front())) {
      if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        row.push_back(launch);
      } else if (plan::isStep(&op)) {
        less += mergeRow(row);
        row.clear();
      }
    }
    return less + mergeRow(row);
  }

private:
  using Group = SmallVector<Candidate *>;

  int64_t mergeRow(ArrayRef<plan::LaunchOp> row) {
    auto candidates = llvm::map_to_vector(row, [&](plan::LaunchOp launch) { return describe(launch); });
    SmallVector<Group> groups;
    for (auto [i, first] : llvm::enumerate(candidates))
      if (!first.isDone)
        groups.push_back(groupOf(MutableArrayRef(candidates).drop_front(i)));
    if (groups.size() == row.size())
      return 0;
    gatherDefinitions(row);
    OpBuilder builder(row.back());
    builder.setInsertionPointAfter(row.back());
    for (Group &group : groups) {
      if (group.size() > 1)
        merge(group, builder);
      else
        group.front()->launch->moveBefore(builder.getInsertionBlock(), builder.getInsertionPoint());
    }
    return int64_t(row.size() - groups.size());
  }

  Candidate describe(plan::LaunchOp launch) {
    Candidate candidate{launch, symbols.lookup<kernel::FuncOp>(launch.getKernel()), {}, {}};
    for (Value argument : launch.getArgs())
      candidate.reads.insert(rootOf(argument));
    for (Value result : launch.getOuts())
      candidate.writes.insert(rootOf(result));
    if (launch.getWorkspace())
      candidate.writes.insert(rootOf(launch.getWorkspace()));
    candidate.mayMerge = candidate.func && gpu::canBeBeside(candidate.func, target) && isSmall(candidate.func);
    return candidate;
  }

  /// Whether a kernel takes about as long as its launch: of larger ones the GPU is full anyway.
  bool isSmall(kernel::FuncOp func) {
    constexpr double kOperationsOfMicrosecond = 4e8, kBytesOfMicrosecond = 2e6, kMost = 6;
    auto family = cpu::familyNamed(func.getSchedule()->getFamily().getValue());
    double operations = double(family->operations(func).asConstant().value_or(0)), bytes = 0;
    for (TypeRange types : {TypeRange(func.getArgumentTypes()), TypeRange(func.getResultTypes())})
      for (Type type : types)
        bytes += double((nn::numElements(type) * nn::elementBytes(type)).asConstant().value_or(0));
    return operations / kOperationsOfMicrosecond + bytes / kBytesOfMicrosecond <= kMost;
  }

  /// The first of `rest`, and those behind it that need nothing of it, nor of what stays between.
  Group groupOf(MutableArrayRef<Candidate> rest) {
    constexpr size_t kFarthest = 64, kMost = 4; // launches to look at, kernels in one
    Group group{&rest.front()}, between;
    rest.front().isDone = true;
    for (Candidate &other : rest.drop_front().take_front(kFarthest)) {
      if (!rest.front().mayMerge || group.size() == kMost)
        break;
      if (other.isDone)
        continue;
      auto isFreeOf = [&](Candidate *before) { return !depend(*before, other); };
      Group wider = group;
      wider.push_back(&other);
      if (other.mayMerge && llvm::all_of(group, isFreeOf) && llvm::all_of(between, isFreeOf) && fit(wider)) {
        group = std::move(wider);
        other.isDone = true;
      } else {
        between.push_back(&other);
      }
    }
    return group;
  }

  /// Bytes of shared memory that a block may have where all blocks of a group are there at once; 0 where they cannot be.
  int64_t sharedOfBlock(const Group &group) {
    constexpr int64_t kReserved = 1 << 10, kMostOfBlock = 224 << 10, kMostThreads = 1536;
    constexpr int64_t kMostOfMixed = 256; // threads of a block, each of which may have as many registers as there are
    int64_t blocks = 0, threads = 0, fewest = kMostThreads;
    int cluster = 1;
    for (Candidate *each : group)
      cluster = std::max(cluster, planOf(each->func, target).block.cluster);
    for (Candidate *each : group) {
      cpu::KernelPlan plan = planOf(each->func, target);
      if (plan.block.cluster != 1 && plan.block.cluster != cluster)
        return 0;
      blocks += int64_t(llvm::alignTo(gpu::blocksOf(plan), cluster));
      threads = std::max<int64_t>(threads, plan.block.threads);
      fewest = std::min<int64_t>(fewest, plan.block.threads);
    }
    if (fewest != threads && threads > kMostOfMixed)
      return 0;
    int64_t share = llvm::divideCeil(blocks, int64_t(target.cores));
    const GpuLimits &limits = limitsOf(target);
    return share * threads > kMostThreads
               ? 0
               : std::min({(limits.sharedOfMultiprocessor - kReserved) / share - kReserved, limits.sharedOfBlock, kMostOfBlock});
  }

  bool fit(const Group &group) {
    int64_t bytes = sharedOfBlock(group);
    llvm::SmallDenseSet<Operation *> funcs;
    return bytes && llvm::all_of(group, [&](Candidate *each) { return funcs.insert(each->func).second && gpu::slimmed(each->func, target, bytes); });
  }

  /// What is not a step moves to the head of the row: launches may change places then.
  void gatherDefinitions(ArrayRef<plan::LaunchOp> row) {
    Operation *first = row.front();
    for (Operation *op = first->getNextNode(), *end = row.back(); op != end;) {
      Operation *next = op->getNextNode();
      if (!plan::isStep(op))
        op->moveBefore(first);
      op = next;
    }
  }

  /// The kernel with a schedule of smaller blocks.
  kernel::FuncOp withSchedule(kernel::FuncOp func, kernel::ScheduleAttr schedule) {
    if (schedule == func.getScheduleAttr())
      return func;
    kernel::FuncOp &made = slim[{func, schedule}];
    if (!made) {
      made = func.clone();
      symbols.insert(made, std::next(Block::iterator(func)));
      schedule::setSchedule(made, schedule, target);
    }
    return made;
  }

  /// A kernel that dispatches `parts`.
  kernel::FuncOp wholeOf(ArrayRef<kernel::FuncOp> parts) {
    SmallVector<Type> inputs, results;
    SmallVector<StringRef> names;
    Location loc = kernel::FuncOp(parts.front()).getLoc();
    for (kernel::FuncOp part : parts) {
      llvm::append_range(inputs, part.getArgumentTypes());
      llvm::append_range(results, part.getResultTypes());
      names.push_back(part.getSymName());
    }
    std::string name = llvm::join(names, schedule::kPartSeparator);
    kernel::FuncOp &whole = wholes[name];
    if (whole)
      return whole;
    OpBuilder builder(loc.getContext());
    whole = kernel::FuncOp::create(builder, loc, name, builder.getFunctionType(inputs, results));
    builder.setInsertionPointToEnd(&whole.getBody().front());
    ValueRange arguments = whole.getBody().getArguments();
    SmallVector<Value> given;
    for (kernel::FuncOp part : parts) {
      // Where operands lie is a part's matter, but whether they share memory the whole's.
      for (unsigned i = 0; i < part.getNumArguments(); ++i)
        if (DictionaryAttr attributes = part.getArgAttrDict(i))
          whole.setArgAttrs(whole.getNumArguments() - unsigned(arguments.size()) + i, attributes);
      for (unsigned i = 0; i < part.getNumResults(); ++i)
        if (DictionaryAttr attributes = part.getResultAttrDict(i))
          whole.setResultAttrs(unsigned(given.size()) + i, attributes);
      auto own = arguments.take_front(part.getNumArguments());
      arguments = arguments.drop_front(part.getNumArguments());
      llvm::append_range(given, kernel::DispatchOp::create(builder, loc, part.getResultTypes(), FlatSymbolRefAttr::get(part), own).getOuts());
    }
    kernel::ReturnOp::create(builder, loc, given);
    symbols.insert(whole);
    schedule::setSchedule(whole, schedule::bestSchedule(whole, target), target);
    return whole;
  }

  void merge(const Group &group, OpBuilder &builder) {
    int64_t bytes = sharedOfBlock(group);
    SmallVector<kernel::FuncOp> parts;
    SmallVector<Value> arguments, results;
    SmallVector<Location> locations;
    for (Candidate *each : group) {
      parts.push_back(withSchedule(each->func, gpu::slimmed(each->func, target, bytes)));
      llvm::append_range(arguments, each->launch.getArgs());
      llvm::append_range(results, each->launch.getOuts());
      locations.push_back(each->launch.getLoc());
    }
    kernel::FuncOp whole = wholeOf(parts);
    plan::LaunchOp::create(builder, builder.getFusedLoc(locations), whole.getSymName(), arguments, results, Value(), *whole.getTasks());
    for (Candidate *each : group)
      each->launch.erase();
  }

  SymbolTable &symbols;
  const Target &target;
  llvm::DenseMap<std::pair<Operation *, Attribute>, kernel::FuncOp> slim;
  llvm::StringMap<kernel::FuncOp> wholes;
};

class MergeLaunchesPass : public impl::MergeLaunchesBase<MergeLaunchesPass> {
public:
  using MergeLaunchesBase::MergeLaunchesBase;
  explicit MergeLaunchesPass(const Target &target) : given(target) { targetName = target.name; }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    constexpr int kFirst = 90; // whose launches overlap, and on which it was measured
    if (target->computeCapability < kFirst)
      return;
    SymbolTable symbols(getOperation());
    Merger merger(symbols, *target);
    for (auto func : getOperation().getOps<plan::FuncOp>())
      merged += merger.run(func);
  }

private:
  std::optional<Target> given;
};
} // namespace

std::unique_ptr<Pass> createMergeLaunches(const Target &target) {
  return std::make_unique<MergeLaunchesPass>(target);
}

} // namespace tenon::memory
