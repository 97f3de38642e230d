// Plans for GPUs: what the reader says about them, and what it refuses.
#include "tenon/runtime.h"

#include "test/unit/runtime/TestPlans.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace tenon {
namespace {

using test::gpuPlan;

tn_plan *opened(const plan::Plan &data) {
  auto bytes = plan::writePlanToMemory(data);
  tn_plan *plan = nullptr;
  tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan);
  return plan;
}

TEST(GpuPlan, OpensWithoutAGpuAndTellsItsCode) {
  tn_plan *plan = opened(gpuPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_plan_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(tn_plan_get_info(plan, &info), TN_OK);
  EXPECT_STREQ(info.device, "cuda");
  EXPECT_STREQ(info.arch, "sm_90");
  EXPECT_EQ(info.device_code_count, 2u);
  tn_device_code_info code{};
  code.struct_size = sizeof code;
  ASSERT_EQ(tn_plan_device_code(plan, 0, &code), TN_OK);
  EXPECT_EQ(code.is_ptx, 0);
  EXPECT_EQ(code.bytes, gpuPlan().deviceCode[0].bytes.size());
  ASSERT_EQ(tn_plan_device_code(plan, 1, &code), TN_OK);
  EXPECT_EQ(code.is_ptx, 1);
  EXPECT_STREQ(code.arch, "sm_90");
  EXPECT_EQ(tn_plan_device_code(plan, 2, &code), TN_INVALID_ARGUMENT);
  tn_kernel_info kernel{};
  kernel.struct_size = sizeof kernel;
  ASSERT_EQ(tn_plan_kernel(plan, 0, &kernel), TN_OK);
  EXPECT_EQ(kernel.threads, 128u);
  tn_plan_close(plan);
}

// Where there is a driver it refuses the made-up machine code; where there is none the message says so.
TEST(GpuPlan, AContextSaysWhatIsMissing) {
  tn_plan *plan = opened(gpuPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_context *context = nullptr;
  EXPECT_NE(tn_context_create(plan, nullptr, &context), TN_OK);
  EXPECT_EQ(context, nullptr);
  EXPECT_GT(std::strlen(tn_last_error()), 20u);
  char arena[64];
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.arena = arena;
  options.arena_bytes = sizeof arena;
  EXPECT_EQ(tn_context_create(plan, &options, &context), TN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(tn_last_error()).find("runs on a GPU"), std::string::npos) << tn_last_error();
  tn_plan_close(plan);
}

TEST(GpuPlan, AsynchronousRunsAreForGpus) {
  tn_plan *plan = opened(test::staticPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_context *context = nullptr;
  ASSERT_EQ(tn_context_create(plan, nullptr, &context), TN_OK);
  EXPECT_EQ(tn_run_async(context, nullptr, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(tn_last_message(context)).find("use tn_run"), std::string::npos);
  tn_context_destroy(context);
  tn_plan_close(plan);
}

TEST(GpuPlan, ImpossiblePlansAreRefused) {
  using Change = std::function<void(plan::Plan &)>;
  const std::pair<const char *, Change> changes[] = {
      {"its block of threads is impossible", [](auto &plan) { plan.kernels[0].threads = 0; }},
      {"its block of threads is impossible", [](auto &plan) { plan.kernels[0].threads = 1025; }},
      {"its block of threads is impossible", [](auto &plan) { plan.kernels[1].tasksPerBlock = 64; }},
      {"its block of threads is impossible", [](auto &plan) { plan.kernels[1].sharedBytes = 1 << 20; }},
      {"it defines sizes or calls plans", [](auto &plan) { plan.steps.push_back(plan::ReadSizes{{plan::OperandKind::Input, 0, 0}, TN_F32, {}, {}}); }},
      {"there is no code for the GPU", [](auto &plan) { plan.deviceCode.clear(); }},
      {"its architecture is unknown", [](auto &plan) { plan.deviceCode[0].arch = "gfx942"; }},
      {"its architecture is unknown", [](auto &plan) { plan.deviceCode[1].arch = "sm_90xa"; }},
      {"does not end with a zero byte", [](auto &plan) { plan.deviceCode[1].bytes = plan.deviceCode[1].bytes.first(10); }},
      {"it is empty or leaves its section", [](auto &plan) { plan.deviceCode[0].bytes = {}; }},
      {"there is code for a GPU in a plan for a CPU",
       [](auto &plan) { plan.target.device = "cpu", plan.kernels.clear(), plan.steps.clear(), plan.buffers.clear(); }},
      {"it has a block of threads", [](auto &plan) { plan.target = test::staticPlan().target, plan.deviceCode.clear(); }},
  };
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = gpuPlan();
    change(plan);
    tn_plan *made = opened(plan);
    EXPECT_EQ(made, nullptr) << sentence;
    tn_plan_close(made);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
}

} // namespace
} // namespace tenon
