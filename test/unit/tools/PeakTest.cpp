// Peaks of GPUs, against NVIDIA's data sheets: operations a second without sparsity, at the boost clock.
#include "tools/tenon/Peak.h"

#include <cstdio>
#include <gtest/gtest.h>

using namespace tenon::driver;

namespace {

struct Card {
  const char *name;
  uint32_t capability, multiprocessors, megahertz;
  double f32, half, tf32, i8, f8; // 1e12 a second
};

class PeakOfGpus : public testing::TestWithParam<Card> {};

TEST_P(PeakOfGpus, IsThatOfTheDataSheet) {
  const Card &card = GetParam();
  tn_device_info info{};
  std::snprintf(info.name, sizeof info.name, "%s", card.name);
  info.capability = card.capability;
  info.multiprocessors = card.multiprocessors;
  info.clock_khz = card.megahertz * 1000;
  info.bytes_per_s = 1'000'000;
  Peak peak = peakOf(info);
  const std::pair<Arithmetic, double> expected[] = {{Arithmetic::F32, card.f32},   {Arithmetic::F16, card.half},
                                                    {Arithmetic::TF32, card.tf32}, {Arithmetic::ThreeTF32, card.tf32 / 3},
                                                    {Arithmetic::I8, card.i8},     {Arithmetic::F8, card.f8}};
  for (auto [arithmetic, rate] : expected)
    EXPECT_NEAR(peak.flopsOf(arithmetic) * 1e-12, rate, 0.03 * rate) << arithmeticText(arithmetic); // data sheets round, and clocks have steps
  EXPECT_EQ(peak.bytes, 1e6);
}

INSTANTIATE_TEST_SUITE_P(
    Cards, PeakOfGpus,
    testing::Values(Card{"Tesla T4", 75, 40, 1590, 8.1, 65, 0, 130, 0}, Card{"NVIDIA GeForce RTX 2080 Ti", 75, 68, 1545, 13.4, 53.8, 0, 215.2, 0},
                    Card{"NVIDIA A100-SXM4-80GB", 80, 108, 1410, 19.5, 312, 156, 624, 0}, Card{"NVIDIA A10", 86, 72, 1695, 31.2, 125, 62.5, 250, 0},
                    Card{"NVIDIA GeForce RTX 3090", 86, 82, 1695, 35.6, 71, 35.6, 284, 0}, Card{"NVIDIA L4", 89, 58, 2040, 30.3, 121, 60.5, 242, 242},
                    Card{"NVIDIA L40", 89, 142, 2490, 90.5, 181, 90.5, 362, 362}, Card{"NVIDIA L40S", 89, 142, 2520, 91.6, 366, 183, 733, 733},
                    Card{"NVIDIA GeForce RTX 4090", 89, 128, 2520, 82.6, 165.2, 82.6, 660.6, 330.3},
                    Card{"NVIDIA H100 80GB HBM3", 90, 132, 1830, 61.8, 989, 495, 1979, 1979}),
    [](const testing::TestParamInfo<Card> &card) {
      std::string name = card.param.name;
      std::erase_if(name, [](char letter) { return !std::isalnum(static_cast<unsigned char>(letter)); });
      return name;
    });

TEST(PeakOfGpus, BeforeMatrixUnitsIsUnknown) {
  tn_device_info info{};
  info.capability = 61;
  EXPECT_EQ(peakOf(info).flopsOf(Arithmetic::F16), 0);
}

} // namespace
