// Plans that define sizes as they run, and plans that call others.
#include "test/unit/runtime/DecidingPlans.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

using test::Opened, test::runReading, test::vectorOf;

TEST(RunTimeSizes, AnOutputAsLongAsAnInputSays) {
  Opened opened(test::readingPlan());
  test::expectOutputsAsLongAsAnInputSays(opened);
}

TEST(RunTimeSizes, TheRunFailsWhereASizeIsWrong) {
  Opened opened(test::readingPlan());
  test::expectRunsToFailWhereASizeIsWrong(opened);
}

TEST(RunTimeSizes, AnOutputInTheCallersMemory) {
  Opened opened(test::readingPlan());
  test::expectAnOutputInTheCallersMemory(opened);
}

TEST(RunTimeSizes, ShapesAreUnknownBeforeTheRun) {
  Opened opened(test::readingPlan());
  std::vector<float> x(8);
  int64_t count = 3;
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, vectorOf(x)}, output{};
  ASSERT_EQ(runReading(opened, 3, output), TN_OK);
  ASSERT_EQ(tn_output_shapes(opened.context, inputs, &output), TN_OK) << opened.message();
  EXPECT_EQ(output.dims[0], -1);
  EXPECT_EQ(output.bytes, 0u);
  tn_tensor_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(tn_plan_output(opened.plan, 0, &info), TN_OK);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_STREQ(info.dim_text[0], "m");
  tn_plan_info planInfo{};
  planInfo.struct_size = sizeof planInfo;
  ASSERT_EQ(tn_plan_get_info(opened.plan, &planInfo), TN_OK);
  EXPECT_EQ(planInfo.symbol_count, 0u); // no input's axis is free
  EXPECT_EQ(planInfo.is_static, 0);
}

TEST(RunTimeSizes, ALimitOfMemory) {
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.max_bytes = 64 * 1024;
  plan::Plan data = test::readingPlan();
  data.symbols[0].maximum = INT64_MAX;
  std::get<plan::Require>(data.steps[1]).right = std::get<plan::Require>(data.steps[1]).left;
  data.inputs[1].dims = data.inputs[0].dims; // never read: the run stops before
  Opened opened(data, options);
  int64_t count = 1 << 20;
  float x = 0;
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, {&x, sizeof x, TN_F32, 1, {1}}}, output{};
  EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_LIMIT) << opened.message();
}

TEST(Calls, OneOfTwoPlans) {
  Opened opened(test::branchingPlan());
  test::expectOneOfTwoPlans(opened);
}

TEST(Calls, ALoop) {
  Opened opened(test::loopingPlan());
  for (int64_t trips : {3, 0, 1, 6})
    test::expectTrips(opened, trips);
}

/// What a plan that is wrong is refused with.
std::string refusal(const plan::Plan &data) {
  auto bytes = plan::writePlanToMemory(data);
  tn_plan *plan = nullptr;
  tn_status status = tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan);
  tn_plan_close(plan);
  return status == TN_BAD_PLAN ? tn_last_error() : std::string("status ") + tn_status_name(status);
}

TEST(RunTimeSizes, WrongPlansAreRefused) {
  plan::Plan early = test::readingPlan();
  std::swap(early.steps[0], early.steps[2]); // uses what a later step defines
  early.symbols[0].step = 2;
  early.buffers[0].first = 0;
  EXPECT_NE(refusal(early).find("uses a size that only a later step defines"), std::string::npos) << refusal(early);
  plan::Plan orphan = test::readingPlan();
  std::get<plan::ReadSizes>(orphan.steps[0]).symbols.clear();
  EXPECT_NE(refusal(orphan).find("symbol 0: no step gives it a value"), std::string::npos) << refusal(orphan);
  plan::Plan fixed = test::readingPlan();
  fixed.buffers[0].offset = 0;
  EXPECT_NE(refusal(fixed).find("has a fixed offset"), std::string::npos) << refusal(fixed);
  plan::Plan outside = test::readingPlan();
  std::get<plan::ReadSizes>(outside.steps[0]).from.index = 7;
  EXPECT_NE(refusal(outside).find("an operand does not exist"), std::string::npos) << refusal(outside);
}

TEST(Calls, WrongPlansAreRefused) {
  plan::Plan absent = test::branchingPlan();
  std::get<plan::If>(absent.steps[0]).elseCall.plan = 9;
  EXPECT_NE(refusal(absent).find("the plan that it calls does not exist"), std::string::npos) << refusal(absent);
  plan::Plan twice = test::branchingPlan();
  std::get<plan::If>(twice.steps[0]).elseCall.plan = 0;
  EXPECT_NE(refusal(twice).find("two steps call one plan"), std::string::npos) << refusal(twice);
  plan::Plan circle = test::branchingPlan();
  circle.plans[1].results = {{0, 0, {"", TN_F32, {0}, {""}}}};
  circle.plans[1].steps = {plan::If{{}, {0, {}, {}}, {0, {}, {}}, {}}};
  EXPECT_NE(refusal(circle).find("does not exist, or would call itself"), std::string::npos) << refusal(circle);
  plan::Plan missing = test::branchingPlan();
  std::get<plan::If>(missing.steps[0]).thenCall.arguments.clear();
  EXPECT_NE(refusal(missing).find("are not those of the plan that it calls"), std::string::npos) << refusal(missing);
  plan::Plan output = test::loopingPlan();
  output.results[1].output = 5;
  EXPECT_NE(refusal(output).find("result 1: its step has no such output"), std::string::npos) << refusal(output);
}

} // namespace
} // namespace tenon
