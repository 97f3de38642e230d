// tenon_kernel_numbers MODULE.mlir --target cuda:sm_90a [--tolerance 5e-3] [--most-operations 5e7]
//
// Runs every kernel of a module that `tenon compile --stop-after=fuse` wrote on this processor as the GPU would (test/unit/codegen/gpu), on noise,
// and compares it with what the CPU's own kernel gives. A line for each: `ok`, `FAILED` or `skipped`, its name, family and why; the last one is `N
// passed, N failed, N skipped`.
#include "dialects/plan/Plan.h"
#include "mlir/Parser/Parser.h"
#include "passes/4_schedule/Schedules.h"
#include "test/unit/codegen/KernelCheck.h"
#include <cstdlib>

namespace tenon::test {
using namespace mlir;

namespace {
struct Options {
  std::string file, target = "cuda:sm_90a";
  double tolerance = 5e-3, mostOperations = 5e7;
};

bool parse(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; ++i) {
    StringRef word = argv[i];
    bool hasValue = i + 1 < argc;
    if (word == "--target" && hasValue)
      options.target = argv[++i];
    else if (word == "--tolerance" && hasValue)
      options.tolerance = std::atof(argv[++i]);
    else if (word == "--most-operations" && hasValue)
      options.mostOperations = std::atof(argv[++i]);
    else if (!word.starts_with("-") && options.file.empty())
      options.file = word.str();
    else
      return false;
  }
  return !options.file.empty();
}

/// Why a kernel is not run here; empty where it is.
std::string whyNot(kernel::FuncOp kernel, const cpu::KernelFamily *family, const Options &options) {
  if (!family)
    return "no family computes it";
  for (TypeRange types : {TypeRange(kernel.getArgumentTypes()), TypeRange(kernel.getResultTypes())})
    for (Type type : types)
      if (!cast<RankedTensorType>(type).hasStaticShape())
        return "sizes that are free";
  // Of noise a recurrence makes chaos: what is rounded in another way at first is another number in the end.
  constexpr int64_t kMostSteps = 16;
  for (Operation &op : kernel.getBody().front())
    if (isa<nn::LSTMOp, nn::RecurrenceOp>(op) && nn::dimOf(op.getOperand(0).getType(), 0).asConstant().value_or(kMostSteps + 1) > kMostSteps)
      return "a recurrence of many steps";
  std::optional<int64_t> operations = family->operations(kernel).asConstant();
  if (!operations || double(*operations) > options.mostOperations)
    return "too large";
  return "";
}

int check(const Options &options) {
  std::unique_ptr<MLIRContext> context = KernelHarness::makeContext();
  context->loadDialect<plan::PlanDialect>();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(options.file, context.get());
  llvm::Expected<Target> target = Target::parse(options.target);
  if (!module || !target) {
    llvm::errs() << (module ? llvm::toString(target.takeError()) : options.file + ": cannot be read") << "\n";
    llvm::consumeError(target.takeError());
    return 2;
  }
  schedule::markConstants(*module);
  int passed = 0, failed = 0, skipped = 0;
  for (kernel::FuncOp kernel : module->getOps<kernel::FuncOp>()) {
    const cpu::KernelFamily *family = cpu::familyFor(kernel, *target);
    std::string why = whyNot(kernel, family, options), text;
    bool isSkipped = !why.empty();
    if (!isSkipped) {
      llvm::raw_string_ostream stream(text);
      kernel->print(stream, OpPrintingFlags().useLocalScope().enableDebugInfo(false));
      KernelCheck check;
      check.target = options.target, check.tolerance = options.tolerance, check.onCpu = true;
      bool isForGpusAlone = !cpu::familyFor(kernel, llvm::cantFail(Target::parse("native"))); // with sums beside its result
      why = isForGpusAlone ? "no kernel for CPUs to compare with" : check(text);
      isSkipped = isForGpusAlone;
    }
    (isSkipped ? skipped : why.empty() ? passed : failed) += 1;
    llvm::outs() << (isSkipped     ? "skipped "
                     : why.empty() ? "ok      "
                                   : "FAILED  ")
                 << kernel.getSymName() << " " << (family ? family->name() : "") << (why.empty() ? "" : ": ") << why << "\n";
    llvm::outs().flush();
  }
  llvm::outs() << passed << " passed, " << failed << " failed, " << skipped << " skipped\n";
  return failed != 0;
}
} // namespace
} // namespace tenon::test

int main(int argc, char **argv) {
  tenon::test::Options options;
  if (!tenon::test::parse(argc, argv, options)) {
    llvm::errs() << "usage: " << argv[0] << " MODULE.mlir [--target cuda:sm_90a] [--tolerance 5e-3] [--most-operations 5e7]\n";
    return 2;
  }
  return tenon::test::check(options);
}
