#include "lib/Target/Target.h"
#include "lib/Target/Gpu.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenon {
using llvm::StringRef;

/// What code may use, in LLVM's names: everything that the vectorized loops profit from, nothing else, so that the list that the
/// runtime checks stays short and complete.
static constexpr StringRef kX86Features[] = {
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "avx512f", "avx512cd", "avx512bw",
    "avx512dq", "avx512vl", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bf16", "avxvnni", "amx-tile", "amx-int8"};
/// What single kernels use, and only plans that hold such require.
static constexpr StringRef kTilesOfBf16 = "amx-bf16";
static constexpr StringRef kAArch64Features[] = {"neon", "fullfp16", "dotprod", "i8mm", "bf16", "sve", "sve2"};

static constexpr StringRef kNames[] = {"native", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "haswell", "skylake", "skylake-avx512", "icelake-server",
                                       "alderlake", "sapphirerapids", "znver1", "znver2", "znver3", "znver4", "znver5", "aarch64", "cortex-a72",
                                       "cortex-a76", "neoverse-n1", "neoverse-v1", "neoverse-v2"};

static void initializeLlvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
}

static llvm::Error unknown(StringRef name) {
  return llvm::createStringError("unknown target '" + name.str() + "'; known targets: " + llvm::join(Target::known(), ", "));
}

/// Caches that differ from the defaults, by microarchitecture.
static void setCaches(Target &target) {
  StringRef cpu = target.cpu;
  if (cpu == "znver4" || cpu == "znver5")
    target.l2Bytes = 1 << 20;
  if (cpu == "znver5" || cpu == "icelake-server" || cpu == "sapphirerapids" || cpu == "alderlake") {
    target.l1Bytes = 48 << 10;
    target.l1Ways = 12;
  }
  if (cpu == "sapphirerapids")
    target.l2Bytes = 2 << 20;
  if (cpu == "skylake" || cpu == "haswell")
    target.l2Bytes = 256 << 10;
  if (cpu == "skylake-avx512" || cpu.starts_with("neoverse"))
    target.l2Bytes = 1 << 20;
  if (cpu.starts_with("neoverse")) {
    target.l1Bytes = 64 << 10;
    target.l1Ways = 4;
  }
}

/// The first line of a file of the kernel's; empty where there is none.
static std::string lineOf(const llvm::Twine &path) {
  auto buffer = llvm::MemoryBuffer::getFileAsStream(path);
  return buffer ? (*buffer)->getBuffer().split('\n').first.str() : "";
}

/// Caches as the kernel describes them: sysconf counts the last level of all of the package's cores, of which one sees a part.
static void readCaches(Target &target) {
  auto fieldFor = [&](StringRef level, StringRef type) -> int64_t * {
    if (type == "Instruction")
      return nullptr;
    return level == "1" ? &target.l1Bytes : level == "2" ? &target.l2Bytes : level == "3" ? &target.l3Bytes : nullptr;
  };
  constexpr int kMostCaches = 8;
  for (int i = 0; i < kMostCaches; ++i) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    std::string level = lineOf(folder + "/level"), size = lineOf(folder + "/size"), ways = lineOf(folder + "/ways_of_associativity");
    int64_t *field = fieldFor(level, lineOf(folder + "/type"));
    int64_t kilobytes = 0, count = 0;
    if (!field || !StringRef(size).consume_back("K") || StringRef(size).drop_back().getAsInteger(10, kilobytes) || kilobytes <= 0)
      continue;
    *field = kilobytes << 10;
    if (level == "1" && !StringRef(ways).getAsInteger(10, count) && count > 0)
      target.l1Ways = count;
  }
}

