#include "lib/Compiler/Reproducer.h"
#include "dialects/kernel/Kernel.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tenon {
using namespace mlir;

// The first line of a file that holds one kernel; MLIR's own reproducers name their pipeline at their end.
constexpr StringLiteral kKernelHead = "// tenon-opt --codegen-emit-cpu=target=";

void writeOnFailure(PassManager &pm, StringRef path) {
  if (path.empty())
    return;
  pm.getContext()->disableMultithreading();
  pm.enableCrashReproducerGeneration(path, /*genLocalReproducer=*/true);
}

bool survives(llvm::function_ref<void()> work, StringRef path) {
  if (path.empty()) {
    work();
    return true;
  }
  llvm::CrashRecoveryContext::Enable();
  bool isDone = llvm::CrashRecoveryContext().RunSafely(work);
  llvm::CrashRecoveryContext::Disable();
  return isDone;
}

static bool compiles(ModuleOp module, const Target &target, StringRef path) {
  ScopedDiagnosticHandler silent(module.getContext(), [](Diagnostic &) { return success(); });
  OwningOpRef<ModuleOp> copy = module.clone();
  bool isCompiled = false;
  return survives([&] { isCompiled = succeeded(cpu::emitKernels(*copy, target)); }, path) && isCompiled;
}

void writeFailingKernel(ModuleOp module, const Target &target, StringRef path) {
  for (auto func : module.getOps<kernel::FuncOp>()) {
    OwningOpRef<ModuleOp> alone = ModuleOp::create(func.getLoc());
    (*alone)->setAttrs(module->getAttrDictionary());
    OpBuilder::atBlockEnd(alone->getBody()).clone(*func);
    if (compiles(*alone, target, path))
      continue;
    std::error_code problem;
    llvm::raw_fd_ostream out(path, problem);
    if (!problem)
      out << kKernelHead << target.name << "\n" << *alone << "\n";
    return;
  }
}

std::string reproducingCommand(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (path.empty() || !buffer)
    return "";
  StringRef head = (*buffer)->getBuffer().split('\n').first;
  StringRef command = head.starts_with(kKernelHead) ? head.drop_front(3) : StringRef("tenon-opt --run-reproducer");
  return (command + " " + path).str();
}

} // namespace tenon
