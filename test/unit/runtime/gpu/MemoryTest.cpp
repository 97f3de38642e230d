// Memory of the application that a GPU cannot use, and memory that is not there.
#include "test/unit/runtime/gpu/Session.h"

#include "runtime/plan/PlanFormat.h"

#include <cstring>
#include <regex>
#include <sys/mman.h>

namespace tenon::test {
namespace {

class GpuMemory : public OnFakeDriver {
protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
    ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
    std::vector<float> host(8);
    tn_tensor input = vectorTensor(host, {8}), output = input;
    ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message(); // has the context's own memory from here on
    x = tenonFakeAllocate(32, 0), y = tenonFakeAllocate(32, 0), elsewhere = tenonFakeAllocate(32, 1), small = tenonFakeAllocate(16, 0);
  }
  void TearDown() override {
    for (void *memory : {x, y, elsewhere, small})
      tenonFakeRelease(memory);
    session.close();
    OnFakeDriver::TearDown();
  }
  void refused(void *input, void *output, const char *sentence, bool isAsync = true) {
    tn_tensor in = deviceTensor(input, {8}), out = deviceTensor(output, {8});
    int launches = driver.launches;
    tn_status status = isAsync ? tn_run_async(session.context, &in, &out, nullptr) : tn_run(session.context, &in, &out);
    EXPECT_EQ(status, TN_INVALID_ARGUMENT) << sentence;
    EXPECT_EQ(session.message(), sentence);
    EXPECT_EQ(driver.launches, launches);
    tn_tensor good[2] = {deviceTensor(x, {8}), deviceTensor(y, {8})};
    EXPECT_EQ(tn_run_async(session.context, &good[0], &good[1], nullptr), TN_OK) << session.message();
  }

