// Plans for GPUs with branches, loops and sizes that only a run knows, on a driver that stands for one.
#include "tenon/runtime.hpp"

#include "test/unit/runtime/FakeCuda.h"
#include "test/unit/runtime/TestPlans.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

using test::fakeCuda;

class Opened {
public:
  explicit Opened(const plan::Plan &data) {
    auto bytes = plan::writePlanToMemory(data);
    EXPECT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), TN_OPEN_VERIFY, &plan), TN_OK) << tn_last_error();
    EXPECT_EQ(tn_context_create(plan, nullptr, &context), TN_OK) << tn_last_error();
  }
  ~Opened() {
    tn_context_destroy(context);
    tn_plan_close(plan);
    EXPECT_EQ(fakeCuda().allocations, before); // no memory of the GPU is left behind
  }
  std::string message() const { return tn_last_message(context); }

  tn_plan *plan = nullptr;
  tn_context *context = nullptr;

private:
  uint32_t before = fakeCuda().allocations;
};

std::vector<float> floatsOf(const tn_tensor &tensor) {
  auto *data = static_cast<const float *>(tensor.data);
  return {data, data + tensor.bytes / sizeof(float)};
}

tn_tensor vectorOf(std::vector<float> &values) {
  return {values.data(), values.size() * sizeof(float), TN_F32, 1, {int64_t(values.size())}};
}

tn_tensor numberOf(int64_t &value) { return {&value, sizeof value, TN_I64, 0, {}}; }

tn_status runReading(Opened &opened, int64_t count, tn_tensor &output) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, vectorOf(x)};
  return tn_run(opened.context, inputs, &output);
}

TEST(GpuSegments, AnOutputAsLongAsAnInputSays) {
  Opened opened(test::onGpu(test::readingPlan()));
  tn_tensor output{};
  for (int64_t count : {3, 8, 0, 5, 5}) {
    ASSERT_EQ(runReading(opened, count, output), TN_OK) << opened.message();
    EXPECT_EQ(output.dims[0], count);
    std::vector<float> y = floatsOf(output);
    ASSERT_EQ(y.size(), size_t(count));
    for (int64_t i = 0; i < count; ++i)
      EXPECT_EQ(y[size_t(i)], float(2 * (i + 1)));
  }
}

