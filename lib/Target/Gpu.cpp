// The GPUs that code can be generated for.
#include "lib/Target/Gpu.h"
#include "runtime/plan/Capabilities.h"
#include <algorithm>
#include <limits>

namespace tenon {
using llvm::StringRef;

namespace {
struct GpuModel {
  int capability;
  int ptx;             // the first PTX version that has it, its matrix products and (7.0) `tanh.approx`, which LLVM must be told
  int multiprocessors; // of the largest common card
  int64_t l2Bytes;
  GpuLimits limits;
};

/// Threads and blocks of a multiprocessor, and its shared memory, of which a block can have all but a kilobyte from sm_80 on.
constexpr GpuLimits limits(int64_t threads, int64_t blocks, int64_t kilobytes) {
  int64_t reserved = threads == 1024 ? 0 : 1; // on sm_75 nothing
  return {threads, blocks, kilobytes << 10, (kilobytes - reserved) << 10};
}

// CUDA C++ programming guide, compute capabilities; PTX ISA, release notes; blocks and shared memory: cuda_occupancy.h of CUDA 13.0; threads: what
// ptxas 13.0 takes as `.maxntid` times `.minnctapersm`. Multiprocessors and caches: 103 and 121 are B300 and GB10, 110 is what Thor reports. NVIDIA
// describes no card of 88; its line has 87's.
constexpr GpuModel kGpus[] = {
    {75, 70, 40, 4 << 20, limits(1024, 16, 64)},      {80, 70, 108, 40 << 20, limits(2048, 32, 164)},
    {86, 71, 84, 6 << 20, limits(1536, 16, 100)},     {87, 74, 16, 4 << 20, limits(1536, 16, 164)},
    {88, 90, 16, 4 << 20, limits(1536, 16, 100)},     {89, 78, 128, 72 << 20, limits(1536, 24, 100)},
    {90, 80, 132, 50 << 20, limits(2048, 32, 228)},   {100, 86, 148, 126 << 20, limits(2048, 32, 228)},
    {103, 88, 148, 126 << 20, limits(2048, 32, 228)}, {110, 90, 20, 32 << 20, limits(1536, 24, 228)},
    {120, 87, 170, 96 << 20, limits(1536, 24, 100)},  {121, 88, 48, 24 << 20, limits(1536, 24, 100)},
};
static_assert(std::equal(std::begin(kGpus), std::end(kGpus), std::begin(kCapabilities), std::end(kCapabilities),
                         [](const GpuModel &model, int capability) { return model.capability == capability; }));

struct Board {
  StringRef name;
  int capability;
  int multiprocessors;
  int64_t gigabytes; // that processor and GPU share
};
// NVIDIA, technical specifications of Jetson modules: AGX Orin 64 GB and 32 GB, Orin NX 16 GB, Orin Nano 8 GB, Thor T5000 and T4000 (2,560 and 1,536
// cores, 128 a multiprocessor); of DGX Spark (6,144 cores).
constexpr Board kBoards[] = {{"jetson-orin", 87, 16, 64},    {"jetson-orin-32gb", 87, 14, 32}, {"jetson-orin-nx", 87, 8, 16},
                             {"jetson-orin-nano", 87, 8, 8}, {"jetson-thor", 110, 20, 128},    {"jetson-t4000", 110, 12, 64},
                             {"dgx-spark", 121, 48, 128}};

const GpuModel *modelOf(int capability) {
  const GpuModel *found = llvm::find_if(kGpus, [&](const GpuModel &model) { return model.capability == capability; });
  return found == std::end(kGpus) ? nullptr : found;
}

/// The board that `target` names; null for architectures.
const Board *boardOf(const Target &target) {
  StringRef name = StringRef(target.name).split('+').first;
  const Board *found = llvm::find_if(kBoards, [&](const Board &board) { return name == board.name; });
  return found == std::end(kBoards) ? nullptr : found;
}

Target describe(StringRef name, const GpuModel &model, bool archSpecific, int multiprocessors) {
  Target target;
  target.name = name.str();
  target.triple = "nvptx64-nvidia-cuda";
  target.computeCapability = model.capability;
  target.archSpecific = archSpecific;
  target.cpu = target.gpuArch();
  target.features = "+ptx" + std::to_string(model.ptx);
  target.vectorBytes = 16; // one access of a thread
  target.vectorRegisters = 255;
  target.fma = target.f16c = target.roundInstructions = true;
  target.bf16 = model.capability >= 80;
  target.l2Bytes = model.l2Bytes;
  target.cores = multiprocessors;
  return target;
}
} // namespace

std::string Target::gpuArch() const {
  return "sm_" + std::to_string(computeCapability) + (archSpecific ? "a" : "");
}

static std::optional<Target> parseArchitecture(StringRef name) {
  for (const Board &board : kBoards)
    if (name == board.name)
      return describe(name, *modelOf(board.capability), false, board.multiprocessors);
  StringRef arch = name;
  if (!arch.consume_front("cuda:sm_"))
    return std::nullopt;
  bool archSpecific = arch.consume_back("a");
  int capability = 0;
  const GpuModel *model = arch.getAsInteger(10, capability) ? nullptr : modelOf(capability);
  if (!model || (archSpecific && !hasOwnInstructions(capability)))
    return std::nullopt;
  return describe(name, *model, archSpecific, model->multiprocessors);
}

/// The names of libraries behind a target's name.
static llvm::SmallVector<StringRef> librariesOf(StringRef name) {
  llvm::SmallVector<StringRef> parts;
  name.split(parts, '+');
  parts.erase(parts.begin());
  return parts;
}

std::optional<Target> parseGpu(StringRef name) {
  std::optional<Target> target = parseArchitecture(name.split('+').first);
  bool areKnown = llvm::all_of(librariesOf(name), [](StringRef library) { return llvm::is_contained(gpuLibraries(), library); });
  if (!target || !areKnown || name.ends_with("+"))
    return std::nullopt;
  target->name = name.str();
  return target;
}

llvm::ArrayRef<StringRef> gpuLibraries() {
  static constexpr StringRef kLibraries[] = {"cublaslt", "cudnn"};
  return kLibraries;
}

bool mayCall(const Target &target, StringRef library) {
  return target.isGpu() && llvm::is_contained(librariesOf(target.name), library);
}

Target withoutLibraries(Target target) {
  if (target.isGpu())
    target.name = StringRef(target.name).split('+').first.str();
  return target;
}

std::optional<int64_t> boardMemory(const Target &target) {
  const Board *board = boardOf(target);
  return board ? std::optional(board->gigabytes << 30) : std::nullopt;
}

const GpuLimits &limitsOf(const Target &target) {
  return modelOf(target.computeCapability)->limits;
}

int64_t sharedOfBlock(const Target &target) {
  if (target.archSpecific || boardOf(target))
    return limitsOf(target).sharedOfBlock;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const GpuModel &model : kGpus)
    if (model.capability >= target.computeCapability)
      least = std::min(least, model.limits.sharedOfBlock);
  return least;
}

int ptxVersion(const Target &target) {
  return modelOf(target.computeCapability)->ptx;
}

std::vector<std::string> knownGpus() {
  std::vector<std::string> names;
  for (const GpuModel &model : kGpus) {
    names.push_back("cuda:sm_" + std::to_string(model.capability));
    if (hasOwnInstructions(model.capability))
      names.push_back(names.back() + "a");
  }
  for (const Board &board : kBoards)
    names.push_back(board.name.str());
  return names;
}

} // namespace tenon