  Session session;
  void *x = nullptr, *y = nullptr, *elsewhere = nullptr, *small = nullptr;
};

TEST_F(GpuMemory, OfTheHostIsNoneForQueuedRuns) {
  std::vector<float> host(8);
  refused(host.data(), y, "input 'x' is not in the GPU's memory, as tn_run_async wants it");
  refused(x, host.data(), "output 'y' is not in the GPU's memory, as tn_run_async wants it");
  refused(x, nullptr, "output 'y' is not in the GPU's memory, as tn_run_async wants it");
}

TEST_F(GpuMemory, OfAnotherGpuIsRefused) {
  for (bool isAsync : {true, false}) {
    refused(elsewhere, y, "input 'x' is in the memory of GPU 1, the context runs on GPU 0", isAsync);
    refused(x, elsewhere, "output 'y' is in the memory of GPU 1, the context runs on GPU 0", isAsync);
  }
}

TEST_F(GpuMemory, ThatIsShorterThanSaidIsRefused) {
  for (bool isAsync : {true, false}) {
    refused(small, y, "input 'x' needs 32 bytes, of which 16 are outside the memory that was allocated there", isAsync);
    refused(x, static_cast<char *>(y) + 8, "output 'y' needs 32 bytes, of which 8 are outside the memory that was allocated there", isAsync);
  }
}

TEST_F(GpuMemory, ThatWasFreedIsRefused) {
  void *freed = tenonFakeAllocate(32, 0);
  tenonFakeRelease(freed);
  refused(freed, y, "input 'x' is not in the GPU's memory, as tn_run_async wants it");
}

/// Addresses that are nobody's, as the driver leaves them where memory of a GPU was freed.
struct Nothing {
  static constexpr size_t kBytes = 1 << 16;
  void *address = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ~Nothing() { munmap(address, kBytes); }
  std::string sentence(const char *tensor) const {
    char text[128];
    snprintf(text, sizeof text, "%s is at %p, where neither the GPU nor this process has memory; was it freed?", tensor, address);
    return text;
  }
};

TEST_F(GpuMemory, ThatWasFreedIsNotTakenForTheHosts) {
  Nothing nothing;
  refused(nothing.address, y, nothing.sentence("input 'x'").c_str(), false);
  refused(x, nothing.address, nothing.sentence("output 'y'").c_str(), false);
}

// What was memory of the host in the last run may have become a GPU's, and be freed since.
TEST_F(GpuMemory, IsLookedAtAgainWhereTheDriverKnewIt) {
  Nothing place;
  ASSERT_EQ(mprotect(place.address, place.kBytes, PROT_READ | PROT_WRITE), 0);
  tn_tensor in = deviceTensor(place.address, {8}), out = deviceTensor(y, {8});
  EXPECT_EQ(tn_run(session.context, &in, &out), TN_OK) << session.message();
  tenonFakeAdopt(place.address, 32, 0);
  EXPECT_EQ(tn_run(session.context, &in, &out), TN_OK) << session.message();
  tenonFakeDisown(place.address);
  mprotect(place.address, place.kBytes, PROT_NONE);
  refused(place.address, y, place.sentence("input 'x'").c_str(), false);
}

class GpuMemoryLimit : public OnFakeDriver {};

TEST_F(GpuMemoryLimit, SaysHowMuchWasNeededAndGoesOn) {
  Session session;
  ASSERT_EQ(session.open(dynamicGpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  std::vector<float> a(4000, 1.0f), b(4000, 2.0f);
  tn_tensor inputs[2] = {vectorTensor(a, {1000, 4}), vectorTensor(b, {1000, 4})}, outputs[2] = {};
  driver.memory = 60'000;
  EXPECT_EQ(tn_run(session.context, inputs, outputs), TN_OUT_OF_MEMORY);
  std::regex sentence("the arena, inputs and outputs: [0-9]+ bytes of the GPU's memory are needed, 60000 of 60000 are free");
  EXPECT_TRUE(std::regex_match(session.message(), sentence)) << session.message();
  driver.memory = 1 << 20;
  driver.pinned = 1000;
  EXPECT_EQ(tn_run(session.context, inputs, outputs), TN_OUT_OF_MEMORY);
  EXPECT_TRUE(std::regex_match(session.message(), std::regex("the staging memory .* bytes of pinned memory cannot be had"))) << session.message();
  driver.pinned = 1 << 20;
  ASSERT_EQ(tn_run(session.context, inputs, outputs), TN_OK) << session.message();
  EXPECT_EQ(static_cast<float *>(outputs[0].data)[3999], 8.0f);
}

TEST_F(GpuMemoryLimit, OfTheApplicationCountsTheDevices) {
  Session session;
  ASSERT_EQ(session.open(dynamicGpuPlan()), TN_OK) << tn_last_error();
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.max_bytes = 100'000;
  ASSERT_EQ(session.start(&options), TN_OK) << tn_last_error();
  uint64_t before = tn_context_bytes(session.context);
  std::vector<float> a(4000, 1.0f), b(4000, 2.0f);
  tn_tensor inputs[2] = {vectorTensor(a, {100, 4}), vectorTensor(b, {100, 4})}, outputs[2] = {};
  ASSERT_EQ(tn_run(session.context, inputs, outputs), TN_OK) << session.message();
  EXPECT_GE(tn_context_bytes(session.context), before + driver.used[0] + driver.usedPinned);
  inputs[0].dims[0] = inputs[1].dims[0] = 1000;
  inputs[0].bytes = inputs[1].bytes = 16'000;
  EXPECT_EQ(tn_run(session.context, inputs, outputs), TN_LIMIT);
  EXPECT_NE(session.message().find("above the context's limit of 100000 (max_bytes)"), std::string::npos) << session.message();
  inputs[0].dims[0] = inputs[1].dims[0] = 100;
  ASSERT_EQ(tn_run(session.context, inputs, outputs), TN_OK) << session.message();
  EXPECT_EQ(static_cast<float *>(outputs[0].data)[399], 8.0f);
}

TEST_F(GpuMemoryLimit, OfWeights) {
  driver.memory = 16;
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  EXPECT_EQ(session.start(), TN_OUT_OF_MEMORY);
  EXPECT_TRUE(std::regex_match(session.message(), std::regex("the weights: [0-9]+ bytes of the GPU's memory are needed, 16 of 16 are free")))
      << session.message();
  driver.memory = 1 << 20;
  EXPECT_EQ(session.start(), TN_OK) << session.message();
}

// Where the driver needs memory of its own it does not say how much: then it says for what, and what there is.
TEST_F(GpuMemoryLimit, OfTheDriversOwn) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  std::vector<float> x(8), y(8);
  tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
  struct {
    const char *call, *sentence;
  } cases[] = {
      {"cuDevicePrimaryCtxRetain", "opening GPU 0 \\(Fake GPU, 1048576 bytes of memory\\): error 2 of the fake driver \\(FAKE_2\\)"},
      {"cuModuleLoadData",
       "loading the plan's code \\([0-9]+ bytes of machine code\\): error 2 .*; 1048576 of 1048576 bytes of the GPU's memory are free"},
      {"cuGraphInstantiateWithFlags", "making a graph of 2 steps: error 2 .*; [0-9]+ of 1048576 bytes of the GPU's memory are free"},
  };
  for (auto [call, sentence] : cases) {
    driver.results = {{call, 2}};
    tn_status status = session.start();
    EXPECT_EQ(status ? status : tn_run(session.context, &input, &output), TN_OUT_OF_MEMORY) << call;
    EXPECT_TRUE(std::regex_match(session.message(), std::regex(sentence))) << session.message();
    driver.results = {};
    if (session.context)
      EXPECT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
  }
}

TEST_F(GpuMemoryLimit, IsNotWhatABrokenContextSays) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  std::vector<float> x(8), y(8);
  tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
  driver.results = {{"cuMemAllocHost_v2", 700}};
  EXPECT_EQ(tn_run(session.context, &input, &output), TN_DEVICE);
  EXPECT_EQ(
      session.message().find("the staging memory for inputs and outputs: error 700 of the fake driver (FAKE_700); a kernel of this process failed"),
      0u)
      << session.message();
}

// Whatever the driver does of a copy after it has returned.
TEST_F(GpuMemoryLimit, OfWeightsHoldsThemBeforeTheFirstRun) {
  driver.defers = true;
  Session session;
  plan::Plan data = gpuPlan();
  ASSERT_EQ(session.open(data), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << session.message();
  EXPECT_EQ(tenonFakePending(), 0u);
  const void *weights = tenonFakeContents(data.constants[0].bytes, 0);
  ASSERT_TRUE(weights);
  EXPECT_EQ(memcmp(weights, data.constants[0].data, data.constants[0].bytes), 0);
}

/// An arena of the application's on the device.
class GpuArena : public OnFakeDriver {
protected:
  tn_status start(void *arena, size_t bytes) {
    session.close();
    EXPECT_EQ(session.open(dynamicGpuPlan()), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.arena = arena;
    options.arena_bytes = bytes;
    return session.start(&options);
  }
  /// y = 2 * (a + b + a), z = a of [n, 4].
  tn_status run(int64_t n) {
    std::vector<float> a(size_t(4 * n), 3.0f), b(size_t(4 * n), 1.0f), y(size_t(4 * n)), z(size_t(4 * n));
    tn_tensor inputs[2] = {vectorTensor(a, {n, 4}), vectorTensor(b, {n, 4})}, outputs[2] = {vectorTensor(y, {n, 4}), vectorTensor(z, {n, 4})};
    tn_status status = tn_run(session.context, inputs, outputs);
    if (!status)
      EXPECT_EQ(y, std::vector<float>(size_t(4 * n), 14.0f));
    return status;
  }
  size_t neededFor(int64_t n) {
    tn_tensor inputs[2] = {};
    for (tn_tensor &input : inputs)
      input.rank = 2, input.dims[0] = n, input.dims[1] = 4;
    tn_layout *layout = nullptr;
    EXPECT_EQ(tn_layout_create(session.plan, inputs, &layout), TN_OK) << tn_last_error();
    tn_memory_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(tn_layout_memory(layout, &info), TN_OK);
    tn_layout_destroy(layout);
    return info.arena_bytes;
  }
  void TearDown() override {
    session.close();
    OnFakeDriver::TearDown();
  }

  Session session;
};

TEST_F(GpuArena, IsWhatRunsUse) {
  ASSERT_EQ(start(nullptr, 0), TN_OK) << session.message();
  size_t bytes = neededFor(100);
  ASSERT_EQ(run(100), TN_OK) << session.message();
  size_t withOwn = driver.used[0];
  void *arena = tenonFakeAllocate(bytes, 0);
  ASSERT_EQ(start(arena, bytes), TN_OK) << session.message();
  std::memset(arena, 0, bytes);
  for (int64_t n : {100, 7, 100})
    ASSERT_EQ(run(n), TN_OK) << session.message();
  EXPECT_LE(driver.used[0], withOwn + 256); // with the arena: nothing is there twice
  EXPECT_NE(*static_cast<float *>(arena), 0.0f);
  EXPECT_EQ(run(101), TN_OUT_OF_ARENA);
  EXPECT_EQ(session.message().find("the arena given has " + std::to_string(bytes) + " bytes, these shapes need "), 0u) << session.message();
  ASSERT_EQ(run(100), TN_OK) << session.message();
  std::vector<float> b(4);
  tn_tensor inputs[2] = {deviceTensor(arena, {1, 4}), vectorTensor(b, {1, 4})}, outputs[2] = {};
  EXPECT_EQ(tn_run(session.context, inputs, outputs), TN_INVALID_ARGUMENT);
  EXPECT_NE(session.message().find("lies in the context's own memory"), std::string::npos) << session.message();
  inputs[0] = inputs[1];
  outputs[0] = deviceTensor(arena, {1, 4});
  EXPECT_EQ(tn_run(session.context, inputs, outputs), TN_INVALID_ARGUMENT);
  EXPECT_NE(session.message().find("lies in the arena given, which the run overwrites"), std::string::npos) << session.message();
  session.close();
  tenonFakeRelease(arena);
}

TEST_F(GpuArena, IsInTheMemoryOfTheContextsGpu) {
  std::vector<float> host(1024);
  void *elsewhere = tenonFakeAllocate(4096, 1), *here = tenonFakeAllocate(4096, 0);
  for (void *wrong : {static_cast<void *>(host.data()), elsewhere}) {
    EXPECT_EQ(start(wrong, 4096), TN_INVALID_ARGUMENT);
    EXPECT_EQ(session.message(), "the arena given is not in the memory of GPU 0, on which the context runs");
  }
  EXPECT_EQ(start(here, 5000), TN_INVALID_ARGUMENT);
  EXPECT_EQ(session.message(), "the arena given has 5000 bytes, of which 904 are outside the memory that was allocated there");
  ASSERT_EQ(start(static_cast<char *>(here) + 4, 4092), TN_OK) << session.message();
  EXPECT_EQ(run(1), TN_INVALID_ARGUMENT);
  EXPECT_NE(session.message().find("it must be aligned to"), std::string::npos) << session.message();
  session.close();
  tenonFakeRelease(elsewhere);
  tenonFakeRelease(here);
}

/// Weights that several threads bring to the device.
class GpuLargeWeights : public OnFakeDriver {
protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    driver.memory = driver.pinned = size_t(1) << 27;
    for (size_t i = 0; i < large.size(); ++i)
      large[i] = uint32_t(i * 2654435761u);
    data.constants.push_back({"large", large.data(), large.size() * sizeof large[0]});
    bytes = plan::writePlanToMemory(data);
    open();
  }
  void TearDown() override {
    session.close();
    OnFakeDriver::TearDown();
  }
  void open() {
    session.close();
    ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &session.plan), TN_OK) << tn_last_error();
  }
  bool areThere() const {
    size_t bytes = large.size() * sizeof large[0];
    auto *memory = static_cast<const char *>(tenonFakeContents(bytes, 0));
    return memory && memcmp(memory + plan::alignUp(data.constants[0].bytes, plan::kConstantAlignment), large.data(), bytes) == 0;
  }

