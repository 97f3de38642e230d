// A plan, a context and their tensors on the fake driver.
#pragma once

#include "test/unit/runtime/TestPlans.h"
#include "test/unit/runtime/gpu/FakeDriver.h"

#include "tenon/runtime.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace tenon::test {

/// The dynamic plan for a GPU: y = 2 * (a + b + a), z = a, for [n, 4].
plan::Plan dynamicGpuPlan();

/// Puts the driver back into its first state before a test, and looks whether anything is left or was misused after it.
class OnFakeDriver : public ::testing::Test {
protected:
  void SetUp() override;
  void TearDown() override;
  FakeDriver &driver = *tenonFakeDriver();
};

tn_tensor vectorTensor(std::vector<float> &values, std::vector<int64_t> dims);
tn_tensor deviceTensor(void *memory, std::vector<int64_t> dims);

/// Opened step by step, so that each can fail; closes what there is.
struct Session {
  ~Session() { close(); }
  tn_status open(const plan::Plan &data);
  tn_status start(const tn_context_options *options = nullptr);
  void close();
  std::string message() const { return context ? tn_last_message(context) : tn_last_error(); }

  std::vector<std::byte> bytes;
  tn_plan *plan = nullptr;
  tn_context *context = nullptr;
};

} // namespace tenon::test
