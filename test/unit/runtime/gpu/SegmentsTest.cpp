// Plans for GPUs with branches, loops and sizes that only a run knows.
#include "test/unit/runtime/DecidingPlans.h"
#include "test/unit/runtime/gpu/Session.h"

#include <sys/mman.h>
#include <tuple>

namespace tenon::test {
namespace {

class GpuSegments : public OnFakeDriver {
protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    driver.defers = true;
  }
};

TEST_F(GpuSegments, AnOutputAsLongAsAnInputSays) {
  Opened opened(onGpu(readingPlan()));
  expectOutputsAsLongAsAnInputSays(opened);
}

TEST_F(GpuSegments, TheRunFailsWhereASizeIsWrong) {
  Opened opened(onGpu(readingPlan()));
  expectRunsToFailWhereASizeIsWrong(opened);
}

TEST_F(GpuSegments, AnOutputInTheCallersMemory) {
  Opened opened(onGpu(readingPlan()));
  expectAnOutputInTheCallersMemory(opened);
}

TEST_F(GpuSegments, TensorsOnTheGpu) {
  auto *x = static_cast<float *>(tenonFakeAllocate(64, 0)), *y = static_cast<float *>(tenonFakeAllocate(32, 0));
  Opened opened(onGpu(branchingPlan()));
  uint8_t condition = 0;
  for (size_t shift : {0, 1}) { // the second one is not aligned as kernels want it
    for (size_t i = 0; i < 3; ++i)
      x[shift + i] = float(i + 1);
    tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, deviceTensor(x + shift, {3})}, output{y, 32, TN_F32, 0, {}};
    ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message();
    EXPECT_EQ(output.data, y);
    EXPECT_EQ(output.dims[0], 3);
    EXPECT_EQ(std::vector<float>(y, y + 3), (std::vector<float>{2, 4, 6}));
  }
  tenonFakeRelease(x);
  tenonFakeRelease(y);
}

TEST_F(GpuSegments, TensorsWhereNothingIs) {
  constexpr size_t kBytes = 1 << 16;
  void *nothing = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Opened opened(onGpu(branchingPlan()));
  std::vector<float> x = {1, 2, 3}, y(3);
  uint8_t condition = 0;
  for (auto [from, to, tensor] : {std::tuple<void *, void *, const char *>(nothing, y.data(), "input 'x'"), {x.data(), nothing, "output 'y'"}}) {
    tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, deviceTensor(from, {3})}, output{to, 12, TN_F32, 0, {}};
    EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_INVALID_ARGUMENT) << tensor;
    EXPECT_EQ(opened.message().find(std::string(tensor) + " is at "), 0u) << opened.message();
  }
  munmap(nothing, kBytes);
}

TEST_F(GpuSegments, InTheApplicationsArena) {
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.arena_bytes = 8192;
  options.arena = tenonFakeAllocate(options.arena_bytes, 0);
  {
    Opened looping(onGpu(loopingPlan()), options);
    for (int64_t trips : {3, 0, 6})
      expectTrips(looping, trips);
    Opened branching(onGpu(branchingPlan()), options);
    expectOneOfTwoPlans(branching);
  }
  tenonFakeRelease(options.arena);
}

TEST_F(GpuSegments, OneOfTwoPlans) {
  Opened opened(onGpu(branchingPlan()));
  expectOneOfTwoPlans(opened);
}

TEST_F(GpuSegments, ALoopThatCounts) {
  Opened opened(onGpu(loopingPlan()));
  for (int64_t trips : {3, 0, 1, 6}) {
    driver.launches = driver.copiesToHost = driver.graphLaunches = 0;
    expectTrips(opened, trips);
    EXPECT_EQ(driver.launches, trips);
    // The trip count and the outputs are read back; iterations wait for nothing.
    EXPECT_EQ(driver.copiesToHost, trips ? 3 : 2);
  }
}