  std::vector<uint32_t> large = std::vector<uint32_t>((size_t(64) << 18) + 77); // 64 MB and a bit
  plan::Plan data = gpuPlan();
  std::vector<std::byte> bytes;
  Session session;
};

TEST_F(GpuLargeWeights, ArriveWhole) {
  driver.defers = true;
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  EXPECT_TRUE(areThere());
  EXPECT_EQ(driver.usedPinned, 0u);
}

TEST_F(GpuLargeWeights, NeedNoPinnedMemory) {
  driver.pinned = 1 << 10;
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  EXPECT_TRUE(areThere());
}

TEST_F(GpuLargeWeights, AnyCallOfTheDriverMayFail) {
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error(); // a process opens the driver once
  open();
  constexpr int kIoError = 999;
  driver.failure = kIoError;
  int failed = 0;
  bool wasReached = true;
  // Some of the calls: FaultsTest.cpp has those of small weights fail, and here each of 33 pieces is copied, and waits for the one before.
  constexpr int kStep = 7;
  for (int call = 1; wasReached; call += kStep) {
    driver.failingCall = call;
    tn_status status = session.start();
    wasReached = driver.failingCall == 0;
    driver.failingCall = 0;
    failed += status != TN_OK;
    EXPECT_TRUE(status == TN_OK || status == TN_DEVICE) << call << ": " << tn_status_name(status);
    if (status == TN_OK)
      EXPECT_TRUE(areThere()) << call;
    open();
    EXPECT_EQ(driver.used[0] + driver.usedPinned, 0u) << call;
  }
  EXPECT_GT(failed, 6);
}

} // namespace
} // namespace tenon::test
