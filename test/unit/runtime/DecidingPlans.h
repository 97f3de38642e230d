// Runs of plans that decide as they run (TestPlans.h), whatever they were compiled for, and what they must give.
#pragma once

#include "test/unit/runtime/TestPlans.h"

#include "tenon/runtime.h"

#include <string>
#include <vector>

namespace tenon::test {

/// A context of a plan in memory, with one thread.
class Opened {
public:
  explicit Opened(const plan::Plan &data, tn_context_options options = TN_CONTEXT_OPTIONS_INIT);
  ~Opened();
  Opened(const Opened &) = delete;
  Opened &operator=(const Opened &) = delete;
  std::string message() const { return tn_last_message(context); }

  tn_plan *plan = nullptr;
  tn_context *context = nullptr;

private:
  std::vector<std::byte> bytes; // which the plan may lie in
};

std::vector<float> floatsOf(const tn_tensor &tensor);
tn_tensor vectorOf(std::vector<float> &values);
tn_tensor numberOf(int64_t &value);

/// Runs the reading plan on 1, 2 .. 8.
tn_status runReading(Opened &opened, int64_t count, tn_tensor &output);

void expectOutputsAsLongAsAnInputSays(Opened &reading);
void expectRunsToFailWhereASizeIsWrong(Opened &reading);
void expectAnOutputInTheCallersMemory(Opened &reading);
void expectOneOfTwoPlans(Opened &branching);
/// One run of the looping plan.
void expectTrips(Opened &looping, int64_t trips);

} // namespace tenon::test
