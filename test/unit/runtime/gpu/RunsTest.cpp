// Runs on a GPU: what is computed from where to where, and which work is queued for it.
#include "test/unit/runtime/gpu/Session.h"

#include "tenon/runtime.hpp"

#include <cstring>
#include <thread>

namespace tenon::test {
namespace {

class GpuRuns : public OnFakeDriver {
protected:
  /// Opens the plan of runDynamic with room for 2^20 rows, on a GPU whose copies happen when they are waited for.
  void startLarge(Session &session) {
    driver.memory = driver.pinned = size_t(1) << 25;
    driver.defers = true;
    plan::Plan data = dynamicGpuPlan();
    data.symbols[0].maximum = 1 << 20;
    ASSERT_EQ(session.open(data), TN_OK) << tn_last_error();
    ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  }

  /// Runs y = 2 * (a + b + a), z = a of [n, 4] on the host, outputs where they are; what is wrong.
  void runDynamic(Session &session, int64_t n, tn_tensor *outputs) {
    std::vector<float> a(size_t(4 * n)), b(size_t(4 * n), 1.0f);
    for (size_t i = 0; i < a.size(); ++i)
      a[i] = float(i);
    tn_tensor inputs[2] = {vectorTensor(a, {n, 4}), vectorTensor(b, {n, 4})};
    ASSERT_EQ(tn_run(session.context, inputs, outputs), TN_OK) << session.message();
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(static_cast<float *>(outputs[0].data)[i], 2 * (a[i] + 1 + a[i])) << i;
      ASSERT_EQ(static_cast<float *>(outputs[1].data)[i], a[i]) << i;
    }
  }
};

TEST_F(GpuRuns, FromAndToTheHostInOneGraph) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8}, y(8);
  tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
  for (int run = 1; run <= 3; ++run) {
    ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(y[i], 2 * (x[i] + float(i)));
    EXPECT_EQ(driver.captures, 1);
    EXPECT_EQ(driver.graphLaunches, run);
  }
}

