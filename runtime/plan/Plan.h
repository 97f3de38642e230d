// An open plan: verified metadata, mapped weights and code.
#pragma once

#include "runtime/cpu/CodeImage.h"
#include "runtime/kernel_abi.h"
#include "runtime/plan/PlanBytes.h"
#include "runtime/plan/PlanVerifier.h"
#include "runtime/plan/Sections.h"
#include "runtime/plan/Segments.h"
#include "runtime/support/Memory.h"

#include <atomic>

namespace tenon::cuda {
struct DevicePlan;
}

struct tn_plan {
  using Metadata = tenon::plan::format::Metadata;

  /// Checks everything that can be checked without mapping the code; TN_OPEN_VERIFY in `flags` adds the checksums of weights and code.
  tn_status verify(uint32_t flags, tenon::Message &message);
  /// Checks the metadata of this plan, of which `metadata` is set, and lays it out as far as its sizes are known.
  tn_status verifyProgram(tenon::Message &message);
  /// Whether this machine can run the code. Errors: TN_WRONG_TARGET.
  tn_status checkTarget(tenon::Message &message) const;
  tn_status mapCode(tenon::Message &message);

  ~tn_plan();

  /// References count for the whole file: plans that are part of another one live as long as that.
  void retain() { root().references.fetch_add(1, std::memory_order_relaxed); }
  /// Destroys the plan when this was the last reference.
  void release();

  tn_kernel_fn kernelFunction(uint32_t kernel) const {
    return reinterpret_cast<tn_kernel_fn>(root().code.base() + metadata->kernels()->Get(kernel)->entry());
  }
  /// The plan in whose file this one is: itself, unless it is called by others or a variant.
  const tn_plan &root() const { return owner ? *owner : *this; }
  tn_plan &root() { return owner ? *owner : *this; }
  /// The plan that holds those which its steps call: that of the file or a variant. Kernels and constants of all of them count as its own do.
  const tn_plan &program() const { return holder ? *holder : *this; }
  tn_plan &program() { return holder ? *holder : *this; }
  std::span<const uint8_t> sectionBytes(const tenon::plan::SectionEntry *section) const;

  uint32_t inputCount() const { return tenon::plan::count(metadata->inputs()); }
  uint32_t outputCount() const { return tenon::plan::count(metadata->outputs()); }
  uint32_t symbolCount() const { return tenon::plan::count(metadata->symbols()); }
  uint32_t bufferCount() const { return tenon::plan::count(metadata->buffers()); }
  uint32_t stepCount() const { return tenon::plan::count(metadata->steps()); }
  uint32_t exprCount() const { return tenon::plan::count(metadata->exprs()); }
  /// The arena offsets of all buffers whose size is known before the run are fixed in the plan.
  bool hasFixedOffsets() const { return offsetsAreFixed; }
  /// Some symbol is the size of an input's axis.
  bool hasFreeAxes() const { return freeAxes; }

  /// Bytes of the weights that this plan and those that it calls read, as a device that runs it keeps them: each constant aligned as in the file.
  uint64_t weightsBytes() const;

  /// Compiled for a GPU: kernels are found by name in device code, not in `code`.
  bool isForGpu() const { return tenon::plan::isForGpu(*metadata); }

private:
  tn_status openCalledPlans(const tenon::plan::SectionBytes &referred, std::span<const uint8_t> codeBytes, tenon::Message &message);
  tn_status openVariants(const tenon::plan::SectionBytes &referred, tenon::Message &message);
  /// Makes a plan for each entry of `list`, as a part of this one.
  template <typename List> tn_status addParts(const List *list, tenon::Array<tn_plan *> &parts, tenon::Message &message);

public:
  tenon::PlanBytes bytes;
  tenon::plan::Sections sections;
  const Metadata *metadata = nullptr;
  const tenon::plan::SectionEntry *metadataSection = nullptr;
  const tenon::plan::SectionEntry *weightsSection = nullptr;
  const tenon::plan::SectionEntry *codeSection = nullptr;
  const tenon::plan::SectionEntry *cubinSection = nullptr;
  const tenon::plan::SectionEntry *ptxSection = nullptr;
  const uint8_t *weights = nullptr;
  tenon::cuda::DevicePlan *devicePlans = nullptr; ///< a list, one entry for each GPU that runs it
  tenon::plan::Segments segments;
  bool offsetsAreFixed = true;
  bool freeAxes = false;
  tenon::CodeImage code;
  tenon::Array<tn_plan *> plans; ///< that steps call; share weights and code with this one, which keeps them
  tenon::Array<tn_plan *> variants; ///< for other GPUs, likewise
  tn_plan *owner = nullptr;
  tn_plan *holder = nullptr;
  uint32_t firstKernel = 0;   ///< of this plan, among those of the program
  uint32_t firstConstant = 0; ///< likewise
  std::atomic<uint32_t> references{1};
};
