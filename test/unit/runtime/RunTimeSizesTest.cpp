// Plans that define sizes as they run, and plans that call others.
#include "tenon/runtime.hpp"

#include "test/unit/runtime/TestPlans.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

/// A context of a plan in memory, with one thread.
class Opened {
public:
  explicit Opened(const plan::Plan &data, tn_context_options options = TN_CONTEXT_OPTIONS_INIT) {
    auto bytes = plan::writePlanToMemory(data);
    EXPECT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), TN_OPEN_VERIFY, &plan), TN_OK) << tn_last_error();
    options.threads = 1;
    EXPECT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
  }
  ~Opened() {
    tn_context_destroy(context);
    tn_plan_close(plan);
  }
  std::string message() const { return tn_last_message(context); }

  tn_plan *plan = nullptr;
  tn_context *context = nullptr;
};

std::vector<float> floatsOf(const tn_tensor &tensor) {
  auto *data = static_cast<const float *>(tensor.data);
  return {data, data + tensor.bytes / sizeof(float)};
}

tn_tensor vectorOf(std::vector<float> &values) {
  return {values.data(), values.size() * sizeof(float), TN_F32, 1, {int64_t(values.size())}};
}

tn_status runReading(Opened &opened, int64_t count, tn_tensor &output) {
  static std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, vectorOf(x)};
  return tn_run(opened.context, inputs, &output);
}

TEST(RunTimeSizes, AnOutputAsLongAsAnInputSays) {
  Opened opened(test::readingPlan());
  tn_tensor output{};
  for (int64_t count : {3, 8, 0, 5, 5}) {
    ASSERT_EQ(runReading(opened, count, output), TN_OK) << opened.message();
    EXPECT_EQ(output.rank, 1);
    EXPECT_EQ(output.dims[0], count);
    std::vector<float> y = floatsOf(output);
    ASSERT_EQ(y.size(), size_t(count));
    for (int64_t i = 0; i < count; ++i)
      EXPECT_EQ(y[size_t(i)], float(2 * (i + 1)));
  }
}

TEST(RunTimeSizes, TheRunFailsWhereASizeIsWrong) {
  Opened opened(test::readingPlan());
  tn_tensor output{};
  EXPECT_EQ(runReading(opened, -1, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("node '/Count': the size 'm' is -1"), std::string::npos) << opened.message();
  EXPECT_EQ(runReading(opened, 9, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("node '/Slice': the elements it takes: found 9, expected at most 8"), std::string::npos) << opened.message();
  EXPECT_EQ(runReading(opened, INT64_MAX, output), TN_SHAPE_MISMATCH);
  ASSERT_EQ(runReading(opened, 2, output), TN_OK) << opened.message();
  EXPECT_EQ(floatsOf(output), (std::vector<float>{2, 4}));
}

TEST(RunTimeSizes, AnOutputInTheCallersMemory) {
  Opened opened(test::readingPlan());
  float room[4] = {};
  tn_tensor output{room, sizeof room, TN_F32, 0, {}};
  ASSERT_EQ(runReading(opened, 4, output), TN_OK) << opened.message();
  EXPECT_EQ(output.data, room);
  EXPECT_EQ(room[3], 8);
  output = {room, sizeof room, TN_F32, 0, {}};
  EXPECT_EQ(runReading(opened, 5, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("'y' has 16 bytes of memory, its shape needs 20"), std::string::npos) << opened.message();
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
  for (uint8_t condition : {1, 0, 1})
    for (size_t n : {4u, 7u, 0u}) {
      std::vector<float> x(n, 3), expected(n, condition ? 3.f : 6.f);
      tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
      ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
      EXPECT_EQ(floatsOf(output), expected);
    }
}

TEST(Calls, ALoop) {
  Opened opened(test::loopingPlan());
  for (int64_t trips : {3, 0, 1, 6}) {
    std::vector<float> x = {1, 2};
    tn_tensor inputs[] = {{&trips, sizeof trips, TN_I64, 0, {}}, vectorOf(x)}, outputs[2] = {};
    ASSERT_EQ(tn_run(opened.context, inputs, outputs), TN_OK) << opened.message();
    float power = float(1 << trips);
    EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{power, 2 * power}));
    EXPECT_EQ(outputs[1].dims[0], trips);
    std::vector<float> rows = floatsOf(outputs[1]);
    ASSERT_EQ(rows.size(), size_t(2 * trips));
    for (int64_t i = 0; i < trips; ++i)
      EXPECT_EQ(rows[size_t(2 * i)], float(2 << i));
  }
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