TEST(GpuSegments, TheRunFailsWhereASizeIsWrong) {
  Opened opened(test::onGpu(test::readingPlan()));
  tn_tensor output{};
  EXPECT_EQ(runReading(opened, -1, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("node '/Count': the size 'm' is -1"), std::string::npos) << opened.message();
  EXPECT_EQ(runReading(opened, 9, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("node '/Slice': the elements it takes: found 9, expected at most 8"), std::string::npos) << opened.message();
  ASSERT_EQ(runReading(opened, 2, output), TN_OK) << opened.message();
  EXPECT_EQ(floatsOf(output), (std::vector<float>{2, 4}));
}

TEST(GpuSegments, AnOutputInTheCallersMemory) {
  Opened opened(test::onGpu(test::readingPlan()));
  float room[4] = {};
  tn_tensor output{room, sizeof room, TN_F32, 0, {}};
  ASSERT_EQ(runReading(opened, 4, output), TN_OK) << opened.message();
  EXPECT_EQ(output.data, room);
  EXPECT_EQ(room[3], 8);
  output = {room, sizeof room, TN_F32, 0, {}};
  EXPECT_EQ(runReading(opened, 5, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(opened.message().find("'y' has 16 bytes of memory, its shape needs 20"), std::string::npos) << opened.message();
}

TEST(GpuSegments, TensorsOnTheGpu) {
  void *y = test::fakeAllocate(32), *x = test::fakeAllocate(64);
  {
    Opened opened(test::onGpu(test::branchingPlan()));
    std::vector<float> given = {1, 2, 3}, found(3);
    uint8_t condition = 0;
    for (size_t offset : {0u, 4u}) { // the second one is not aligned as kernels want it
      uint8_t *place = static_cast<uint8_t *>(x) + offset;
      test::fakeCopy(place, given.data(), 12);
      tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, {place, 12, TN_F32, 1, {3}}}, output{y, 32, TN_F32, 0, {}};
      ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
      EXPECT_EQ(output.data, y);
      EXPECT_EQ(output.dims[0], 3);
      test::fakeCopy(found.data(), y, 12);
      EXPECT_EQ(found, (std::vector<float>{2, 4, 6}));
    }
  }
  test::fakeRelease(x);
  test::fakeRelease(y);
}

TEST(GpuSegments, OneOfTwoPlans) {
  Opened opened(test::onGpu(test::branchingPlan()));
  for (uint8_t condition : {1, 0, 1})
    for (size_t n : {4u, 7u, 0u}) {
      std::vector<float> x(n, 3), expected(n, condition ? 3.f : 6.f);
      tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
      ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
      EXPECT_EQ(floatsOf(output), expected);
    }
}

TEST(GpuSegments, ALoopThatCounts) {
  Opened opened(test::onGpu(test::loopingPlan()));
  for (int64_t trips : {3, 0, 1, 6}) {
    std::vector<float> x = {1, 2};
    tn_tensor inputs[] = {numberOf(trips), vectorOf(x)}, outputs[2] = {};
    fakeCuda().reset();
    ASSERT_EQ(tn_run(opened.context, inputs, outputs), TN_OK) << opened.message();
    float power = float(1 << trips);
    EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{power, 2 * power}));
    EXPECT_EQ(outputs[1].dims[0], trips);
    std::vector<float> rows = floatsOf(outputs[1]);
    ASSERT_EQ(rows.size(), size_t(2 * trips));
    for (int64_t i = 0; i < trips; ++i)
      EXPECT_EQ(rows[size_t(2 * i)], float(2 << i));
    EXPECT_EQ(fakeCuda().launches, trips);
    // The trip count and the outputs are read back; iterations wait for nothing.
    EXPECT_EQ(fakeCuda().copiesToHost, trips ? 3u : 2u);
  }
}

TEST(GpuSegments, BodiesBecomeGraphs) {
  plan::Plan data = test::loopingPlan();
  plan::Plan &body = data.plans[0];
  body.steps.insert(body.steps.begin(), 3, body.steps[0]); // the same sum four times
  Opened opened(test::onGpu(data));
  int64_t trips = 10;
  // The first iteration reads the input, the others two places in turn: a graph is made when the same comes for the third time.
  for (uint32_t graphs : {3u + 2u, 5u + 4u, 1u + 5u + 4u}) {
    std::vector<float> x = {1, 2};
    tn_tensor inputs[] = {numberOf(trips), vectorOf(x)}, outputs[2] = {};
    fakeCuda().reset();
    ASSERT_EQ(tn_run(opened.context, inputs, outputs), TN_OK) << opened.message();
    EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{1024, 2048}));
    std::vector<float> rows = floatsOf(outputs[1]);
    ASSERT_EQ(rows.size(), 20u);
    for (int64_t i = 0; i < trips; ++i)
      EXPECT_EQ(rows[size_t(2 * i)], float(2 << i));
    EXPECT_EQ(fakeCuda().graphLaunches, graphs);
  }
}

TEST(GpuSegments, ALoopWithAConditionAndSlices) {
  Opened opened(test::onGpu(test::scanningPlan()));
  for (int64_t limit : {4, 1, 0, 2}) { // iterations after the first
    std::vector<float> rows(15), x = {0, 0, 0};
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] = float(i);
    tn_tensor inputs[] = {numberOf(limit), vectorOf(x), {rows.data(), 60, TN_F32, 2, {5, 3}}}, output{};
    ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
    std::vector<float> expected(3, 0);
    for (size_t i = 0; i < 3 * size_t(limit + 1); ++i)
      expected[i % 3] += float(i);
    EXPECT_EQ(floatsOf(output), expected) << limit;
  }
}

