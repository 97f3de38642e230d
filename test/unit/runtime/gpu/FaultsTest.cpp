// Each call of the driver fails once, in turn: an error that says so, nothing left behind, and the next run is right.
#include "test/unit/runtime/gpu/Session.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tenon::test {
namespace {

constexpr int kOutOfMemory = 2, kIllegalAddress = 700;

class GpuFaults : public OnFakeDriver {
protected:
  /// Opens, runs from the host, in place on the device and step by step; the first status that is not TN_OK.
  tn_status everything(Session &session, std::string *message) {
    tn_status status = steps(session);
    *message = status ? session.message() : "";
    return status;
  }

  tn_status steps(Session &session) {
    if (!session.context)
      if (tn_status status = session.start())
        return status;
    std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8}, y(8);
    tn_tensor host[2] = {vectorTensor(x, {8}), vectorTensor(y, {8})}, device[2] = {deviceTensor(onDevice[0], {8}), deviceTensor(onDevice[1], {8})};
    for (tn_tensor *tensors : {host, device}) {
      if (tn_status status = tn_run(session.context, &tensors[0], &tensors[1]))
        return status;
      for (size_t i = 0; i < 8; ++i)
        EXPECT_EQ(static_cast<float *>(tensors[1].data)[i], 2 * (static_cast<float *>(tensors[0].data)[i] + float(i)));
    }
    tn_profile(session.context, 1);
    tn_status status = tn_run(session.context, &host[0], &host[1]);
    tn_profile(session.context, 0);
    return status ? status : tn_run_async(session.context, &device[0], &device[1], nullptr);
  }

  void SetUp() override {
    OnFakeDriver::SetUp();
    tn_device_info gpu{};
    gpu.struct_size = sizeof gpu;
    ASSERT_EQ(tn_device_get_info(0, &gpu), TN_OK) << tn_last_error(); // opens the driver, which a process does once, whatever comes of it
    for (void *&memory : onDevice) {
      memory = tenonFakeAllocate(32, 0);
      std::fill_n(static_cast<float *>(memory), 8, 1.5f);
    }
  }
  void TearDown() override {
    for (void *memory : onDevice)
      tenonFakeRelease(memory);
    OnFakeDriver::TearDown();
  }

  void *onDevice[2] = {};
};

TEST_F(GpuFaults, OfEveryCall) {
  for (int failure : {kOutOfMemory, 999}) {
    bool wasReached = true;
    int failed = 0;
    for (int call = 1; wasReached; ++call) {
      Session session;
      ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
      driver.failure = failure;
      driver.failingCall = call;
      std::string message;
      tn_status status = everything(session, &message);
      wasReached = driver.failingCall == 0;
      driver.failingCall = 0;
      if (status) {
        ++failed;
        EXPECT_TRUE(status == TN_DEVICE || status == TN_OUT_OF_MEMORY) << "call " << call << ": " << tn_status_name(status);
        EXPECT_GT(message.size(), 20u) << "call " << call;
      }
      EXPECT_EQ(everything(session, &message), TN_OK) << "after call " << call << " failed: " << message;
    }
    EXPECT_GT(failed, 25); // of a few more calls, of which some only ask for what a driver need not know
  }
}

TEST_F(GpuFaults, ThatStay) {
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  std::string message;
  ASSERT_EQ(everything(session, &message), TN_OK) << message;
  driver.sticky = kIllegalAddress;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(everything(session, &message), TN_DEVICE);
    EXPECT_NE(message.find("error 700 of the fake driver (FAKE_700); a kernel of this process failed, which cannot use this GPU any more"),
              std::string::npos)
        << message;
  }
  session.close();
  driver.sticky = 0;
}

TEST_F(GpuFaults, NameTheKernelAndItsNode) {
  bool isNamed = false;
  for (int call = 1; call < 12; ++call) {
    Session session;
    ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
    ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
    std::vector<float> x(8), y(8);
    tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
    driver.failure = 701;
    driver.failingCall = call;
    tn_run(session.context, &input, &output);
    driver.failingCall = 0;
    isNamed |= session.message().find("launching kernel 'twice' of node '/Mul'") != std::string::npos;
  }
  EXPECT_TRUE(isNamed);
}

