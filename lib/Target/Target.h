// What code is generated for: instruction set, vector registers, caches, cores.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class TargetMachine;
}

namespace tenon {

/// A machine as the emitters see it. A value type; immutable once made; thread safe.
struct Target {
  std::string name;                  // as given: "native", "x86-64-v3", "znver5", "aarch64+sve", "cuda:sm_90"
  std::string triple;                // "x86_64-unknown-linux-gnu"
  std::string cpu;                   // LLVM's CPU name
  std::string features;              // LLVM's feature string
  std::vector<std::string> required; // what the runtime checks before it runs code: "avx2", "fma", ...

  int vectorBytes = 16;       // of the preferred vector register: 16 (SSE, NEON), 32 (AVX2), 64 (AVX-512)
  int vectorRegisters = 16;   // 16 for AVX2, 32 for AVX-512 and NEON
  bool fma = false;           // fused multiply-add in hardware
  bool f16c = false;          // half <-> float conversion in hardware
  bool roundInstructions = false; // floor, ceil, round to even in hardware (SSE4.1, AArch64)
  bool vnni = false;          // 8-bit dot products (AVX-VNNI, AVX512-VNNI)
  bool tiles = false;         // registers that hold tiles of bytes, and products of them (AMX)
  bool tilesOfBf16 = false;   // tiles of bf16 too (AMX-BF16): plans whose kernels use them require that besides
  bool bf16 = false;          // dot products of pairs of bf16 (AVX512-BF16, AArch64's bf16)

  int64_t l1Bytes = 32 << 10;
  int l1Ways = 8;
  int64_t l2Bytes = 512 << 10;
  int64_t l3Bytes = 16 << 20;
  int cores = 1; // what untuned schedules split for; of a GPU: its multiprocessors

  int computeCapability = 0; // of an NVIDIA GPU: 10 * major + minor; 0: not a GPU
  bool archSpecific = false; // the "a" of sm_90a: instructions that exist on this architecture alone
  bool isGpu() const { return computeCapability != 0; }
  /// "sm_90", "sm_90a"; GPUs only.
  std::string gpuArch() const;

  /// Lanes of a vector of elements of `bits` bits.
  int lanes(int bits) const { return vectorBytes * 8 / bits; }

  /// "native" describes this machine; otherwise an x86-64 level, an LLVM CPU name, "aarch64[+feature...]", "cuda:sm_NN[a]" or the name of a
  /// board with a GPU.
  static llvm::Expected<Target> parse(llvm::StringRef name);
  /// All names that `parse` knows, for `tenon targets`.
  static std::vector<std::string> known();

  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine() const;
};

} // namespace tenon