/// Whether the system gives tile registers to a process that asks, as the runtime does.
static bool mayUseTiles() {
#ifdef __x86_64__
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

static void readHost(Target &target) {
  readCaches(target);
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
    target.cores = std::max(1, CPU_COUNT(&cpus));
}

static void deriveVectors(Target &target) {
  auto has = [&](StringRef feature) { return llvm::is_contained(target.required, feature); };
  if (llvm::Triple(target.triple).isAArch64()) {
    target.vectorBytes = 16; // NEON; scalable vectors are not emitted
    target.vectorRegisters = 32;
    target.fma = target.f16c = target.roundInstructions = true;
    target.vnni = has("dotprod");
    target.bf16 = has("bf16");
    return;
  }
  bool avx512 = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
  target.vectorBytes = avx512 ? 64 : has("avx") ? 32 : 16;
  target.vectorRegisters = avx512 ? 32 : 16;
  target.fma = has("fma");
  target.f16c = has("f16c");
  target.roundInstructions = has("sse4.1");
  target.vnni = has("avx512vnni") || has("avxvnni");
  target.tiles = avx512 && target.vnni && has("amx-tile") && has("amx-int8");
  target.bf16 = avx512 && has("avx512bf16");
}

std::vector<std::string> Target::known() {
  std::vector<std::string> names(std::begin(kNames), std::end(kNames));
  llvm::append_range(names, knownGpus());
  return names;
}

llvm::Expected<Target> Target::parse(StringRef name) {
  initializeLlvm();
  if (std::optional<Target> gpu = parseGpu(name))
    return std::move(*gpu);
  Target target;
  target.name = name.str();
  auto [cpu, extra] = name.split('+');
  bool native = cpu == "native", arm = cpu == "aarch64" || cpu.starts_with("cortex") || cpu.starts_with("neoverse");
  target.triple = native ? llvm::Triple::normalize(llvm::sys::getDefaultTargetTriple()) : arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu";
  llvm::Triple triple(target.triple);
  target.cpu = native ? llvm::sys::getHostCPUName().str() : cpu == "aarch64" ? "generic" : cpu.str();

  std::string error;
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget || !(triple.isX86() || triple.isAArch64()))
    return llvm::createStringError("no code generator for '" + target.triple + "': this build of LLVM has x86-64 and AArch64 only");
  std::string features;
  if (!extra.empty())
    for (StringRef feature : llvm::split(extra, '+'))
      features += (features.empty() ? "+" : ",+") + feature.str();
  if (native)
    for (auto &[feature, on] : llvm::sys::getHostCPUFeatures())
      features += (features.empty() ? "" : ",") + std::string(on ? "+" : "-") + feature.str();
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(llvmTarget->createMCSubtargetInfo(triple, "", ""));
  if (!subtarget->isCPUStringValid(target.cpu))
    return unknown(name);
  subtarget.reset(llvmTarget->createMCSubtargetInfo(triple, target.cpu, features));

  auto keep = [&](StringRef feature) {
    if (native && feature.starts_with("amx") && !mayUseTiles())
      return;
    if (subtarget->checkFeatures(("+" + feature).str()))
      target.required.push_back(feature.str());
  };
  if (triple.isX86())
    llvm::for_each(kX86Features, keep);
  else
    llvm::for_each(kAArch64Features, keep);
  for (const std::string &feature : target.required)
    target.features += (target.features.empty() ? "+" : ",+") + feature;
  bool hasTilesOfBf16 = triple.isX86() && subtarget->checkFeatures(("+" + kTilesOfBf16).str());
  if (hasTilesOfBf16)
    target.features += (",+" + kTilesOfBf16).str();
  setCaches(target);
  target.cores = 4;
  if (native)
    readHost(target);
  deriveVectors(target);
  target.tilesOfBf16 = target.tiles && target.bf16 && hasTilesOfBf16; // Linux gives tile registers for both kinds or none
  return target;
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> Target::machine() const {
  initializeLlvm();
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!llvmTarget)
    return llvm::createStringError(error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard; // emitters fuse where they mean to
  std::string baseline = isGpu() ? cpu : parsed.isX86() ? "x86-64" : "generic";
  std::unique_ptr<llvm::TargetMachine> machine(llvmTarget->createTargetMachine(parsed, baseline, features, options, llvm::Reloc::PIC_,
                                                                               llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (!machine)
    return llvm::createStringError("LLVM cannot generate code for '" + triple + "'");
  return machine;
}

} // namespace tenon
