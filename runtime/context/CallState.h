// What a step that calls plans keeps between runs: their runners, and the values of a loop.
#pragma once

#include "runtime/context/Runner.h"

namespace tenon {

/// One plan that a step calls, and the tensors it is called with.
struct Callee {
  const plan::format::Call *call = nullptr;
  Runner *runner = nullptr;
  Array<tn_tensor> inputs, outputs;
  Array<int64_t> symbols;
  Array<GrowingBlock> aligned; ///< on a GPU: copies of inputs that lie where kernels do not take them
};

class CallState {
public:
  explicit CallState(const RunnerShare &share) : share(share) {}
  ~CallState();

  /// `segment` is the one that the step ends.
  tn_status start(tn_plan &plan, const plan::format::Step &step, uint32_t segment);
  /// `addresses` are those of the step's operands. Fills the results of the step.
  tn_status run(void *const *addresses, const tn_layout &layout, const Array<tn_tensor> &results);

private:
  tn_status startCallee(Callee &callee, tn_plan &plan, const plan::format::Call &call);
  tn_status runIf(const plan::format::If &step, void *const *addresses, const tn_layout &layout);
  tn_status runLoop(const plan::format::Loop &step, void *const *addresses, const tn_layout &layout);
  tn_status runBody(int64_t iteration, uint32_t carried, uint32_t stacked, bool counts);
  tn_status countIteration(int64_t iteration);
  /// What an operand at `address` holds: a condition, a trip count.
  tn_status fetch(const tn_layout &layout, const plan::format::Operand &operand, const void *address, void *to, size_t bytes);
  tn_status alignInput(Callee &callee, uint32_t index);
  /// Makes `value` a copy of `from` in memory of the loop that the body does not write.
  tn_status keep(GrowingBlock &block, const tn_tensor &from, tn_tensor &value);
  tn_status stack(uint32_t index, const tn_tensor &slice, int64_t iteration);
  tn_status readArguments(Callee &callee, uint32_t firstInput, void *const *addresses, const tn_layout &layout);

  RunnerShare share;
  const plan::format::Step *step = nullptr;
  uint32_t segment = 0;
  uint32_t firstResult = 0;
  uint32_t resultCount = 0;
  Callee callees[2];       // of a loop only the first
  uint32_t taken = 0;      // of a branch, the callee that ran last
  Array<tn_tensor> values; // results as they come: of the plan that ran, or the loop's
  Array<tn_tensor> scanned;
  Array<GrowingBlock> kept; // two for each carried value, in turn, then one for each stacked one
  int64_t iterationNumber = 0;
  GrowingBlock deviceNumber = {nullptr, 0, 0}; // the same where steps of a GPU read it
  bool readsNumber = false;                    // whether the body's steps do
};

/// Checks that the results of a step have the shapes that the plan says, whose values the layout has by now.
tn_status checkResults(const tn_layout &layout, uint32_t step, const Array<tn_tensor> &results, Message &message);

} // namespace tenon