// A GPU that has failed says nothing but that; steps that are measured leave behind how far it came.
TEST_F(GpuFaults, OfKernelsAreNamedWhereStepsAreMeasured) {
  for (bool defers : {false, true})
    for (auto [kernel, sentence] :
         {std::pair("add", "running kernel 'add' of node '/Add': error 700"), {"twice", "running kernel 'twice' of node '/Mul': error 700"}})
      for (bool isMeasured : {true, false}) {
        Session session;
        ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
        ASSERT_EQ(session.start(), TN_OK) << tn_last_error();
        tn_profile(session.context, isMeasured);
        std::vector<float> x(8), y(8);
        tn_tensor input = vectorTensor(x, {8}), output = vectorTensor(y, {8});
        ASSERT_EQ(tn_run(session.context, &input, &output), TN_OK) << session.message();
        driver.defers = defers;
        driver.faulting = kernel;
        EXPECT_EQ(tn_run(session.context, &input, &output), TN_DEVICE);
        EXPECT_EQ(session.message().find(sentence) == 0, isMeasured) << session.message();
        EXPECT_NE(session.message().find("which cannot use this GPU any more"), std::string::npos) << session.message();
        // No kernel of the next run has failed.
        EXPECT_EQ(tn_run(session.context, &input, &output), TN_DEVICE);
        EXPECT_EQ(session.message().find("kernel '"), std::string::npos) << session.message();
        session.close();
        driver.sticky = 0, driver.defers = false, driver.faulting.clear();
      }
}

// The driver is opened once in a process: these have one of their own.
using GpuDriverDeathTest = OnFakeDriver;

[[noreturn]] void startAndTell(tenon::test::FakeDriver &driver, int version, int devices) {
  driver.version = version;
  driver.devices = devices;
  Session session;
  session.open(gpuPlan());
  tn_status status = session.start();
  fprintf(stderr, "%s: %s\n", tn_status_name(status), tn_last_error());
  session.close();
  std::exit(status);
}

TEST_F(GpuDriverDeathTest, TooOldOrWithoutGpus) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(startAndTell(driver, 11080, 1), ::testing::ExitedWithCode(TN_DEVICE), "the NVIDIA driver supports CUDA 11.8; 12.0 or newer is needed");
  EXPECT_EXIT(startAndTell(driver, 12040, 0), ::testing::ExitedWithCode(TN_DEVICE), "the driver shows no GPU");
}

TEST_F(GpuFaults, OfTheWrongGpu) {
  driver.capability = 75; // the plan's code is for sm_90
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  EXPECT_EQ(session.start(), TN_WRONG_TARGET);
  EXPECT_NE(session.message().find("holds code for sm_90, and GPU 0 (Fake GPU) is sm_75; compile with --target cuda:sm_75"), std::string::npos)
      << session.message();
  // What it names exists.
  driver.capability = 82;
  EXPECT_EQ(session.start(), TN_WRONG_TARGET);
  EXPECT_NE(session.message().find("is sm_82; compile with --target cuda:sm_80"), std::string::npos) << session.message();
  driver.capability = 70;
  EXPECT_EQ(session.start(), TN_WRONG_TARGET);
  EXPECT_NE(session.message().find("is sm_70; the first that can be compiled for is sm_75"), std::string::npos) << session.message();
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.device = 7;
  EXPECT_EQ(session.start(&options), TN_DEVICE);
  EXPECT_NE(session.message().find("GPU 7 does not exist; the driver shows 2"), std::string::npos) << session.message();
}

// Machine code of a newer ptxas than the driver knows, beside PTX that it knows, and the other way round.
TEST_F(GpuFaults, OfAnImageLeaveTheNextOne) {
  constexpr int kInvalidImage = 200, kNoBinaryForGpu = 209, kInvalidPtx = 218, kNoPtxCompiler = 221, kUnsupportedPtx = 222, kPtxCompilerIsOff = 223;
  for (int refusal : {kInvalidImage, kNoBinaryForGpu, kInvalidPtx, kNoPtxCompiler, kUnsupportedPtx, kPtxCompilerIsOff}) {
    driver.machineCode = refusal;
    Session session;
    ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
    std::string message;
    EXPECT_EQ(everything(session, &message), TN_OK) << refusal << ": " << message;
  }
  driver.ptx = kUnsupportedPtx;
  Session session;
  ASSERT_EQ(session.open(gpuPlan()), TN_OK) << tn_last_error();
  EXPECT_EQ(session.start(), TN_WRONG_TARGET);
  EXPECT_EQ(session.message(),
            "the driver cannot load the plan's code on GPU 0 (Fake GPU): machine code for sm_90: error 223 of the fake driver (FAKE_223); "
            "PTX for sm_90: error 222 of the fake driver (FAKE_222). Update the driver or compile for sm_90");
  driver.machineCode = 999; // says nothing about the image
  EXPECT_EQ(session.start(), TN_DEVICE);
  EXPECT_NE(session.message().find("loading the plan's code (33 bytes of machine code): error 999"), std::string::npos) << session.message();
  driver.machineCode = 0;
  EXPECT_EQ(session.start(), TN_OK) << session.message();
}

} // namespace
} // namespace tenon::test