// Outputs that the context placed may move with its memory when a shape needs more.
TEST_F(GpuRuns, PlacedOutputsFollowGrowingShapes) {
  Session session;
  ASSERT_EQ(session.open(dynamicGpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  tn_tensor outputs[2] = {};
  for (int64_t n : {1, 200, 3, 900, 200, 1})
    runDynamic(session, n, outputs);
}

TEST_F(GpuRuns, LargeInputsArrivePieceByPiece) {
  Session session;
  startLarge(session);
  tn_tensor outputs[2] = {};
  runDynamic(session, 150'001, outputs); // 2.4 MB
}

TEST_F(GpuRuns, LargeOutputsArrivePieceByPiece) {
  Session session;
  startLarge(session);
  constexpr int64_t kRows = 250'001; // 4 MB each, and a bit
  std::vector<float> y(4 * kRows), z(4 * kRows);
  tn_tensor outputs[2] = {vectorTensor(y, {kRows, 4}), vectorTensor(z, {kRows, 4})};
  for (int run = 1; run < 3; ++run) {
    driver.copiesToHost = 0;
    runDynamic(session, kRows, outputs);
    EXPECT_EQ(driver.copiesToHost, 2 * 4);
    EXPECT_EQ(driver.alive["event"], 4);
  }
  std::vector<float> a(4 * kRows), b(4 * kRows);
  tn_tensor inputs[2] = {vectorTensor(a, {kRows, 4}), vectorTensor(b, {kRows, 4})};
  driver.failure = 999;
  int failed = 0;
  bool wasReached = true;
  for (int call = 1; wasReached; ++call) {
    driver.failingCall = call;
    failed += tn_run(session.context, inputs, outputs) != TN_OK;
    wasReached = driver.failingCall == 0;
    driver.failingCall = 0;
  }
  EXPECT_GE(failed, 8 + 1 + 3 * 8 + 1); // of inputs, the launch, of outputs with their events, the end
  runDynamic(session, kRows, outputs);
}

// Such memory the GPU copies itself, unless a tensor is only partly there.
TEST_F(GpuRuns, PinnedMemoryIsNotStaged) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  driver.defers = true;
  for (size_t pinned : {32, 31}) {
    std::vector<float> x(8), y(8);
    for (std::vector<float> *each : {&x, &y})
      tenonFakeAdopt(each->data(), pinned, -1);
    for (int run = 0; run < 3; ++run) {
      std::fill(x.begin(), x.end(), float(run));
      tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
      driver.hostEnds.clear();
      ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
      EXPECT_EQ(driver.hostEnds == std::vector<uintptr_t>({uintptr_t(x.data()), uintptr_t(y.data())}), pinned == 32);
      for (size_t i = 0; i < 8; ++i)
        EXPECT_EQ(y[i], 2 * (float(run) + float(i)));
    }
    // Nothing of a run that failed is under way any more.
    driver.results = {{"cuGraphLaunch", 999}};
    tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
    driver.hostEnds.clear();
    EXPECT_EQ(tn_run(session.context, &input, &output), TN_DEVICE);
    EXPECT_EQ(tenonFakePending(), 0u);
    driver.results = {};
    for (std::vector<float> *each : {&x, &y})
      tenonFakeDisown(each->data());
  }
}

TEST_F(GpuRuns, InMemoryOfTheDeviceInPlace) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  auto *x = static_cast<float *>(tenonFakeAllocate(64, 0)), *y = static_cast<float *>(tenonFakeAllocate(64, 0));
  for (size_t shift : {0, 1}) { // by one float: copied, for kernels read 16 bytes at once
    std::fill_n(x, 16, 3.0f);
    tn_tensor input = deviceTensor(x + shift, {8}), output = deviceTensor(y + shift, {8});
    ASSERT_EQ(tn_run_async(session.context, &input, &output, nullptr), TN_OK) << session.message();
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(y[i + shift], 2 * (3 + float(i)));
    ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
  }
  tenonFakeRelease(x);
  tenonFakeRelease(y);
}

// Applications copy into one set of tensors while another one is computed with.
TEST_F(GpuRuns, QueuedThroughTheWrapperOnTheSecondGpu) {
  auto plan = Plan::openMemory(plan::writePlanToMemory(gpuPlan()));
  ASSERT_TRUE(plan) << plan.error().message;
  auto context = Context::create(*plan, {.device = 1});
  ASSERT_TRUE(context) << context.error().message;
  auto *x = static_cast<float *>(tenonFakeAllocate(32, 1)), *y = static_cast<float *>(tenonFakeAllocate(32, 1));
  std::fill_n(x, 8, 5.0f);
  tn_tensor input = deviceTensor(x, {8});
  Output output;
  static_cast<tn_tensor &>(output) = deviceTensor(y, {8});
  auto queued = context->runAsync({&input, 1}, {&output, 1});
  ASSERT_TRUE(queued) << queued.error().message;
  EXPECT_EQ(y[7], 2 * (5 + 7));
  EXPECT_EQ(context->runAsync({}, {&output, 1}).error().status, TN_INVALID_ARGUMENT);
  tenonFakeRelease(x);
  tenonFakeRelease(y);
}

/// Sets of an input and an output on the device.
class GpuTurns : public GpuRuns {
protected:
  static constexpr size_t kSets = 31;
  void SetUp() override {
    GpuRuns::SetUp();
    ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
    ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
    for (float *&each : memory)
      each = static_cast<float *>(tenonFakeAllocate(32, 0));
  }
  void TearDown() override {
    for (float *each : memory)
      tenonFakeRelease(each);
    session.close();
    GpuRuns::TearDown();
  }
  void run(size_t set) {
    std::fill_n(memory[2 * set], 8, float(set));
    tn_tensor input = deviceTensor(memory[2 * set], {8}), output = deviceTensor(memory[2 * set + 1], {8});
    ASSERT_EQ(tn_run_async(session.context, &input, &output, nullptr), TN_OK) << session.message();
    expect(set);
  }
  void expect(size_t set) {
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(memory[2 * set + 1][i], 2 * (float(set) + float(i))) << set;
  }

  Session session;
  float *memory[2 * kSets] = {};
};

TEST_F(GpuTurns, HaveAGraphEach) {
  for (int turn = 0; turn < 3; ++turn)
    for (size_t set : {0, 1, 2, 3})
      run(set);
  EXPECT_EQ(driver.captures, 4);
  EXPECT_EQ(driver.alive["graph to launch"], 4);
}

// One graph is the context's own tensors' then, to which those without a graph are copied.
TEST_F(GpuTurns, OfAnyNumberCaptureNothingAnew) {
  for (size_t sets : {size_t(5), size_t(6), size_t(13), kSets})
    for (int turn = 0; turn < 20; ++turn)
      for (size_t set = 0; set < sets; ++set)
        run(set);
  EXPECT_EQ(driver.captures, 5);
  EXPECT_EQ(driver.alive["graph to launch"], 4);
}

TEST_F(GpuTurns, GiveWayToThoseThatCome) {
  for (size_t set : {0, 1, 2, 3, 4})
    run(set);
  for (int i = 0; i < 40; ++i)
    for (size_t set : {5, 6})
      run(set);
  EXPECT_EQ(driver.captures, 7);
  int copies = driver.copiesOnDevice;
  run(5);
  run(6);
  EXPECT_EQ(driver.copiesOnDevice, copies);
}

// A run's copies are behind each other on its stream.
TEST_F(GpuTurns, AreCopiedWhenTheRunsTurnComes) {
  for (size_t set : {0, 1, 2, 3})
    run(set);
  driver.defers = true;
  for (size_t set : {4, 5, 6}) {
    std::fill_n(memory[2 * set], 8, float(set));
    tn_tensor input = deviceTensor(memory[2 * set], {8}), output = deviceTensor(memory[2 * set + 1], {8});
    ASSERT_EQ(tn_run_async(session.context, &input, &output, nullptr), TN_OK) << session.message();
  }
  std::vector<float> x(8), y(8);
  tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
  ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message(); // waits
  for (size_t set : {4, 5, 6})
    expect(set);
}

TEST_F(GpuTurns, MayFailAtEveryCall) {
  for (size_t set : {0, 1, 2, 3})
    run(set);
  bool wasReached = true;
  int failed = 0;
  for (int call = 1; wasReached; ++call) {
    for (size_t set : {0, 1, 2, 3})
      run(set);
    driver.failure = 999;
    driver.failingCall = call;
    tn_tensor input = deviceTensor(memory[8], {8}), output = deviceTensor(memory[9], {8});
    tn_status status = tn_run_async(session.context, &input, &output, nullptr);
    wasReached = driver.failingCall == 0;
    driver.failingCall = 0;
    EXPECT_EQ(status, wasReached ? TN_DEVICE : TN_OK) << call;
    failed += status != TN_OK;
    run(4);
  }
  EXPECT_GE(failed, 3); // two copies and the launch, and what captures
}

// Encoded with the graph, and again where a tensor lies elsewhere.
TEST_F(GpuRuns, TensorMapsFollowTheirBuffers) {
  plan::Plan plan = gpuPlan();
  for (plan::Kernel &kernel : plan.kernels)
    kernel.maps = {{0, 16, 2, {8, 1}, {16}, {1, 1}, {8, 1}, {}, {}, 128},
                   {kernel.arguments + kernel.results - 1, 0, 2, {8, 1, 1, 1}, {16, 16, 16}, {1, 1, 1, 1}, {8, 1}, {0, 0}, {0, 0}, 128}};
  driver.mapsOfLaunch = 2;
  Session session;
  ASSERT_EQ(session.open(plan), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  auto *x = static_cast<float *>(tenonFakeAllocate(64, 0)), *other = static_cast<float *>(tenonFakeAllocate(64, 0));
  auto *y = static_cast<float *>(tenonFakeAllocate(64, 0));
  for (float *from : {x, x, other}) {
    size_t before = driver.mapped.size();
    tn_tensor input = deviceTensor(from, {8}), output = deviceTensor(y, {8});
    ASSERT_EQ(tn_run_async(session.context, &input, &output, nullptr), TN_OK) << session.message();
    bool isAgain = before && from == x; // the graph is as it was
    ASSERT_EQ(driver.mapped.size(), before + (isAgain ? 0 : 2 * plan.steps.size()));
    if (!isAgain)
      EXPECT_EQ(driver.mapped[before], uintptr_t(from) + 16);
    EXPECT_EQ(driver.mapped.back(), uintptr_t(y));
  }
  driver.failingCall = 1;
  tn_tensor input = deviceTensor(x, {8}), output = deviceTensor(y, {8});
  EXPECT_NE(tn_run_async(session.context, &input, &output, nullptr), TN_OK);
  tenonFakeRelease(x);
  tenonFakeRelease(other);
  tenonFakeRelease(y);
}

TEST_F(GpuRuns, StepsAreMeasuredOneByOne) {
  Session session;
  ASSERT_EQ(session.open(dynamicGpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  ASSERT_EQ(tn_profile(session.context, 1), TN_OK);
  tn_tensor outputs[2] = {};
  runDynamic(session, 5, outputs);
  runDynamic(session, 7, outputs);
  EXPECT_EQ(driver.graphLaunches, 0);
  for (uint32_t step = 0; step < 4; ++step) {
    tn_step_profile profile{};
    profile.struct_size = sizeof profile;
    ASSERT_EQ(tn_profile_step(session.context, step, &profile), TN_OK);
    EXPECT_EQ(profile.runs, 2u);
    EXPECT_EQ(profile.min_ns, 250'000u);
  }
}

TEST_F(GpuRuns, ContextsOfOnePlanOnTwoGpus) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  auto body = [&](uint32_t device) {
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.device = device;
    tn_context *context = nullptr;
    ASSERT_EQ(tn_context_create(session.plan, &options, &context), TN_OK) << tn_last_error();
    std::vector<float> x(8, float(device)), y(8);
    tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
    for (int run = 0; run < 200; ++run) {
      ASSERT_EQ(tn_run(context, &input, &output), TN_OK) << tn_last_message(context);
      for (size_t i = 0; i < 8; ++i)
        ASSERT_EQ(y[i], 2 * (float(device) + float(i)));
    }
    tn_context_destroy(context);
  };
  std::thread threads[] = {std::thread(body, 0), std::thread(body, 1), std::thread(body, 0)};
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_GT(driver.used[0], 0u); // the plan's weights are on both
  EXPECT_GT(driver.used[1], 0u);
}

} // namespace
} // namespace tenon::test
