// Kernels that cuDNN computes: how they are called, and what is said where it is not there or cannot.
#include "test/unit/runtime/gpu/FakeCudnn.h"
#include "test/unit/runtime/gpu/Session.h"

#include <cstdlib>
#include <dlfcn.h>
#include <numeric>

namespace tenon::test {
namespace {

class GpuConvolutions : public OnFakeDriver {
protected:
  void SetUp() override {
    OnFakeDriver::SetUp();
    setenv("TENON_CUDNN", TENON_FAKE_CUDNN, 1);
    void *opened = dlopen(TENON_FAKE_CUDNN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(opened) << dlerror();
    auto control = reinterpret_cast<FakeCudnn *(*)()>(dlsym(opened, "tenonFakeCudnn"));
    ASSERT_TRUE(control);
    library = control();
    *library = FakeCudnn();
  }
  void TearDown() override {
    OnFakeDriver::TearDown();
    for (const auto &[kind, count] : library->alive)
      EXPECT_EQ(count, 0) << "left: " << kind;
  }

  /// What is under the window at every second place of 4 x 3 pixels, 0 to 23 in their two channels, from a bias on and clipped.
  std::vector<float> expected() const {
    std::vector<float> values;
    for (int row = 0; row < 4; row += 2)
      for (int column = 0; column < 3; column += 2)
        for (int filter = 0; filter < 4; ++filter) {
          int sum = 1 + filter;
          for (int y = std::max(row - 1, 0); y <= std::min(row + 1, 3); ++y)
            for (int x = std::max(column - 1, 0); x <= std::min(column + 1, 2); ++x)
              sum += 2 * (3 * y + x) + filter % 2;
          values.push_back(float(std::min(sum, 20)));
        }
    return values;
  }

  tn_status runTwice(Session &session) {
    std::vector<float> x(24), y(16);
    std::iota(x.begin(), x.end(), 0.0f);
    tn_tensor input = vectorTensor(x, {1, 4, 3, 2}), output = vectorTensor(y, {1, 2, 2, 4});
    for (int run = 0; run < 2; ++run) {
      std::fill(y.begin(), y.end(), -1.0f);
      if (tn_status status = tn_run(session.context, &input, &output))
        return status;
      EXPECT_EQ(y, expected());
    }
    return TN_OK;
  }

  FakeCudnn *library = nullptr;
};

TEST_F(GpuConvolutions, ComputeInTheGraphOfARun) {
  driver.defers = true;
  Session session;
  ASSERT_EQ(session.open(convolutionPlan()), TN_OK) << tn_last_error();
  ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
  ASSERT_EQ(runTwice(session), TN_OK) << session.message();
  EXPECT_EQ(driver.captures, 1);
  EXPECT_EQ(library->executions, 2);
  EXPECT_EQ(library->lastEngine, 3); // the first one that gives the same bytes each time, can be had, and has the workspace that it wants
}

TEST_F(GpuConvolutions, FailAtEveryCall) {
  bool wasReached = true;
  int failed = 0;
  for (int call = 1; wasReached; ++call) {
    Session session;
    ASSERT_EQ(session.open(convolutionPlan()), TN_OK) << tn_last_error();
    library->failingCall = call;
    tn_status status = session.start();
    status = status ? status : runTwice(session);
    wasReached = library->failingCall == 0;
    library->failingCall = 0;
    if (status) {
      ++failed;
      EXPECT_TRUE(status == TN_DEVICE || status == TN_WRONG_TARGET) << "call " << call << ": " << tn_status_name(status);
      EXPECT_NE(session.message().find("cuDNN 9.19"), std::string::npos) << session.message();
    }
    if (session.context)
      EXPECT_EQ(runTwice(session), TN_OK) << "after call " << call << " failed: " << session.message();
  }
  EXPECT_GE(failed, 60);
}

TEST_F(GpuConvolutions, SayWhereTheyHaveNoEngine) {
  library->engines = 3;
  Session session;
  ASSERT_EQ(session.open(convolutionPlan()), TN_OK) << tn_last_error();
  EXPECT_EQ(session.start(), TN_WRONG_TARGET);
  EXPECT_NE(session.message().find(
                "step 0, kernel 'convolution' of node '/Conv': cuDNN 9.19 proposes 3 engines (CUDNN_STATUS_SUCCESS), none of them usable from "
                "number 0 on, for 3 x 3 filters of 2 channels over 4 x 3 f32; tune again, or compile without --libraries cudnn"),
            std::string::npos)
      << session.message();
}

[[noreturn]] void startAndTell(const char *path) {
  setenv("TENON_CUDNN", path, 1);
  Session session;
  session.open(convolutionPlan());
  tn_status status = session.start();
  fprintf(stderr, "%s: %s\n", tn_status_name(status), tn_last_error());
  session.close();
  std::exit(status);
}

using GpuConvolutionsDeathTest = GpuConvolutions;

TEST_F(GpuConvolutionsDeathTest, WithoutALibrary) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(startAndTell("/nonexistent/libcudnn.so"), ::testing::ExitedWithCode(TN_WRONG_TARGET),
              "cuDNN compute kernels, which cannot be opened .TENON_CUDNN: .*nonexistent.*; set TENON_CUDNN to the path of cuDNN 9, or compile "
              "without --libraries cudnn");
  library->version = 8907;
  EXPECT_EXIT(startAndTell(TENON_FAKE_CUDNN), ::testing::ExitedWithCode(TN_WRONG_TARGET), "where 9 is expected");
}

} // namespace
} // namespace tenon::test
