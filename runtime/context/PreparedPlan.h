// The launches of a plan at one shape, ready to run: everything is resolved but the addresses of inputs and outputs.
#pragma once

#include "runtime/layout/Layout.h"

namespace tenon {

namespace cuda {
struct DeviceGraph;
struct SegmentGraphs;
}

/// A step with its operands' addresses. A launch calls `kernel`; a copy (kernel null) moves `copyBytes` from buffers[0] to buffers[1].
/// On a GPU `kernel` is null throughout.
struct PreparedStep {
  tn_kernel_fn kernel;
  tn_kernel_args args;
  uint32_t tasks;
  size_t copyBytes;
  /// Its tensors do not stay in a cache. A single thread goes through the tasks of the next such launch in the other direction, and so begins with
  /// what this one has read and written last. Threads have their shares in several caches, and take each other's.
  bool isLarge;
};

/// A place in the table of addresses that depends on the caller's memory.
struct Patch {
  uint32_t slot;
  uint32_t tensor;
  int64_t offset;
};

/// Where the memory of a run lies.
struct RunMemory {
  uint8_t *arena;
  uint8_t *const *blocks; ///< of the plan's segments, by block
  const tn_tensor *inputs;
  const tn_tensor *outputs;
  const tn_tensor *results; ///< of calls
};

/// Where kernels find the constants of a plan.
struct Weights {
  const uint8_t *base = nullptr;
  const uint64_t *offsets = nullptr; ///< of each constant; null: those of the file
};

class PreparedPlan {
public:
  explicit PreparedPlan(Memory &memory) : memory(memory) {}
  ~PreparedPlan() { destroyLayout(planLayout); }

  /// Lays the plan out for the inputs' shapes and resolves what does not depend on the context's memory. `given` is the caller's, as for makeLayout;
  /// `weights` is where kernels find the weights.
  tn_status prepare(tn_plan &plan, const tn_tensor *inputs, const int64_t *given, Weights weights, Message &message);
  /// Resolves the arena's buffers; cheap when the arena has not moved.
  void bindArena(uint8_t *arena);
  /// Resolves inputs and outputs. Allocates nothing.
  void bindTensors(const tn_tensor *inputs, const tn_tensor *outputs);

  /// Resolves the steps of a segment other than the first, whose sizes the layout has by now. Allocates nothing.
  void bindSegment(uint32_t segment, const RunMemory &run);

  tn_layout &layout() const { return *planLayout; }
  const Array<PreparedStep> &steps() const { return preparedSteps; }
  uint64_t lastUse = 0;
  cuda::DeviceGraph *graph = nullptr; ///< the GPU context's
  cuda::SegmentGraphs *segmentGraphs = nullptr; ///< likewise

private:
  tn_status countAndAllocate(const tn_plan &plan, Message &message);
  void resolveFirstSegment(const tn_plan &plan);
  void *addressOf(const plan::format::Operand &operand, const RunMemory &run) const;
  /// Kernels only read constants: the verifier refuses one as a result.
  void *constant(uint32_t index) const {
    return const_cast<uint8_t *>(weights.base) + (weights.offsets ? weights.offsets[index] : planLayout->plan->metadata->constants()->Get(index)->offset());
  }
  void resolve(uint32_t slot, const plan::format::Operand &operand);

  Memory &memory;
  tn_layout *planLayout = nullptr;
  Array<PreparedStep> preparedSteps;
  Array<void *> addresses;
  Array<int64_t> symbols;
  Array<Patch> arenaPatches;
  Array<Patch> inputPatches;
  Array<Patch> outputPatches;
  // How many entries of the patch arrays are filled.
  uint32_t arenaPatchCount = 0;
  uint32_t inputPatchCount = 0;
  uint32_t outputPatchCount = 0;
  Weights weights;
  uint8_t *boundArena = nullptr;
};

} // namespace tenon
