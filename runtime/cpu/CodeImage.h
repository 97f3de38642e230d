// The machine code of a plan: an ELF image, checked and mapped for execution.
#pragma once

#include "runtime/plan/PlanBytes.h"

#include <span>

namespace tenon {

/// ELF machine numbers by the name of the architecture; 0 for an unknown one.
uint16_t elfMachine(const char *arch);

/// The architecture this runtime is compiled for: "x86_64", "aarch64".
const char *hostArch();

/// Checks the image's structure: an ELF shared object for `arch` without relocations and dependencies, whose read-only and executable segments lie at
/// the addresses that are their offsets.
tn_status checkCode(std::span<const uint8_t> image, const char *arch, Message &message);

/// Whether a function may start at this address: it lies in an executable segment of a checked image.
bool isExecutable(std::span<const uint8_t> image, uint64_t address);

class CodeImage {
public:
  CodeImage() = default;
  CodeImage(const CodeImage &) = delete;
  CodeImage &operator=(const CodeImage &) = delete;
  ~CodeImage();

  /// Maps `bytes` bytes at `offset` of the plan for execution: the file itself where the system allows it, a copy otherwise. Errors: TN_DEVICE, TN_OUT_OF_MEMORY.
  tn_status map(const PlanBytes &plan, uint64_t offset, uint64_t bytes, Message &message);
  uint8_t *base() const { return memory; }

private:
  uint8_t *memory = nullptr;
  size_t size = 0;
};

} // namespace tenon
