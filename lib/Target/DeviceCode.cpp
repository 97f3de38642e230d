// From lowered functions to PTX, and from PTX to the device images of a plan.
#include "lib/Target/Gpu.h"
#include "lib/Target/NarrowStores.h"
#include "lib/Target/ObjectCode.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Target/TargetMachine.h"

namespace tenon {
using namespace mlir;

/// All of LLVM's O3: kernels of the general road are plain loops, and calls are dear on a GPU.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

/// What threads execute together must not be moved into a branch, or copied behind both sides of one that some of them take, where each side waits
/// for the other's. LLVM knows that of its own intrinsics, not of inline assembly; and what functions that call it may do, it finds out by itself.
static void keepTogether(llvm::Module &module) {
  constexpr StringRef kTogether[] = {".sync", ".aligned", "barrier.cluster"};
  for (llvm::Function &function : module) {
    if (!function.isDeclaration())
      function.addFnAttr(llvm::Attribute::Convergent);
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
      auto *call = dyn_cast<llvm::CallBase>(&instruction);
      auto *text = call ? dyn_cast<llvm::InlineAsm>(call->getCalledOperand()) : nullptr;
      if (text && llvm::any_of(kTogether, [&](StringRef word) { return StringRef(text->getAsmString()).contains(word); }))
        call->addFnAttr(llvm::Attribute::Convergent);
    }
  }
}

/// What follows the lines that name the version and the target.
static StringRef withoutHeader(StringRef ptx) {
  size_t start = ptx.find(".address_size");
  return start == StringRef::npos ? ptx : ptx.substr(start).split('\n').second;
}

/// The target's version of PTX, or the one that an instruction of `kernels` came with.
static int versionOf(const Target &target, ArrayRef<std::string> kernels) {
  constexpr StringRef kMixedSigns = "s32.u8.s8", kNarrow = "e4m3.e4m3", kGroupProduct = "wgmma", kWarpProduct = "mma.sync.aligned.m16n8k32",
                      kSend = "st.async";
  constexpr int kFirst = 84, kFirstWithSend = 81;
  int version = ptxVersion(target);
  auto needsFirst = [&](StringRef kernel) {
    return (kernel.contains(kGroupProduct) && kernel.contains(kMixedSigns)) || (kernel.contains(kWarpProduct) && kernel.contains(kNarrow));
  };
  if (version < kFirst && llvm::any_of(kernels, needsFirst))
    version = kFirst;
  if (version < kFirstWithSend && llvm::any_of(kernels, [&](StringRef kernel) { return kernel.contains(kSend); }))
    version = kFirstWithSend;
  return version;
}

FailureOr<std::string> generatePtx(ModuleOp module, const Target &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code)
    return module.emitError("cannot be translated to LLVM IR");
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = target.machine();
  if (!machine)
    return module.emitError(llvm::toString(machine.takeError()));
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  for (llvm::Function &function : *code)
    if (function.hasLocalLinkage() && !function.isDeclaration())
      function.addFnAttr(llvm::Attribute::AlwaysInline);
  keepTogether(*code);
  optimize(*code, **machine);

  SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return module.emitError("LLVM cannot write PTX");
  passes.run(*code);
  return convertBeforeNarrowStores(withoutHeader(StringRef(text.data(), text.size())));
}

llvm::Expected<CodeImage> linkPtx(ArrayRef<std::string> kernels, const Target &target) {
  int version = versionOf(target, kernels);
  std::string text = llvm::formatv(".version {0}.{1}\n.target {2}\n.address_size 64\n", version / 10, version % 10, target.gpuArch());
  for (const std::string &kernel : kernels)
    text += kernel;
  CodeImage image;
  llvm::Expected<std::optional<Ptxas>> ptxas = Ptxas::find(version, image.notAssembled);
  if (!ptxas)
    return ptxas.takeError();
  if (*ptxas) {
    llvm::Expected<std::vector<char>> cubin = (*ptxas)->assemble(text, target.gpuArch());
    if (!cubin)
      return cubin.takeError();
    image.device.push_back({target.gpuArch(), false, std::move(*cubin)});
  }
  // The driver reads PTX as a string.
  image.device.push_back({target.gpuArch(), true, std::vector<char>(text.c_str(), text.c_str() + text.size() + 1)});
  return image;
}

} // namespace tenon
