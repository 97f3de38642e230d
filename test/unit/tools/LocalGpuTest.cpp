// What --target takes for a GPU: names that exist, whatever the GPU.
#include "tools/tenon/LocalGpu.h"
#include "tools/tenon/Failure.h"
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

std::string targetOf(uint32_t capability) {
  tn_device_info gpu{};
  gpu.capability = capability;
  return targetFor(gpu);
}

TEST(LocalGpu, AnArchitectureThatIsKnownIsItsOwn) {
  EXPECT_EQ(targetOf(75), "cuda:sm_75");
  EXPECT_EQ(targetOf(88), "cuda:sm_88");
  EXPECT_EQ(targetOf(90), "cuda:sm_90a"); // with the instructions that it alone has
  EXPECT_EQ(targetOf(103), "cuda:sm_103a");
  EXPECT_EQ(targetOf(121), "cuda:sm_121a");
}

TEST(LocalGpu, OthersRunThePtxOfTheNearestEarlierOne) {
  EXPECT_EQ(targetOf(101), "cuda:sm_100");
  EXPECT_EQ(targetOf(130), "cuda:sm_121");
  EXPECT_EQ(targetOf(70), ""); // there is none
}

TEST(LocalGpu, OtherTargetsStayAsTheyAre) {
  for (const char *targets : {"native", "cuda:sm_90a,jetson-orin", "cuda:sm_80+cublaslt", "", ",", "cuda:sm_90,", "cudax"})
    EXPECT_EQ(withLocalGpu(targets), targets);
  constexpr uint32_t kNone = 1000;
  for (const char *targets : {"cuda", "cuda:sm_80,cuda", "cuda+cublaslt"})
    try {
      withLocalGpu(targets, kNone);
      FAIL() << targets;
    } catch (const Failure &failure) {
      EXPECT_NE(std::string(failure.what()).find("name what to compile for, such as cuda:sm_90a"), std::string::npos) << failure.what();
    }
}
} // namespace
} // namespace tenon::driver
