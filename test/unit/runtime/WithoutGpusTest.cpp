// A runtime that was built without GPUs: it runs plans for CPUs, and says of all others why not.
#include "tenon/runtime.hpp"

#include "test/unit/runtime/TestPlans.h"

#include <gtest/gtest.h>

namespace tenon::test {
namespace {

constexpr const char *kWhy = "this runtime was built without support for GPUs (TENON_CUDA=OFF)";

TEST(WithoutGpus, PlansForThemAreRefused) {
  auto bytes = plan::writePlanToMemory(gpuPlan());
  tn_plan *plan = nullptr;
  EXPECT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_WRONG_TARGET);
  EXPECT_EQ(plan, nullptr);
  EXPECT_NE(std::string(tn_last_error()).find(kWhy), std::string::npos) << tn_last_error();
}

TEST(WithoutGpus, ThereAreNone) {
  tn_device_info gpu{};
  gpu.struct_size = sizeof gpu;
  EXPECT_EQ(tn_device_get_info(0, &gpu), TN_WRONG_TARGET);
  EXPECT_NE(std::string(tn_last_error()).find(kWhy), std::string::npos) << tn_last_error();
}

TEST(WithoutGpus, PlansForTheCpuRun) {
  auto plan = Plan::openMemory(plan::writePlanToMemory(staticPlan()));
  ASSERT_TRUE(plan) << plan.error().message;
  auto context = Context::create(*plan, {.threads = 1});
  ASSERT_TRUE(context) << context.error().message;
  std::vector<float> x(8, 1);
  tn_tensor input = tensor(x, {8});
  auto outputs = context->run({input});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ((*outputs)[0].as<float>()[3], 8); // 2 * (1 + 3)
  Output output;
  EXPECT_EQ(context->runAsync({&input, 1}, {&output, 1}).error().status, TN_INVALID_ARGUMENT);
}

} // namespace
} // namespace tenon::test
