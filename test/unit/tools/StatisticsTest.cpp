// What an interrupted quantization leaves: the same numbers back, of the same keys only, and nothing from damaged bytes.
#include "runtime/plan/Checksum.h"
#include "tools/tenon/quantize/Statistics.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

constexpr StatisticsKeys kKeys{7, 11};

Statistics sample() {
  Statistics statistics;
  float values[] = {-3.5f, 0, 1e-30f, 2, 2, 1e30f};
  EXPECT_TRUE(statistics.tensors["a"].add(values, 6));
  EXPECT_TRUE(statistics.tensors["b"].add(values, 3));
  statistics.runs = 300;
  statistics.errorSums = {0.25, 1e-9};
  statistics.errorRuns = 2;
  statistics.scores = {{"", 0.811}, {"01", -INFINITY}};
  return statistics;
}

TEST(Statistics, NumbersComeBack) {
  Statistics found, given = sample();
  ASSERT_TRUE(parseStatistics(statisticsBytes(given, kKeys), kKeys, found));
  EXPECT_EQ(found.runs, 300);
  EXPECT_EQ(found.errorSums, given.errorSums);
  EXPECT_EQ(found.errorRuns, 2);
  EXPECT_EQ(found.scores, given.scores);
  ASSERT_EQ(found.tensors.size(), 2u);
  EXPECT_EQ(found.tensors["a"].total(), 6u);
  EXPECT_EQ(found.tensors["a"].low(), -3.5);
  EXPECT_EQ(found.tensors["a"].high(), double(1e30f));
  Range range{-4, 4};
  for (size_t bin = 0; bin < Histogram::kBins; bin++)
    EXPECT_EQ(found.tensors["a"].histogram(range).count(bin), given.tensors["a"].histogram(range).count(bin));
}

TEST(Statistics, OtherKeysLeaveWhatStillHolds) {
  Statistics found;
  std::string bytes = statisticsBytes(sample(), kKeys);
  ASSERT_TRUE(parseStatistics(bytes, {7, 12}, found));
  EXPECT_EQ(found.runs, 300);
  EXPECT_TRUE(found.scores.empty() && found.errorSums.empty());
  found = Statistics();
  ASSERT_TRUE(parseStatistics(bytes, {8, 11}, found));
  EXPECT_TRUE(found.isEmpty());
}

TEST(Statistics, DamageIsNoticed) {
  std::string bytes = statisticsBytes(sample(), kKeys);
  for (size_t i = 0; i < bytes.size(); i++) {
    Statistics found;
    std::string other = bytes;
    other[i] ^= 0x20;
    EXPECT_FALSE(parseStatistics(other, kKeys, found)) << i;
    EXPECT_TRUE(found.isEmpty()) << i;
    EXPECT_FALSE(parseStatistics(bytes.substr(0, i), kKeys, found)) << i;
  }
}

/// Whatever the payload: the checksum is right, as somebody who means harm would make it.
TEST(Statistics, NoBytesAreTrusted) {
  std::string bytes = statisticsBytes(sample(), kKeys);
  size_t begin = bytes.find('\n') + 1 + 8;
  auto withSum = [&](std::string payload) {
    uint64_t sum = plan::checksum(payload.data(), payload.size());
    std::string whole = bytes.substr(0, begin - 8);
    whole.append(reinterpret_cast<const char *>(&sum), sizeof sum);
    return whole + payload;
  };
  std::string payload = bytes.substr(begin);
  for (size_t i = 1; i < payload.size(); i++) {
    for (char other : {'\0', '\x7f', '\xff'}) {
      std::string changed = payload;
      changed[i] = other;
      Statistics found;
      parseStatistics(withSum(changed), kKeys, found); // neither crashes nor allocates without bound
    }
    Statistics found;
    EXPECT_FALSE(parseStatistics(withSum(payload.substr(0, i)), kKeys, found)) << i;
  }
}

} // namespace
} // namespace tenon::driver
