// What a plan tells about itself.
#include "tenon/runtime.hpp"

#include "test/unit/runtime/TestPlans.h"

#include <gtest/gtest.h>

extern "C" int runFromC(const void *bytes, size_t size, int32_t *counters, size_t counterBytes);

namespace tenon {
namespace {

/// Fills an info struct by one of the tn_plan_… or tn_layout_… functions.
template <typename Info, typename Query, typename... Arguments> Info get(Query query, Arguments... arguments) {
  Info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(query(arguments..., &info), TN_OK) << tn_last_error();
  EXPECT_EQ(info.struct_size, sizeof info);
  return info;
}

Plan open(const plan::Plan &data) { return std::move(Plan::openMemory(plan::writePlanToMemory(data))).value(); }

TEST(Queries, Signature) {
  Plan plan = open(test::dynamicPlan());
  auto inputs = plan.inputs();
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_STREQ(inputs[0].name, "a");
  EXPECT_EQ(inputs[0].dtype, TN_F32);
  ASSERT_EQ(inputs[0].rank, 2);
  EXPECT_EQ(inputs[0].dims[0], -1);
  EXPECT_EQ(inputs[0].dims[1], 4);
  EXPECT_STREQ(inputs[0].dim_text[0], "n");
  EXPECT_STREQ(inputs[0].dim_text[1], "");
  EXPECT_STREQ(plan.outputs()[1].name, "z");
  auto symbol = get<tn_symbol_info>(tn_plan_symbol, plan.get(), 0u);
  EXPECT_STREQ(symbol.name, "n");
  EXPECT_EQ(symbol.maximum, 1000);
}

// A tensor that is all of an input has its name; parts say whose they are.
TEST(Queries, PartsOfValues) {
  plan::Plan data = test::dynamicPlan();
  data.inputs[0].value = "texts";
  data.inputs[0].part = TN_PART_BYTES;
  Plan plan = open(data);
  EXPECT_STREQ(plan.inputs()[0].value, "texts");
  EXPECT_EQ(plan.inputs()[0].part, TN_PART_BYTES);
  EXPECT_STREQ(plan.inputs()[1].value, plan.inputs()[1].name);
  EXPECT_EQ(plan.inputs()[1].part, TN_PART_WHOLE);
  data.inputs[0].part = tn_part(77);
  auto refused = Plan::openMemory(plan::writePlanToMemory(data));
  EXPECT_EQ(refused.error().status, TN_BAD_PLAN);
}

TEST(Queries, WhatIsInside) {
  Plan plan = open(test::staticPlan());
  tn_plan_info info = plan.info();
  EXPECT_STREQ(info.producer, "tenon test");
  EXPECT_STREQ(info.model, "static");
  EXPECT_EQ(info.arch, test::hostArch());
  EXPECT_EQ(info.format_version, 1u);
  EXPECT_EQ(info.is_static, 1);
  EXPECT_EQ(info.weights_bytes, 32u);
  EXPECT_EQ(info.code_bytes, test::kernelImage().size());
  EXPECT_EQ(open(test::dynamicPlan()).info().is_static, 0);

  auto kernel = get<tn_kernel_info>(tn_plan_kernel, plan.get(), 0u);
  EXPECT_STREQ(kernel.name, "add");
  EXPECT_STREQ(kernel.family, "elementwise");
  EXPECT_STREQ(kernel.schedule, "#kernel.schedule<vector = 1>");
  EXPECT_EQ(kernel.launches, 1u);
  auto step = get<tn_step_info>(tn_plan_step, plan.get(), 1u);
  EXPECT_EQ(step.kernel, 1);
  EXPECT_EQ(step.source_count, 2u);
  EXPECT_STREQ(tn_plan_step_source(plan.get(), 1, 1), "/Relu");
  EXPECT_EQ(tn_plan_step_source(plan.get(), 1, 2), nullptr);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::dynamicPlan()).get(), 3u).kernel, -1);
  EXPECT_EQ(step.kind, TN_STEP_LAUNCH);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::dynamicPlan()).get(), 3u).kind, TN_STEP_COPY);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::branchingPlan()).get(), 0u).kind, TN_STEP_IF);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::loopingPlan()).get(), 0u).kind, TN_STEP_LOOP);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::readingPlan()).get(), 0u).kind, TN_STEP_READ_SIZES);
  EXPECT_EQ(get<tn_step_info>(tn_plan_step, open(test::readingPlan()).get(), 1u).kind, TN_STEP_REQUIRE);
  EXPECT_STREQ(get<tn_constant_info>(tn_plan_constant, plan.get(), 0u).name, "w");
}

