// A plan laid out for given input shapes: the values of its expressions and the offsets of its buffers.
#pragma once

#include "runtime/plan/Plan.h"

struct tn_layout {
  tn_layout(tn_plan &plan, tenon::Memory &memory) : plan(&plan), memory(&memory) { plan.retain(); }
  ~tn_layout() { plan->release(); }
  tn_layout(const tn_layout &) = delete;
  tn_layout &operator=(const tn_layout &) = delete;

  /// Whether the inputs have the shapes of this layout.
  bool fits(const tn_tensor *inputs) const;
  /// The value of an expression.
  int64_t value(uint32_t expr) const { return values[expr]; }
  /// Fills dtype, rank and dims of an output; `bytes` is what it needs.
  void describeOutput(uint32_t index, tn_tensor &tensor) const;

  tn_plan *plan;
  tenon::Memory *memory;
  tenon::Array<int64_t> values;        ///< of the plan's expressions
  tenon::Array<int64_t> offsets;       ///< of the buffers in the arena
  tenon::Array<int64_t> inputBytes;
  tenon::Array<int64_t> outputBytes;
  tenon::Array<int64_t> outputOffsets; ///< of outputs that the context places, after the arena
  int64_t arenaBytes = 0;
  int64_t lowerBound = 0;
  int64_t naiveBytes = 0;
  int64_t outputTotal = 0; ///< room for all outputs, a multiple of 64
  uint32_t alignment = 64; ///< of the arena
};

namespace tenon {

/// Lays the plan out for the shapes of `inputs` (null: only for plans without symbols). The layout keeps the plan open and is destroyed with destroyLayout.
/// Errors: TN_SHAPE_MISMATCH, TN_BAD_PLAN (sizes the plan itself gets wrong), TN_OUT_OF_MEMORY, TN_LIMIT.
tn_status makeLayout(tn_plan &plan, const tn_tensor *inputs, Memory &memory, tn_layout **layout, Message &message);
void destroyLayout(tn_layout *layout);

/// Checks sizes, operands and fixed offsets of a plan whose shapes are fixed: slices inside the arena, no two live ones overlapping.
tn_status checkFixedLayout(tn_plan &plan, Memory &memory, Message &message);

} // namespace tenon
