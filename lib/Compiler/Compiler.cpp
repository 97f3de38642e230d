// compileFile: a model in, a plan out.
#include "include/tenon/compiler.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lib/Compiler/BoardMemory.h"
#include "lib/Compiler/DiagnosticText.h"
#include "lib/Compiler/Dump.h"
#include "lib/Compiler/Reproducer.h"
#include "lib/Compiler/Serializer.h"
#include "lib/Compiler/Session.h"
#include "lib/Importer/Importer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <chrono>

namespace tenon {
using namespace mlir;

FailureOr<OwningOpRef<ModuleOp>> importModel(MLIRContext *context, const std::string &path, const Shapes &shapes, const Target &target,
                                             std::optional<std::string_view> bytes) {
  ImportOptions import;
  import.shapes = shapes;
  FailureOr<OwningOpRef<ModuleOp>> module =
      bytes ? importOnnx(context, llvm::MemoryBuffer::getMemBuffer(*bytes, path, /*RequiresNullTerminator=*/false), path, import)
            : importOnnx(context, path, import);
  if (failed(module))
    return failure();
  Builder builder(context);
  (**module)->setAttr("tenon.phase", builder.getStringAttr(phaseName(Phase::Import)));
  (**module)->setAttr("tenon.target", builder.getStringAttr(target.name));
  if (!(**module)->hasAttr("tenon.model"))
    (**module)->setAttr("tenon.model", builder.getStringAttr(llvm::sys::path::stem(path)));
  return module;
}

FailureOr<StringRef> storageFor(StringRef precision, const Target &target, MLIRContext *context) {
  if (precision.empty() || precision == "fp32")
    return StringRef();
  constexpr int kFirstWithTf32 = 80;
  if (precision != "fp16" && precision != "bf16" && precision != "tf32")
    return emitError(UnknownLoc::get(context)) << "unknown precision '" << precision << "'; fp32, tf32, fp16 and bf16 are known";
  if (!target.isGpu() && precision != "bf16")
    return emitError(UnknownLoc::get(context)) << "the precision " << precision << " is for GPUs; " << target.name << " computes in fp32" << (target.bf16 ? " and bf16" : "");
  if (!target.isGpu() && !target.bf16)
    return emitError(UnknownLoc::get(context)) << "the precision bf16 is for CPUs with instructions that multiply it (AVX512-BF16, AMX-BF16, AArch64's bf16); "
                                               << target.name << " computes in fp32";
  if (precision == "tf32" && target.computeCapability < kFirstWithTf32)
    return emitError(UnknownLoc::get(context)) << "GPUs multiply tf32 from sm_" << kFirstWithTf32 << " on; " << target.name << " computes in fp32, fp16 and bf16";
  if (precision == "tf32")
    return StringRef("tf32");
  return StringRef(precision == "fp16" ? "f16" : "bf16");
}

namespace {

class Compilation {
public:
  Compilation(const std::string &path, std::optional<std::string_view> bytes, const CompileOptions &options)
      : path(path), bytes(bytes), options(options), dump(options.dumpPhases) {}

  LogicalResult run(MLIRContext &context, CompileResult &result) {
    if (failed(parseTargets(context)))
      return failure();
    for (const Variant &variant : variants) {
      FailureOr<StringRef> chosen = storageFor(options.precision, variant.target, &context);
      if (failed(chosen))
        return failure();
      storage = *chosen;
    }
    std::optional<Phase> last = options.stopAfter.empty() ? Phase::Plan : phaseNamed(options.stopAfter);
    if (!last)
      return emitError(UnknownLoc::get(&context)) << "no phase is called '" << options.stopAfter << "'; the phases are "
                                                  << llvm::join(phaseNames(), ", ");
    auto start = std::chrono::steady_clock::now();
    if (failed(load(context)))
      return failure();
    finish(Phase::Import, start, result);
    if (done == Phase::Import && failed(dump.write(*variants.front().module, 0, phaseName(done))))
      return failure();
    for (Variant &variant : variants)
      if (failed(runPhases(variant, *last, result)))
        return failure();
    if (*last == Phase::Plan && failed(serialize(result)))
      return failure();
    if (failed(dump.writeWeights(&context)))
      return failure();
    if (!options.stopAfter.empty())
      result.ir = moduleText(*variants.front().module);
    count(result);
    return success();
  }

private:
  /// The model for one target.
  struct Variant {
    Target target;
    OwningOpRef<ModuleOp> module;
    CodeImage code;
  };

  LogicalResult parseTargets(MLIRContext &context) {
    SmallVector<StringRef> names;
    StringRef(options.target).split(names, ',');
    for (StringRef name : names) {
      bool isShort = names.size() > 1 && name.starts_with("sm_"); // cuda:sm_90,sm_87
      llvm::Expected<Target> parsed = Target::parse(isShort ? ("cuda:" + name).str() : name.str());
      if (!parsed)
        return emitError(UnknownLoc::get(&context)) << llvm::toString(parsed.takeError());
      if (names.size() > 1 && !parsed->isGpu())
        return emitError(UnknownLoc::get(&context)) << "several targets make one plan for several GPUs; " << name << " is none";
      if (llvm::any_of(variants, [&](const Variant &other) { return other.target.gpuArch() == parsed->gpuArch() && parsed->isGpu(); }))
        return emitError(UnknownLoc::get(&context)) << "two targets are for " << parsed->gpuArch();
      variants.emplace_back().target = std::move(*parsed);
    }
    if (names.size() > 1 && !(options.stopAfter.empty() && options.dumpPhases.empty() && options.tuningCache.empty()))
      return emitError(UnknownLoc::get(&context)) << "stopping after a phase, dumping phases and tuning caches are for one target, found " << names.size();
    return success();
  }