TEST_F(GpuSegments, BodiesBecomeGraphs) {
  plan::Plan data = loopingPlan();
  plan::Plan &body = data.plans[0];
  body.steps.insert(body.steps.begin(), 3, body.steps[0]); // the same sum four times
  Opened opened(onGpu(data));
  int64_t trips = 10;
  // The first iteration reads the input, the others two places in turn: a graph is made when the same comes for the third time.
  for (int graphs : {3 + 2, 5 + 4, 1 + 5 + 4}) {
    std::vector<float> x = {1, 2};
    tn_tensor inputs[] = {numberOf(trips), vectorOf(x)}, outputs[2] = {};
    driver.launches = driver.copiesToHost = driver.graphLaunches = 0;
    ASSERT_EQ(tn_run(opened.context, inputs, outputs), TN_OK) << opened.message();
    EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{1024, 2048}));
    std::vector<float> rows = floatsOf(outputs[1]);
    ASSERT_EQ(rows.size(), 20u);
    for (int64_t i = 0; i < trips; ++i)
      EXPECT_EQ(rows[size_t(2 * i)], float(2 << i));
    EXPECT_EQ(driver.graphLaunches, graphs);
  }
}

TEST_F(GpuSegments, ALoopWithAConditionAndSlices) {
  Opened opened(onGpu(scanningPlan()));
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

TEST_F(GpuSegments, AnyCallOfTheDriverMayFail) {
  std::vector<float> rows(15, 1), x = {1, 2, 3};
  int64_t limit = 2;
  tn_tensor inputs[] = {numberOf(limit), vectorOf(x), {rows.data(), 60, TN_F32, 2, {5, 3}}}, output{};
  int failures = 0;
  for (int call = 1;; ++call) {
    Opened opened(onGpu(scanningPlan()));
    driver.failingCall = call;
    bool isComplete = tn_run(opened.context, inputs, &output) == TN_OK;
    if (driver.failingCall > 0) { // the run needs fewer calls
      EXPECT_TRUE(isComplete) << opened.message();
      driver.failingCall = 0;
      break;
    }
    failures += !isComplete;
    output = {};
    ASSERT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << call << ": " << opened.message();
    EXPECT_EQ(floatsOf(output), (std::vector<float>{4, 5, 6})) << call;
    output = {};
  }
  EXPECT_GT(failures, 20);
}

TEST_F(GpuSegments, MemoryThatIsNotThere) {
  plan::Plan data = readingPlan();
  data.symbols[0].maximum = INT64_MAX;
  std::get<plan::Require>(data.steps[1]).right = std::get<plan::Require>(data.steps[1]).left;
  data.inputs[1].dims = data.inputs[0].dims; // never read: the run stops before
  Opened opened(onGpu(data));
  int64_t count = 1 << 26;
  float x = 0;
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, {&x, sizeof x, TN_F32, 1, {1}}}, output{};
  EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_OUT_OF_MEMORY);
  EXPECT_NE(opened.message().find("tensors whose size the run defines: 268435456 bytes of the GPU's memory are needed"), std::string::npos)
      << opened.message();
  count = 1;
  EXPECT_EQ(tn_run(opened.context, inputs, &output), TN_OK) << opened.message(); // the context stays usable
}

TEST_F(GpuSegments, RunsThatCannotBeQueued) {
  Opened opened(onGpu(branchingPlan()));
  std::vector<float> x = {1};
  uint8_t condition = 1;
  tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
  EXPECT_EQ(tn_run_async(opened.context, inputs, &output, nullptr), TN_INVALID_ARGUMENT);
  EXPECT_NE(opened.message().find("(node '/If'), for which a run waits; use tn_run"), std::string::npos) << opened.message();
}

TEST_F(GpuSegments, StepsAreMeasured) {
  Opened opened(onGpu(branchingPlan()));
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

TEST_F(GpuSegments, ContextsShareWhatIsOnTheGpu) {
  Opened opened(onGpu(loopingPlan()));
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

TEST_F(GpuSegments, VariantsCallPlansOfTheirOwn) {
  plan::Plan data = onGpu(branchingPlan()), variant = data;
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

} // namespace
} // namespace tenon::test
