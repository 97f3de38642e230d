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

/// What a multiprocessor of an architecture has for the blocks that it runs at once, and what one block may have of it.
struct GpuLimits {
  int64_t threads, blocks;        // of a multiprocessor, which has 65,536 registers of 32 bits everywhere
  int64_t sharedOfMultiprocessor; // bytes; each block takes one kilobyte besides what it asks for
  int64_t sharedOfBlock;          // bytes
};
/// Of the architecture of `target`, a GPU.
const GpuLimits &limitsOf(const Target &target);
/// Bytes of shared memory that a block may ask for wherever code for `target` runs: of a board, and of an architecture whose code runs on it alone,
/// what that has; of others what all later ones have, too.
int64_t sharedOfBlock(const Target &target);
/// The version of PTX that code for `target`, a GPU, is written in at least: 80 for 8.0.
int ptxVersion(const Target &target);

/// NVIDIA's libraries that a plan may have compute kernels, as names of targets list them: "cuda:sm_90a+cublaslt".
llvm::ArrayRef<llvm::StringRef> gpuLibraries();
/// Whether plans for `target` may call that library.
bool mayCall(const Target &target, llvm::StringRef library);
/// The same GPU, for plans that call none.
Target withoutLibraries(Target target);

/// NVIDIA's assembler, where one is installed.
struct Ptxas {
  std::string path;
  int release = 0; ///< of CUDA: 10 * major + minor

  /// The first one that reads PTX of that version (80 for 8.0): $TENON_PTXAS alone where that is set, else PATH, the CUDA Toolkit's folders, the
  /// Python package nvidia-cuda-nvcc of an active environment or of $TENON_PYTHON's, and what `alsoAt` named. None where there is none; `reason` then
  /// says what was found instead. Fails where $TENON_PTXAS names nothing that starts and tells its version. Thread safe; each file is asked for its
  /// version once.
  static llvm::Expected<std::optional<Ptxas>> find(int ptx, std::string &reason);
  /// Further files to look at, behind all others, whether they exist or not. Thread safe.
  static void alsoAt(const std::string &path);

  /// Machine code for `arch` ("sm_90a") from PTX.
  llvm::Expected<std::vector<char>> assemble(llvm::StringRef ptx, llvm::StringRef arch) const;
};

} // namespace tenon
