// Kernels that cublasLt computes: how they are called, and what is said where it is not there or cannot.
#include "test/unit/runtime/gpu/FakeCublasLt.h"
#include "test/unit/runtime/gpu/Session.h"

#include <cstdlib>
#include <dlfcn.h>

namespace tenon::test {
namespace {

// A process opens a library once: tests that need another one, or none, run in processes of their own.
class GpuLibraries : public OnFakeDriver {
protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    setenv("TENON_CUBLASLT", TENON_FAKE_CUBLASLT, 1);
    void *opened = dlopen(TENON_FAKE_CUBLASLT, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(opened) << dlerror();
    auto control = reinterpret_cast<FakeCublasLt *(*)()>(dlsym(opened, "tenonFakeCublasLt"));
    ASSERT_TRUE(control);
    library = control();
    *library = FakeCublasLt();
  }
  void TearDown() override {
    OnFakeDriver::TearDown();
    for (const auto &[kind, count] : library->alive)
      EXPECT_EQ(count, 0) << "left: " << kind;
  }

  /// Runs twice, so that the second one launches what was captured, and once step by step; the first status that is not TN_OK.
  tn_status runThrice(Session &session) {
    std::vector<float> x = {1, 2, 3, 4, -1, -2, -3, -4}, z(8);
    // relu(x w' + b) + x
    const std::vector<float> expected = {1.5f + 1, 0 + 2, 9 + 3, 10 + 4, 0 - 1, 2 - 2, 0 - 3, 0 - 4};
    tn_tensor input = vectorTensor(x, {2, 4}), output = vectorTensor(z, {2, 4});
    for (int run = 0; run < 3; ++run) {
      tn_profile(session.context, run == 2);
      std::fill(z.begin(), z.end(), 0.0f);
      if (tn_status status = tn_run(session.context, &input, &output))
        return status;
      EXPECT_EQ(z, expected) << run;
    }
    return TN_OK;
  }

  FakeCublasLt *library = nullptr;
};

TEST_F(GpuLibraries, ComputeInTheGraphOfARun) {
  driver.defers = true;
  Session session;
  ASSERT_EQ(session.open(libraryPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  ASSERT_EQ(runThrice(session), TN_OK) << session.message();
  EXPECT_EQ(driver.captures, 1);
  EXPECT_EQ(driver.graphLaunches, 2);
  EXPECT_EQ(library->products, 3);
  EXPECT_EQ(library->lastAlgorithm, 2u);   // the second of those that are usable
  EXPECT_EQ(library->lastWorkspace, 512u); // of 768 bytes, behind a multiple of 256
}

TEST_F(GpuLibraries, KernelsBehindThemDoNotStartEarly) {
  // Two launches of its own: the second one may start while the first one ends. What a library does tells nobody when it ends.
  for (auto [plan, early] : {std::pair(gpuPlan(), 1), {libraryPlan(), 0}}) {
    driver.earlyLaunches = 0;
    Session session;
    ASSERT_EQ(session.open(plan), TN_OK) << tn_last_error();
    ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
    std::vector<float> x(8), y(8);
    tn_tensor input = vectorTensor(x, {2, 4}), output = vectorTensor(y, {2, 4});
    if (early)
      input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
    ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
    EXPECT_EQ(driver.earlyLaunches, early);
  }
}

TEST_F(GpuLibraries, AddWhatTheirOperandsHold) {
  plan::Plan plan = libraryPlan();
  plan.kernels[2].library->added = plan.kernels[2].library->left;
  plan.kernels[2].library->activation = plan::Activation::None;
  Session session;
  ASSERT_EQ(session.open(plan), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  std::vector<float> x = {1, 2, 3, 4, -1, -2, -3, -4}, z(8);
  tn_tensor input = vectorTensor(x, {2, 4}), output = vectorTensor(z, {2, 4});
  ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
  EXPECT_EQ(z, (std::vector<float>{1.5f + 2, -2 + 4, 9 + 6, 10 + 8, -0.5f - 2, 2 - 4, -11 - 6, -10 - 8}));
}

TEST_F(GpuLibraries, FailAtEveryCall) {
  bool wasReached = true;
  int failed = 0;
  for (int call = 1; wasReached; ++call) {
    Session session;
    ASSERT_EQ(session.open(libraryPlan()), TN_OK) << tn_last_error();
    library->failingCall = call;
    tn_status status = session.start();
    status = status ? status : runThrice(session);
    wasReached = library->failingCall == 0;
    library->failingCall = 0;
    if (status) {
      ++failed;
      EXPECT_TRUE(status == TN_DEVICE || status == TN_WRONG_TARGET) << "call " << call << ": " << tn_status_name(status);
      EXPECT_NE(session.message().find("cublasLt 13.1"), std::string::npos) << session.message();
      EXPECT_NE(session.message().find("FAKE_STATUS"), std::string::npos) << session.message();
    }
    if (session.context)
      EXPECT_EQ(runThrice(session), TN_OK) << "after call " << call << " failed: " << session.message();
  }
  EXPECT_GE(failed, 12);
}

TEST_F(GpuLibraries, SayWhereTheyHaveNoAlgorithm) {
  for (auto [usable, sentence] :
       {std::pair(1, "proposes 1 algorithms (CUBLAS_STATUS_SUCCESS) for products of 2 x 4 by 4 x 4 f32, number 1 is wanted, as another version had "
                     "it: tune again, or"),
        {0, "proposes 0 algorithms (CUBLAS_STATUS_SUCCESS) for products of 2 x 4 by 4 x 4 f32, number 1 is wanted; compile without"}}) {
    library->usable = usable;
    Session session;
    ASSERT_EQ(session.open(libraryPlan()), TN_OK) << tn_last_error();
    EXPECT_EQ(session.start(), TN_WRONG_TARGET);
    EXPECT_NE(session.message().find("step 0, kernel 'product' of node '/Gemm': cublasLt 13.1 "), std::string::npos) << session.message();
    EXPECT_NE(session.message().find(sentence), std::string::npos) << session.message();
    EXPECT_NE(session.message().find("compile without --libraries cublaslt"), std::string::npos) << session.message();
  }
}

[[noreturn]] void startAndTell(const char *path) {
  setenv("TENON_CUBLASLT", path, 1);
  Session session;
  session.open(libraryPlan());
  tn_status status = session.start();
  fprintf(stderr, "%s: %s\n", tn_status_name(status), tn_last_error());
  session.close();
  std::exit(status);
}

using GpuLibrariesDeathTest = GpuLibraries;

TEST_F(GpuLibrariesDeathTest, ThatAreNotThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(startAndTell("/nonexistent/libcublasLt.so"), ::testing::ExitedWithCode(TN_WRONG_TARGET),
              "cublasLt compute kernels, which cannot be opened .TENON_CUBLASLT: .*nonexistent.*; set TENON_CUBLASLT to the path .* or compile "
              "without --libraries cublaslt");
  EXPECT_EXIT(startAndTell(TENON_FAKE_PROFILER), ::testing::ExitedWithCode(TN_WRONG_TARGET), "the one here lacks cublasLtCreate");
  library->version = 110803;
  EXPECT_EXIT(startAndTell(TENON_FAKE_CUBLASLT), ::testing::ExitedWithCode(TN_WRONG_TARGET), "is version 11.8, where 12 or 13 is expected");
}

} // namespace
} // namespace tenon::test
