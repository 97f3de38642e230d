// compileFile: a model in, a plan out.
#include "include/tenon/compiler.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
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

namespace {

class Compilation {
public:
  Compilation(const std::string &path, std::optional<std::string_view> bytes, const CompileOptions &options)
      : path(path), bytes(bytes), options(options), dump(options.dumpPhases) {}

  LogicalResult run(MLIRContext &context, CompileResult &result) {
    llvm::Expected<Target> parsed = Target::parse(options.target);
    if (!parsed)
      return emitError(UnknownLoc::get(&context)) << llvm::toString(parsed.takeError());
    target = std::move(*parsed);
    if (failed(chooseStorage(context)))
      return failure();
    std::optional<Phase> last = options.stopAfter.empty() ? Phase::Plan : phaseNamed(options.stopAfter);
    if (!last)
      return emitError(UnknownLoc::get(&context)) << "no phase is called '" << options.stopAfter << "'; the phases are "
                                                  << llvm::join(phaseNames(), ", ");

    Phase done = Phase::Import;
    auto start = std::chrono::steady_clock::now();
    if (failed(load(context, done)))
      return failure();
    finish(Phase::Import, start, result);
    if (done == Phase::Import && failed(dump.write(*module, 0, phaseName(done))))
      return failure();

    CodeImage code;
    for (int next = int(done) + 1; next <= int(*last); ++next) {
      Phase phase = Phase(next);
      start = std::chrono::steady_clock::now();
      if (options.progress)
        options.progress(phaseName(phase).str(), double(next) / (int(*last) + 1));
      if (failed(runPhase(phase, *module, target, options.tuningCache, options.exactOrder, options.reproducer, storage)))
        return failure();
      if (phase == Phase::Codegen || (phase == Phase::Plan && done == Phase::Codegen)) {
        FailureOr<CodeImage> image = failure();
        if (!survives([&] { image = cpu::emitKernels(*module, target); }, options.reproducer))
          emitError(module->getLoc()) << "the compiler crashed while it generated code";
        if (failed(image)) {
          if (!options.reproducer.empty())
            writeFailingKernel(*module, target, options.reproducer);
          return failure();
        }
        code = std::move(*image);
      }
      (*module)->setAttr("tenon.phase", StringAttr::get(&context, phaseName(phase)));
      if (failed(dump.write(*module, next, phaseName(phase))))
        return failure();
      if (phase == Phase::Plan) {
        FailureOr<std::vector<std::byte>> bytes = serializePlan(*module, code, target, options.output);
        if (failed(bytes))
          return failure();
        result.plan = std::move(*bytes);
      }
      finish(phase, start, result);
    }
    if (failed(dump.writeWeights(&context)))
      return failure();
    if (!options.stopAfter.empty())
      result.ir = moduleText(*module);
    count(result);
    return success();
  }

private:
  LogicalResult chooseStorage(MLIRContext &context) {
    if (options.precision.empty() || options.precision == "fp32")
      return success();
    if (options.precision != "fp16" && options.precision != "bf16")
      return emitError(UnknownLoc::get(&context)) << "unknown precision '" << options.precision << "'; fp32, fp16 and bf16 are known";
    if (!target.isGpu())
      return emitError(UnknownLoc::get(&context)) << "the precision " << options.precision << " is for GPUs; " << target.name << " computes in fp32";
    storage = options.precision == "fp16" ? "f16" : "bf16";
    return success();
  }

  LogicalResult load(MLIRContext &context, Phase &done) {
    if (!bytes && (StringRef(path).ends_with(".mlir") || StringRef(path).ends_with(".mlirbc"))) {
      module = parseDump(&context, path);
      if (!module)
        return failure();
      auto phase = (*module)->getAttrOfType<StringAttr>("tenon.phase");
      std::optional<Phase> named = phase ? phaseNamed(phase.getValue()) : std::nullopt;
      if (!named)
        return emitError(UnknownLoc::get(&context)) << "expected the attribute tenon.phase with the last phase that was run, as phase dumps have it";
      done = *named;
      return success();
    }
    FailureOr<OwningOpRef<ModuleOp>> imported = importModel(&context, path, options.shapes, target, bytes);
    if (failed(imported))
      return failure();
    module = std::move(*imported);
    return success();
  }

  void finish(Phase phase, std::chrono::steady_clock::time_point start, CompileResult &result) {
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    result.times.push_back({phaseName(phase).str(), seconds.count()});
  }

  void count(CompileResult &result) {
    module->walk([&](Operation *op) {
      result.kernels += isa<kernel::FuncOp>(op);
      result.dispatches += isa<kernel::DispatchOp, plan::LaunchOp>(op);
    });
  }

  const std::string &path;
  std::optional<std::string_view> bytes;
  const CompileOptions &options;
  PhaseDump dump;
  Target target;
  StringRef storage; // of f32 tensors, where it is a half type
  OwningOpRef<ModuleOp> module;
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