TEST(GpuSegments, MemoryThatIsNotThere) {
  plan::Plan data = test::readingPlan();
  data.symbols[0].maximum = INT64_MAX;
  std::get<plan::Require>(data.steps[1]).right = std::get<plan::Require>(data.steps[1]).left;
  data.inputs[1].dims = data.inputs[0].dims; // never read: the run stops before
  Opened opened(test::onGpu(data));
  int64_t count = 1 << 26;
  float x = 0;
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, {&x, sizeof x, TN_F32, 1, {1}}}, output{};
  EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_OUT_OF_MEMORY);
  EXPECT_NE(opened.message().find("tensors whose size the run defines: 268435456 bytes of the GPU's memory are needed"), std::string::npos)
      << opened.message();
  count = 1;
  EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message(); // the context stays usable
}

TEST(GpuSegments, RunsThatCannotBeQueued) {
  Opened opened(test::onGpu(test::branchingPlan()));
  std::vector<float> x = {1};
  uint8_t condition = 1;
  tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
  EXPECT_EQ(tn_run_async(opened.context, inputs, &output, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_NE(opened.message().find("(node '/If'), for which a run waits; use tn_run"), std::string::npos) << opened.message();
}

TEST(GpuSegments, StepsAreMeasured) {
  Opened opened(test::onGpu(test::branchingPlan()));
  ASSERT_EQ(tn_profile(opened.context, 1), TN_OK);
  std::vector<float> x = {1};
  uint8_t condition = 0;
  tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
  for (int run = 0; run < 3; ++run)
    ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
  EXPECT_EQ(floatsOf(output), (std::vector<float>{2}));
  tn_step_profile call{}, copy{};
  call.struct_size = copy.struct_size = sizeof call;
  ASSERT_EQ(tn_profile_step(opened.context, 0, &call), TN_OK);
  ASSERT_EQ(tn_profile_step(opened.context, 1, &copy), TN_OK);
  EXPECT_EQ(call.runs, 3u);
  EXPECT_GT(call.min_ns, 0u);
  EXPECT_EQ(copy.min_ns, 250'000u); // what the events say
}

TEST(GpuSegments, ContextsShareWhatIsOnTheGpu) {
  Opened opened(test::onGpu(test::loopingPlan()));
  tn_context *other = nullptr;
  ASSERT_EQ(tn_context_create(opened.plan, nullptr, &other), TN_OK) << tn_last_error();
  for (int64_t trips : {2, 3})
    for (tn_context *context : {opened.context, other}) {
      std::vector<float> x = {1};
      tn_tensor inputs[] = {numberOf(trips), vectorOf(x)}, outputs[2] = {};
      ASSERT_EQ(tn_run(context, inputs, outputs), TN_OK) << tn_last_message(context);
      EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{float(1 << trips)}));
    }
  tn_context_destroy(other);
}

TEST(GpuSegments, VariantsCallPlansOfTheirOwn) {
  plan::Plan data = test::onGpu(test::branchingPlan()), variant = data;
  data.target.arch = "sm_80";
  for (plan::DeviceCode &code : data.deviceCode)
    code.arch = "sm_80";
  std::swap(variant.plans[0], variant.plans[1]); // to tell them apart: the branches are exchanged
  data.variants = {variant};
  Opened opened(data);
  std::vector<float> x = {3};
  uint8_t condition = 1;
  tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
  ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
  EXPECT_EQ(floatsOf(output), (std::vector<float>{6})); // the code for sm_90 is the better one here
}

TEST(GpuSegments, OnePieceIsAGraph) {
  Opened opened(test::gpuPlan());
  std::vector<float> x(8, 1);
  tn_tensor input = vectorOf(x), output{};
  fakeCuda().reset();
  for (int run = 0; run < 3; ++run) {
    ASSERT_EQ(tn_run(opened.context, &input, &output), TN_OK) << opened.message();
    EXPECT_EQ(floatsOf(output), (std::vector<float>{2, 4, 6, 8, 10, 12, 14, 16}));
  }
  EXPECT_EQ(fakeCuda().launches, 2u); // captured once
  EXPECT_EQ(fakeCuda().graphLaunches, 3u);
}

} // namespace
} // namespace tenon
