#include "lib/Target/ObjectCode.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/SROA.h"

namespace tenon {
using namespace mlir;

/// The target that functions are compiled for: our features, tuned for the named CPU.
static void annotate(llvm::Module &module, const Target &target, const llvm::TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("tune-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBytes * 8));
    function.addFnAttr("no-trapping-math", "true");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

/// Emitted code is already in registers and unrolled: what is left is to clean up addresses. More passes cost time and bring nothing
/// (cpu-codegen study: SLP, the loop vectorizer and O3 are neutral or harmful on explicit vectors).
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/false));
  llvm::ModulePassManager pipeline;
  pipeline.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  pipeline.run(module, modules);
}

/// TargetMachine::addPassesToEmitFile without the scheduler of machine instructions. Kernels are emitted in an order in which their registers suffice;
/// it would move loads ahead, which out-of-order execution overlaps anyway, and where a tile fills the registers leave their allocator no way but to
/// spill accumulators in the innermost loop: a 14x32 tile of AVX-512 had 58 stack accesses for 112 multiply-adds, 62 instead of 95 % of the peak.
static bool addCodeGenerator(llvm::TargetMachine &machine, llvm::legacy::PassManager &passes, llvm::raw_pwrite_stream &out, llvm::CodeGenFileType type) {
  auto *functions = new llvm::MachineModuleInfoWrapperPass(&machine);
  llvm::TargetPassConfig *config = machine.createPassConfig(passes);
  config->disablePass(&llvm::MachineSchedulerID);
  passes.add(config);
  passes.add(functions);
  if (config->addISelPasses())
    return false;
  config->addMachinePasses();
  config->setInitialized();
  if (machine.addAsmPrinter(passes, out, nullptr, type, functions->getMMI().getContext()))
    return false;
  passes.add(llvm::createFreeMachineFunctionPass());
  return true;
}

FailureOr<SmallVector<char, 0>> generateObject(ModuleOp module, const Target &target, std::string *assembly) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code)
    return module.emitError("cannot be translated to LLVM IR");
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = target.machine();
  if (!machine)
    return module.emitError(llvm::toString(machine.takeError()));
  annotate(*code, target, **machine);
  optimize(*code, **machine);

  SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (!addCodeGenerator(**machine, passes, stream, assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile))
    return module.emitError("LLVM cannot write objects for ") << target.triple;
  passes.run(*code);
  if (assembly)
    assembly->assign(object.data(), object.size());
  return object;
}

} // namespace tenon
