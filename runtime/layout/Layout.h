// A plan laid out for given input shapes: the values of its expressions and the offsets of its buffers.
#pragma once

#include "runtime/memory/ArenaPacker.h"
#include "runtime/plan/Plan.h"

struct tn_layout {
  tn_layout(tn_plan &plan, tenon::Memory &memory) : plan(&plan), memory(&memory) { plan.retain(); }
  ~tn_layout() { plan->release(); }
  tn_layout(const tn_layout &) = delete;
  tn_layout &operator=(const tn_layout &) = delete;

  /// Whether the inputs have the shapes of this layout, and the caller gives its values of symbols.
  bool fits(const tn_tensor *inputs, const int64_t *given) const;
  /// The value of an expression; -1 of one that the run has not reached yet.
  int64_t value(uint32_t expr) const { return values[expr]; }
  /// Fills dtype, rank and dims of an output; `bytes` is what it needs. A dimension that only a run knows is -1, and `bytes` 0, unless the run `hasDefined` it.
  void describeOutput(uint32_t index, tn_tensor &tensor, bool hasDefined = false) const;

  /// Gives a symbol its value, which a step defined before `segment` begins. Errors: TN_SHAPE_MISMATCH outside of the symbol's range.
  tn_status define(uint32_t symbol, int64_t value, uint32_t segment, tenon::Message &message);
  /// Evaluates, checks and lays out what belongs to a segment, whose symbols are all defined. Cheap if they are those of the last run.
  tn_status enterSegment(uint32_t segment, tenon::Message &message);

  tn_plan *plan;
  tenon::Memory *memory;
  tenon::Array<int64_t> symbols;
  tenon::Array<int64_t> values;        ///< of the plan's expressions
  tenon::Array<int64_t> offsets;       ///< of the buffers in the arena, or in the block of their segment
  tenon::Array<int64_t> inputBytes;
  tenon::Array<int64_t> outputBytes;   ///< 0 as long as only the run knows it
  tenon::Array<int64_t> outputOffsets; ///< of outputs that the context places, after the arena
  int64_t arenaBytes = 0;
  int64_t lowerBound = 0;
  int64_t naiveBytes = 0;
  int64_t outputTotal = 0; ///< room for all outputs, a multiple of 64
  uint32_t alignment = 64; ///< of the arena and the blocks

  /// Bytes of a segment's buffers; -1: to be laid out. Of plans that define sizes as they run.
  tenon::Array<int64_t> segmentBytes;
  /// Memory for packing one segment, so that a run need not allocate.
  tenon::Array<tenon::Lifetime> lifetimes;
  tenon::Array<int64_t> packedOffsets;
  tenon::Array<uint8_t> packScratch;
};

namespace tenon {

/// Lays the plan out for the shapes of `inputs` (null: only for plans without free axes). `given` are the values of the symbols whose source is the
/// caller, in their order; null where there are none. The layout keeps the plan open and is destroyed with destroyLayout.
/// Errors: TN_SHAPE_MISMATCH, TN_BAD_PLAN (sizes the plan itself gets wrong), TN_OUT_OF_MEMORY, TN_LIMIT.
tn_status makeLayout(tn_plan &plan, const tn_tensor *inputs, const int64_t *given, Memory &memory, tn_layout **layout, Message &message);
void destroyLayout(tn_layout *layout);

/// Bytes of a tensor of the signature; false when a dimension is negative or the size overflows.
bool tensorBytes(const tn_layout &layout, const plan::format::Tensor &tensor, int64_t &bytes);
/// Checks a step of a segment whose values are known: operands inside their memory, sizes not negative, what it requires.
tn_status checkStep(const tn_layout &layout, uint32_t index, Message &message);

/// Checks sizes, operands and fixed offsets of a plan whose shapes are fixed: slices inside the arena, no two live ones overlapping.
tn_status checkFixedLayout(tn_plan &plan, Memory &memory, Message &message);

} // namespace tenon
