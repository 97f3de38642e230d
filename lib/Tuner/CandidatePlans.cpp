#include "lib/Tuner/CandidatePlans.h"
#include "lib/Compiler/Serializer.h"
#include "lib/Compiler/Session.h"
#include "lib/Target/Gpu.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Threading.h"

namespace tenon {
using namespace mlir;

namespace {

/// Sorts diagnostics by the candidate that the reporting thread works on.
class CandidateDiagnostics {
public:
  explicit CandidateDiagnostics(MLIRContext *context)
      : handler(context, [](Diagnostic &diagnostic) {
          if (current && diagnostic.getSeverity() == DiagnosticSeverity::Error)
            *current += (current->empty() ? "" : "; ") + diagnostic.str();
        }) {}

  /// Errors of this thread go to `problem` while it lives.
  struct Scope {
    explicit Scope(std::string &problem) : outer(std::exchange(current, &problem)) {}
    ~Scope() { current = outer; }
    std::string *outer;
  };

private:
  static thread_local std::string *current;
  ScopedDiagnosticHandler handler;
};
thread_local std::string *CandidateDiagnostics::current = nullptr;

struct Candidate {
  kernel::FuncOp func;
  kernel::DispatchOp dispatch;
  kernel::ScheduleAttr schedule;
};

/// A module with some kernels and a main that dispatches each once: computed operands become its arguments, constant ones are copied.
class Isolation {
public:
  explicit Isolation(Location loc) : module(ModuleOp::create(loc)), builder(OpBuilder::atBlockEnd(module->getBody())) {}

  OwningOpRef<ModuleOp> run(ArrayRef<Candidate> candidates) {
    Location loc = module->getLoc();
    SmallVector<kernel::FuncOp> kernels;
    for (auto [i, candidate] : llvm::enumerate(candidates)) {
      kernel::FuncOp original = candidate.func;
      kernels.push_back(cast<kernel::FuncOp>(builder.clone(*original)));
      kernels.back().setSymName("kernel_" + std::to_string(i));
      kernels.back().setScheduleAttr(candidate.schedule);
    }
    auto main = func::FuncOp::create(builder, loc, "main", builder.getFunctionType({}, {}));
    body = main.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    SmallVector<Value> results;
    for (auto [kernel, given] : llvm::zip_equal(kernels, candidates)) {
      kernel::DispatchOp called = given.dispatch;
      SmallVector<Value> operands;
      for (auto [i, operand] : llvm::enumerate(called.getArgs()))
        operands.push_back(import(operand, bool(kernel.getArgAttr(i, "kernel.constant"))));
      auto dispatch = kernel::DispatchOp::create(builder, loc, kernel.getResultTypes(), FlatSymbolRefAttr::get(kernel), operands);
      llvm::append_range(results, dispatch->getResults());
    }
    func::ReturnOp::create(builder, loc, results);
    main.setFunctionType(builder.getFunctionType(body->getArgumentTypes(), ValueRange(results).getTypes()));
    return std::move(module);
  }

private:
  Value import(Value value, bool isConstant) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    if (!isConstant) {
      mapping.map(value, body->addArgument(value.getType(), value.getLoc()));
      return mapping.lookup(value);
    }
    for (Value operand : value.getDefiningOp()->getOperands())
      import(operand, true);
    builder.clone(*value.getDefiningOp(), mapping);
    return mapping.lookup(value);
  }

  OwningOpRef<ModuleOp> module;
  OpBuilder builder;
  Block *body = nullptr;
  IRMapping mapping;
};

/// From memory on: the module's kernels have schedules.
LogicalResult finishPlan(ModuleOp module, const Target &target, StringRef path) {
  if (failed(runPhase(Phase::Memory, module, target)))
    return failure();
  FailureOr<CodeImage> code = cpu::emitKernels(module, target);
  if (failed(code) || failed(runPhase(Phase::Plan, module, target)))
    return failure();
  return serializePlan({{module, *code, target}}, path);
}

} // namespace

LogicalResult compileScheduled(ModuleOp module, const Target &target, StringRef path, StringRef tuningCache) {
  // Untuned is what is faster as far as the cost model knows, which knows nothing of libraries.
  if (failed(runPhase(Phase::Schedule, module, tuningCache.empty() ? withoutLibraries(target) : target, tuningCache)))
    return failure();
  return finishPlan(module, target, path);
}

/// Calls `visit` with what holds each large constant of a module.
static void forConstants(ModuleOp module, llvm::function_ref<void(DialectResourceBlobManager::BlobEntry &)> visit) {
  module.walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs())
      attribute.getValue().walk([&](DenseResourceElementsAttr resource) { visit(*resource.getRawHandle().getResource()); });
  });
}

void releaseConstants(ModuleOp module, ModuleOp original) {
  llvm::DenseSet<DialectResourceBlobManager::BlobEntry *> kept;
  forConstants(original, [&](auto &entry) { kept.insert(&entry); });
  forConstants(module, [&](auto &entry) {
    if (!kept.contains(&entry))
      entry.setBlob(AsmResourceBlob());
  });
}

std::vector<CandidatePlan> compileCandidates(kernel::FuncOp func, kernel::DispatchOp dispatch, ArrayRef<kernel::ScheduleAttr> schedules,
                                             const Target &target, StringRef folder, size_t firstNumber) {
  MLIRContext *context = func.getContext();
  std::vector<CandidatePlan> plans(schedules.size());
  CandidateDiagnostics diagnostics(context);
  auto candidates = llvm::map_to_vector(schedules, [&](kernel::ScheduleAttr schedule) { return Candidate{func, dispatch, schedule}; });
  OwningOpRef<ModuleOp> all = Isolation(func.getLoc()).run(candidates);
  std::string problem;
  {
    CandidateDiagnostics::Scope scope(problem);
    if (failed(runPhase(Phase::Schedule, *all, target))) {
      for (CandidatePlan &plan : plans)
        plan.problem = "cannot be compiled: " + problem;
      return plans;
    }
  }

  SymbolTable symbols(*all);
  SmallVector<OwningOpRef<ModuleOp>> modules(schedules.size());
  all->walk([&](kernel::DispatchOp packed) {
    auto kernel = symbols.lookup<kernel::FuncOp>(packed.getKernel());
    size_t number = 0;
    if (!kernel.getSymName().drop_front(StringRef("kernel_").size()).getAsInteger(10, number) && number < modules.size())
      modules[number] = Isolation(func.getLoc()).run(Candidate{kernel, packed, kernel.getScheduleAttr()});
  });
  parallelFor(context, 0, modules.size(), [&](size_t i) {
    CandidatePlan &plan = plans[i];
    CandidateDiagnostics::Scope scope(plan.problem);
    std::string path = (folder + "/" + llvm::Twine(firstNumber + i) + ".plan").str();
    if (modules[i] && succeeded(finishPlan(*modules[i], target, path))) {
      plan.problem.clear();
      plan.path = path;
    } else {
      plan.problem = "cannot be compiled: " + plan.problem;
    }
  });
  releaseConstants(*all, func->getParentOfType<ModuleOp>());
  return plans;
}

} // namespace tenon
