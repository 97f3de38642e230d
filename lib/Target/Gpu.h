// NVIDIA GPUs as targets: names, and the toolchain that turns PTX into machine code.
#pragma once
#include "lib/Target/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include <optional>

namespace tenon {

/// The GPU that `name` means, "cuda:sm_90" or a board's name; none for other names.
std::optional<Target> parseGpu(llvm::StringRef name);
std::vector<std::string> knownGpus();
/// Bytes of memory of the board that `target` names; none for architectures, whose cards differ.
std::optional<int64_t> boardMemory(const Target &target);

/// NVIDIA's libraries that a plan may have compute kernels, as names of targets list them: "cuda:sm_90a+cublaslt".
llvm::ArrayRef<llvm::StringRef> gpuLibraries();
/// Whether plans for `target` may call that library.
bool mayCall(const Target &target, llvm::StringRef library);
/// The same GPU, for plans that call none.
Target withoutLibraries(Target target);

/// NVIDIA's assembler, where one is installed.
struct Ptxas {
  std::string path;
  int major = 0, minor = 0;

  /// $TENON_PTXAS, then PATH, the CUDA Toolkit's folders, and the Python package nvidia-cuda-nvcc; looked for once. None where there is none that
  /// starts; `reason` says what was found instead.
  static const std::optional<Ptxas> &find();
  static const std::string &reason();

  /// Machine code for `arch` ("sm_90a") from PTX.
  llvm::Expected<std::vector<char>> assemble(llvm::StringRef ptx, llvm::StringRef arch) const;
};

} // namespace tenon