TEST(Queries, Layouts) {
  Plan plan = open(test::staticPlan());
  tn_layout *layout = nullptr;
  ASSERT_EQ(tn_layout_create(plan.get(), nullptr, &layout), TN_OK) << tn_last_error();
  EXPECT_EQ(get<tn_memory_info>(tn_layout_memory, layout).arena_bytes, 128u);
  auto cost = get<tn_step_cost>(tn_layout_step, layout, 1u);
  EXPECT_EQ(cost.tasks, 2u);
  EXPECT_EQ(cost.flops, 8);
  auto buffer = get<tn_buffer_info>(tn_layout_buffer, layout, 1u);
  EXPECT_EQ(buffer.offset, 64u);
  EXPECT_EQ(buffer.bytes, 8u);
  EXPECT_EQ(buffer.first_step, 1u);
  tn_tensor output;
  ASSERT_EQ(tn_layout_output(layout, 0, &output), TN_OK);
  EXPECT_EQ(output.bytes, 32u);
  EXPECT_EQ(output.data, nullptr);
  tn_layout_destroy(layout);

  EXPECT_EQ(tn_layout_create(open(test::dynamicPlan()).get(), nullptr, &layout), TN_INVALID_ARGUMENT);
}

TEST(Queries, AnOlderCallersStructIsFilledAsFarAsItGoes) {
  Plan plan = open(test::staticPlan());
  tn_kernel_info kernel = {};
  kernel.entry = 42;
  kernel.struct_size = offsetof(tn_kernel_info, entry);
  ASSERT_EQ(tn_plan_kernel(plan.get(), 0, &kernel), TN_OK);
  EXPECT_STREQ(kernel.name, "add");
  EXPECT_EQ(kernel.entry, 42u);
}

TEST(Queries, Names) {
  EXPECT_STREQ(tn_status_name(TN_DEVICE), "TN_DEVICE");
  EXPECT_STREQ(tn_status_name(tn_status(99)), "?");
  EXPECT_STREQ(tn_dtype_name(TN_BF16), "bf16");
  EXPECT_STREQ(tn_dtype_name(tn_dtype(-1)), "?");
  EXPECT_EQ(tn_dtype_bits(TN_I4), 4u);
  EXPECT_EQ(tn_dtype_bytes(TN_I4, 3), 2);
  EXPECT_EQ(tn_dtype_bytes(TN_F64, INT64_MAX / 8), -1);
  EXPECT_EQ(tn_dtype_bytes(TN_F32, -1), -1);
  EXPECT_EQ(tn_cpu_has("no such feature"), -1);
}

TEST(Queries, FromC) {
  auto bytes = plan::writePlanToMemory(test::countingPlan(3));
  int32_t counters[3] = {};
  EXPECT_EQ(runFromC(bytes.data(), bytes.size(), counters, sizeof counters), 0) << tn_last_error();
  EXPECT_EQ(counters[2], 1);
}

TEST(Queries, ValueThrowsTheError) {
  try {
    Plan::open("/nonexistent.plan").value();
    FAIL();
  } catch (const Exception &exception) {
    EXPECT_EQ(exception.status, TN_IO);
  }
}

} // namespace
} // namespace tenon