  LogicalResult load(MLIRContext &context) {
    OwningOpRef<ModuleOp> module;
    if (!bytes && (StringRef(path).ends_with(".mlir") || StringRef(path).ends_with(".mlirbc"))) {
      if (variants.size() > 1)
        return emitError(UnknownLoc::get(&context)) << "a module that a phase dump wrote is for one target, found " << variants.size();
      module = parseDump(&context, path);
      if (!module)
        return failure();
      auto phase = (*module)->getAttrOfType<StringAttr>("tenon.phase");
      std::optional<Phase> named = phase ? phaseNamed(phase.getValue()) : std::nullopt;
      if (!named)
        return emitError(UnknownLoc::get(&context)) << "expected the attribute tenon.phase with the last phase that was run, as phase dumps have it";
      done = *named;
    } else {
      FailureOr<OwningOpRef<ModuleOp>> imported = importModel(&context, path, options.shapes, variants.front().target, bytes);
      if (failed(imported))
        return failure();
      module = std::move(*imported);
    }
    for (Variant &variant : llvm::drop_begin(variants)) {
      variant.module = module->clone();
      (*variant.module)->setAttr("tenon.target", StringAttr::get(&context, variant.target.name));
    }
    variants.front().module = std::move(module);
    return success();
  }

  LogicalResult runPhases(Variant &variant, Phase last, CompileResult &result) {
    size_t number = &variant - variants.data();
    int phases = int(last) - int(done);
    for (int next = int(done) + 1; next <= int(last); ++next) {
      Phase phase = Phase(next);
      auto start = std::chrono::steady_clock::now();
      if (options.progress)
        options.progress(phaseName(phase).str(), double(number * phases + next - int(done)) / (variants.size() * phases + 1));
      if (failed(runPhase(phase, *variant.module, variant.target, options.tuningCache, options.exactOrder, options.reproducer, storage)))
        return failure();
      if (phase == Phase::Memory && failed(requireBoardMemory(*variant.module, variant.target)))
        return failure();
      if (phase == Phase::Codegen && failed(emit(variant)))
        return failure();
      (*variant.module)->setAttr("tenon.phase", StringAttr::get(variant.module->getContext(), phaseName(phase)));
      if (failed(dump.write(*variant.module, next, phaseName(phase))))
        return failure();
      finish(phase, start, result);
    }
    return success();
  }

  LogicalResult emit(Variant &variant) {
    FailureOr<CodeImage> image = failure();
    if (!survives([&] { image = cpu::emitKernels(*variant.module, variant.target); }, options.reproducer))
      emitError(variant.module->getLoc()) << "the compiler crashed while it generated code";
    if (failed(image)) {
      if (!options.reproducer.empty())
        writeFailingKernel(*variant.module, variant.target, options.reproducer);
      return failure();
    }
    if (!image->notAssembled.empty())
      emitWarning(UnknownLoc::get(variant.module->getContext()))
          << "the plan has no machine code for " << variant.target.gpuArch()
          << ", only PTX, which the driver compiles whenever the plan is opened: " << image->notAssembled;
    variant.code = std::move(*image);
    return success();
  }

  LogicalResult serialize(CompileResult &result) {
    auto start = std::chrono::steady_clock::now();
    SmallVector<CompiledModule> modules;
    for (Variant &variant : variants) {
      if (done >= Phase::Codegen && failed(emit(variant))) // dumps hold no code
        return failure();
      modules.push_back({*variant.module, variant.code, variant.target});
    }
    FailureOr<std::vector<std::byte>> written = serializePlan(modules, options.output);
    if (failed(written))
      return failure();
    result.plan = std::move(*written);
    finish(Phase::Plan, start, result);
    return success();
  }

  /// Adds up what a phase took for all targets.
  void finish(Phase phase, std::chrono::steady_clock::time_point start, CompileResult &result) {
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    auto known = llvm::find_if(result.times, [&](const PhaseTime &time) { return time.phase == phaseName(phase); });
    if (known == result.times.end())
      known = result.times.insert(known, {phaseName(phase).str(), 0});
    known->seconds += seconds.count();
  }

  void count(CompileResult &result) {
    for (Variant &variant : variants)
      variant.module->walk([&](Operation *op) {
        result.kernels += isa<kernel::FuncOp>(op);
        result.dispatches += isa<kernel::DispatchOp, plan::LaunchOp>(op);
      });
  }

  const std::string &path;
  std::optional<std::string_view> bytes;
  const CompileOptions &options;
  PhaseDump dump;
  std::vector<Variant> variants;
  StringRef storage; // as runPhase takes it
  Phase done = Phase::Import; // before this compilation
};

CompileResult compile(const std::string &path, std::optional<std::string_view> bytes, const CompileOptions &options) {
  CompileResult result;
  if (!options.reproducer.empty())
    llvm::sys::fs::remove(options.reproducer); // of an earlier failure
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false); // messages name the node; IR is for --stop-after
  DiagnosticText diagnostics(&context, path);
  result.ok = succeeded(Compilation(path, bytes, options).run(context, result));
  result.message = diagnostics.take();
  if (!result.ok) {
    if (std::string command = reproducingCommand(options.reproducer); !command.empty())
      result.message += "To reproduce: " + command + "\n";
    result.plan.clear();
    if (result.message.empty())
      result.message = path + ": compilation failed without a message: please report this\n";
  }
  return result;
}

} // namespace

CompileResult compileFile(const std::string &path, const CompileOptions &options) {
  return compile(path, {}, options);
}

CompileResult compileMemory(std::string_view model, const std::string &name, const CompileOptions &options) {
  return compile(name, model, options);
}

const char *versionString() {
  return TENON_VERSION;
}

} // namespace tenon
