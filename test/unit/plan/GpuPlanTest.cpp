// Plans for GPUs: what the reader says about them, and what it refuses.
#include "tenon/runtime.h"

#include "test/unit/runtime/TestPlans.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace tenon {
namespace {

using test::gpuPlan;
using test::twoGpusPlan;

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
  tn_plan_close(plan);
}

TEST(GpuPlan, AsynchronousRunsAreForGpus) {
  tn_plan *plan = opened(test::staticPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_context *context = nullptr;
  ASSERT_EQ(tn_context_create(plan, nullptr, &context), TN_OK);
  EXPECT_EQ(tn_run_async(context, nullptr, nullptr, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(tn_last_message(context)).find("use tn_run"), std::string::npos);
  EXPECT_EQ(tn_context_plan(context), plan);
  tn_device_info gpu{};
  gpu.struct_size = sizeof gpu;
  EXPECT_NE(tn_device_get_info(1000, &gpu), TN_OK);
  EXPECT_GT(std::strlen(tn_last_error()), 20u);
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
      {"for another device than its caller", [](auto &plan) { plan.plans = {test::staticPlan()}; }},
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

/// A matrix, and images whose pixels are found for windows of 3x3 with padding.
plan::Plan planWithMaps() {
  plan::Plan plan = gpuPlan();
  plan.kernels[0].maps = {{0, 16, 2, {64, 100}, {128}, {1, 1}, {64, 128}, {}, {}, 128},
                          {1, 0, 2, {64, 14, 14, 2}, {128, 1792, 25088}, {1, 1, 1, 1}, {64, 192}, {-1, -1}, {-1, -1}, 128}};
  return plan;
}

TEST(GpuPlanTensorMaps, AreTold) {
  auto bytes = plan::writePlanToMemory(planWithMaps());
  tn_plan *plan = nullptr;
  ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
  tn_plan_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(tn_plan_get_info(plan, &info), TN_OK);
  EXPECT_EQ(info.format_version, 3u);
  tn_kernel_info kernel{};
  kernel.struct_size = sizeof kernel;
  ASSERT_EQ(tn_plan_kernel(plan, 0, &kernel), TN_OK);
  EXPECT_EQ(kernel.map_count, 2u);
  tn_tensor_map_info map{};
  map.struct_size = sizeof map;
  ASSERT_EQ(tn_plan_tensor_map(plan, 0, 0, &map), TN_OK);
  EXPECT_EQ(map.buffer, 0u);
  EXPECT_EQ(map.offset, 16u);
  EXPECT_EQ(map.rank, 2u);
  EXPECT_EQ(map.is_images, 0u);
  EXPECT_EQ(map.sizes[1], 100u);
  EXPECT_EQ(map.strides[0], 128u);
  EXPECT_EQ(map.box[1], 128u);
  ASSERT_EQ(tn_plan_tensor_map(plan, 0, 1, &map), TN_OK);
  EXPECT_EQ(map.buffer, 1u);
  EXPECT_EQ(map.rank, 4u);
  EXPECT_EQ(map.is_images, 1u);
  EXPECT_EQ(map.strides[2], 25088u);
  EXPECT_EQ(map.lower[1], -1);
  EXPECT_EQ(tn_plan_tensor_map(plan, 0, 2, &map), TN_INVALID_ARGUMENT);
  EXPECT_EQ(tn_plan_tensor_map(plan, 1, 0, &map), TN_INVALID_ARGUMENT);
  tn_plan_close(plan);
  plan = opened(gpuPlan());
  ASSERT_EQ(tn_plan_get_info(plan, &info), TN_OK);
  EXPECT_EQ(info.format_version, 1u);
  tn_plan_close(plan);
}

TEST(GpuPlanTensorMaps, ImpossibleOnesAreRefused) {
  using Change = std::function<void(plan::TensorMap & matrix, plan::TensorMap & images)>;
  const std::pair<const char *, Change> changes[] = {
      {"tensor map 0: its buffer does not exist", [](auto &matrix, auto &) { matrix.buffer = 100; }},
      {"its elements have an impossible size", [](auto &matrix, auto &) { matrix.elementBytes = 3; }},
      {"its offset is no multiple of 16", [](auto &matrix, auto &) { matrix.offset = 8; }},
      {"its swizzle is unknown", [](auto &matrix, auto &) { matrix.swizzleBytes = 256; }},
      {"it has no axes or too many", [](auto &matrix, auto &) { matrix.sizes.clear(), matrix.strides.clear(), matrix.steps.clear(); }},
      {"it has no axes or too many", [](auto &matrix, auto &) { matrix.sizes.resize(6, 1), matrix.strides.resize(5, 128), matrix.steps.resize(6, 1); }},
      {"it has no axes or too many", [](auto &matrix, auto &) { matrix.steps.clear(); }},
      {"an axis has an impossible size", [](auto &matrix, auto &) { matrix.sizes[1] = 0; }},
      {"an axis has an impossible size", [](auto &matrix, auto &) { matrix.sizes[1] = uint64_t(1) << 33; }},
      {"a stride is no multiple of 16", [](auto &matrix, auto &) { matrix.strides[0] = 136; }},
      {"a stride is no multiple of 16", [](auto &matrix, auto &) { matrix.strides[0] = 0; }},
      {"a step is impossible", [](auto &, auto &images) { images.steps[1] = 9; }},
      {"a copy is empty or too large", [](auto &matrix, auto &) { matrix.box[1] = 257; }},
      {"a copy is empty or too large", [](auto &matrix, auto &) { matrix.box = {64}; }},
      {"rows of a copy are no multiple of 16 bytes", [](auto &matrix, auto &) { matrix.box[0] = 60; }},
      {"rows of a copy are no multiple of 16 bytes, or longer than their swizzle", [](auto &matrix, auto &) { matrix.box[0] = 128; }},
      {"tensor map 1: its corners do not match its axes", [](auto &, auto &images) { images.upper.pop_back(); }},
      {"its corners do not match its axes", [](auto &matrix, auto &) { matrix.lower = matrix.upper = {}, matrix.upper = {0}; }},
      {"a corner is too far away", [](auto &, auto &images) { images.lower[0] = -129; }},
      {"a copy has no pixels, or too many", [](auto &, auto &images) { images.box[1] = 1025; }},
  };
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = planWithMaps();
    change(plan.kernels[0].maps[0], plan.kernels[0].maps[1]);
    tn_plan *made = opened(plan);
    EXPECT_EQ(made, nullptr) << sentence;
    tn_plan_close(made);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
  plan::Plan many = planWithMaps(), onCpu = test::staticPlan();
  many.kernels[0].maps.resize(5, many.kernels[0].maps[0]);
  onCpu.kernels[0].maps = planWithMaps().kernels[0].maps;
  for (const plan::Plan &plan : {many, onCpu}) {
    EXPECT_EQ(opened(plan), nullptr);
    EXPECT_NE(std::string(tn_last_error()).find("it has tensor maps where it can have none, or too many"), std::string::npos) << tn_last_error();
  }
}

TEST(GpuPlanVariants, AreToldApart) {
  tn_plan *plan = opened(twoGpusPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  EXPECT_EQ(tn_plan_check_memory(plan::writePlanToMemory(twoGpusPlan()).data(), plan::writePlanToMemory(twoGpusPlan()).size()), TN_OK) << tn_last_error();
  const tn_plan *variant = tn_plan_variant(plan, 1);
  ASSERT_TRUE(variant);
  EXPECT_EQ(tn_plan_variant(plan, 0), plan);
  EXPECT_EQ(tn_plan_variant(plan, 2), nullptr);
  EXPECT_EQ(tn_plan_variant(variant, 1), nullptr);
  tn_plan_info first{}, second{};
  first.struct_size = second.struct_size = sizeof first;
  ASSERT_EQ(tn_plan_get_info(plan, &first), TN_OK);
  ASSERT_EQ(tn_plan_get_info(variant, &second), TN_OK);
  EXPECT_EQ(first.variant_count, 2u);
  EXPECT_EQ(second.variant_count, 1u);
  EXPECT_STREQ(first.arch, "sm_90");
  EXPECT_STREQ(second.arch, "sm_87");
  EXPECT_EQ(second.file_bytes, first.file_bytes);
  EXPECT_EQ(second.constant_count, first.constant_count + 1);
  tn_device_code_info code{};
  code.struct_size = sizeof code;
  ASSERT_EQ(tn_plan_device_code(variant, 0, &code), TN_OK);
  EXPECT_STREQ(code.arch, "sm_87");
  tn_plan_close(plan);
}

TEST(GpuPlanVariants, ShareWeightsOfTheSameBytes) {
  tn_plan *plan = opened(twoGpusPlan());
  ASSERT_TRUE(plan) << tn_last_error();
  tn_constant_info ours{}, theirs{};
  ours.struct_size = theirs.struct_size = sizeof ours;
  ASSERT_EQ(tn_plan_constant(plan, 0, &ours), TN_OK);
  ASSERT_EQ(tn_plan_constant(tn_plan_variant(plan, 1), 0, &theirs), TN_OK);
  EXPECT_EQ(ours.offset, theirs.offset);
  uint32_t last = uint32_t(gpuPlan().constants.size());
  ASSERT_EQ(tn_plan_constant(tn_plan_variant(plan, 1), last, &theirs), TN_OK);
  EXPECT_GT(theirs.offset, ours.offset);
  // A GPU that runs one variant keeps the constants of that one.
  auto weightsOf = [&](uint32_t index) {
    tn_layout *layout = nullptr;
    EXPECT_EQ(tn_layout_create(tn_plan_variant(plan, index), nullptr, &layout), TN_OK) << tn_last_error();
    tn_memory_info memory{};
    memory.struct_size = sizeof memory;
    EXPECT_EQ(tn_layout_memory(layout, &memory), TN_OK);
    tn_layout_destroy(layout);
    return memory.weights_bytes;
  };
  EXPECT_EQ(weightsOf(1), weightsOf(0) + 64);
  tn_plan_close(plan);
}

TEST(GpuPlanVariants, ImpossibleOnesAreRefused) {
  using Change = std::function<void(plan::Plan &)>;
  const std::pair<const char *, Change> changes[] = {
      {"another signature", [](auto &plan) { plan.variants[0].inputs[0].name = "other"; }},
      {"another signature", [](auto &plan) { plan.variants[0].outputs[0].dtype = TN_F16; }},
      {"another signature", [](auto &plan) { plan.variants[0].inputs[0].dims.pop_back(), plan.variants[0].inputs[0].dimText.pop_back(); }},
      {"is not for a GPU, or has variants", [](auto &plan) { plan.variants[0].variants = {gpuPlan()}; }},
      {"for another device than its caller", [](auto &plan) { plan.variants[0].plans = {test::staticPlan()}; }},
      {"is not for a GPU, or has variants", [](auto &plan) { plan.variants[0] = test::staticPlan(); }},
      {"its block of threads is impossible", [](auto &plan) { plan.variants[0].kernels[0].threads = 2000; }},
      {"variants of what can have none, or too many", [](auto &plan) { plan.variants.resize(65, plan.variants[0]); }},
      {"variants of what can have none, or too many", [](auto &plan) { plan = test::staticPlan(), plan.variants = {gpuPlan()}; }},
  };
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = twoGpusPlan();
    change(plan);
    tn_plan *made = opened(plan);
    EXPECT_EQ(made, nullptr) << sentence;
    tn_plan_close(made);
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
}

} // namespace
} // namespace tenon
