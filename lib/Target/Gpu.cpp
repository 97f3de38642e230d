// The GPUs that code can be generated for.
#include "lib/Target/Gpu.h"

namespace tenon {
using llvm::StringRef;

namespace {
struct GpuModel {
  int capability;
  bool archSpecific;   // whether sm_NNa exists
  int ptx;             // the first PTX version that has it, its matrix products and (7.0) `tanh.approx`, which LLVM must be told
  int multiprocessors; // of the largest common card
  int64_t l2Bytes;
};

// CUDA C++ programming guide, compute capabilities; PTX ISA, release notes.
constexpr GpuModel kGpus[] = {
    {75, false, 70, 40, 4 << 20},   {80, false, 70, 108, 40 << 20}, {86, false, 71, 84, 6 << 20},    {87, false, 74, 16, 4 << 20},
    {89, false, 78, 128, 72 << 20}, {90, true, 80, 132, 50 << 20},  {100, true, 86, 148, 126 << 20}, {120, true, 87, 170, 96 << 20},
};

struct Board {
  StringRef name;
  int capability;
  int multiprocessors;
  int64_t gigabytes; // that processor and GPU share
};
// NVIDIA, Jetson modules, technical specifications: AGX Orin 64 GB and 32 GB, Orin NX 16 GB, Orin Nano 8 GB.
constexpr Board kBoards[] = {
    {"jetson-orin", 87, 16, 64}, {"jetson-orin-32gb", 87, 14, 32}, {"jetson-orin-nx", 87, 8, 16}, {"jetson-orin-nano", 87, 8, 8}};

const GpuModel *modelOf(int capability) {
  const GpuModel *found = llvm::find_if(kGpus, [&](const GpuModel &model) { return model.capability == capability; });
  return found == std::end(kGpus) ? nullptr : found;
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
  if (!model || (archSpecific && !model->archSpecific))
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
  for (const Board &board : kBoards)
    if (withoutLibraries(target).name == board.name)
      return board.gigabytes << 30;
  return std::nullopt;
}

std::vector<std::string> knownGpus() {
  std::vector<std::string> names;
  for (const GpuModel &model : kGpus) {
    names.push_back("cuda:sm_" + std::to_string(model.capability));
    if (model.archSpecific)
      names.push_back(names.back() + "a");
  }
  for (const Board &board : kBoards)
    names.push_back(board.name.str());
  return names;
}

} // namespace tenon
