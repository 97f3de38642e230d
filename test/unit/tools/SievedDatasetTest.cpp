// Samples that lie far beyond all others: which ones are left out, and what stands in their place.
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/SievedDataset.h"

#include <gtest/gtest.h>
#include <limits>

namespace tenon::driver {
namespace {

/// Runs of one input, [samples, 2], each sample its number and 0.
class Runs : public Dataset {
public:
  Runs(std::vector<float> numbers, size_t samples) : numbers(std::move(numbers)), samples(samples) {}
  void start(const std::vector<tn_tensor_info> &) override { at = 0; }
  std::vector<HostTensor> *next() override {
    if (at == numbers.size())
      return nullptr;
    inputs.clear();
    inputs.emplace_back(TN_F32, std::vector<int64_t>{int64_t(samples), 2}, "runs");
    auto *values = reinterpret_cast<float *>(inputs[0].data.data());
    for (size_t i = 0; i < samples; i++, at++)
      values[2 * i] = numbers[at], values[2 * i + 1] = 0;
    return &inputs;
  }
  std::string name() const override { return "runs"; }

private:
  std::vector<float> numbers;
  size_t samples, at = 0;
  std::vector<HostTensor> inputs;
};

struct Sieved {
  std::vector<float> passed;
  std::vector<OutlyingSample> leftOut;
};

Sieved sieved(const std::vector<float> &numbers, size_t samples = 1) {
  Runs runs(numbers, samples);
  SievedDataset dataset(runs);
  tn_tensor_info info{};
  info.name = "x";
  dataset.start({info});
  Sieved result;
  while (std::vector<HostTensor> *inputs = dataset.next())
    for (size_t i = 0; i < samples; i++)
      result.passed.push_back(reinterpret_cast<const float *>((*inputs)[0].data.data())[2 * i]);
  result.leftOut = dataset.leftOut();
  return result;
}

/// 2, 3, 4, 5, 2, ...: all of them usual.
std::vector<float> usual(size_t count) {
  std::vector<float> numbers;
  for (size_t i = 0; i < count; i++)
    numbers.push_back(float(2 + i % 4));
  return numbers;
}

TEST(SievedDataset, LeavesOutOneSampleWhereverItComes) {
  for (size_t place : {0, 1, 15, 16, 17, 40}) {
    std::vector<float> numbers = usual(40), spoilt = numbers;
    spoilt.insert(spoilt.begin() + int64_t(place), -1e4f);
    Sieved found = sieved(spoilt);
    EXPECT_EQ(found.passed, numbers) << place;
    ASSERT_EQ(found.leftOut.size(), 1u) << place;
    EXPECT_EQ(found.leftOut[0].sample, int64_t(place));
    EXPECT_EQ(found.leftOut[0].input, "x");
    EXPECT_EQ(found.leftOut[0].magnitude, 1e4);
    EXPECT_EQ(found.leftOut[0].limit, 5);
  }
}

TEST(SievedDataset, PassesOnWhatIsNeitherFarNorRare) {
  for (std::vector<float> more : {std::vector<float>{79}, {1e4f, 2e4f}, {}}) {
    std::vector<float> first = more, last = usual(10);
    first.insert(first.end(), last.begin(), last.end());
    EXPECT_EQ(sieved(first).passed, first);
    EXPECT_TRUE(sieved(first).leftOut.empty());
  }
  EXPECT_EQ(sieved({2, 3, 1e4f, 2}).passed.size(), 4u) << "three say too little of what is usual";
  EXPECT_EQ(sieved({0, 0, 0, 0, 0, 1e4f, 0}).passed.size(), 7u) << "the others have no scale";
}

TEST(SievedDataset, LeavesOutOneInAHundred) {
  std::vector<float> numbers = usual(400);
  for (size_t place : {50, 250, 350})
    numbers[place] = 1000;
  EXPECT_EQ(sieved(numbers).passed.size(), 397u) << "one of the first 200, two of 300, three of 400";
  numbers[60] = numbers[70] = 1000;
  EXPECT_TRUE(sieved(numbers).leftOut.empty()) << "the second one of them shows that such samples are usual";
}

TEST(SievedDataset, PutsAnotherSampleOfTheRunInItsPlace) {
  std::vector<float> numbers = usual(12);
  numbers[6] = 1e4f;
  Sieved found = sieved(numbers, 4);
  numbers[6] = numbers[7];
  EXPECT_EQ(found.passed, numbers);
  ASSERT_EQ(found.leftOut.size(), 1u);
  EXPECT_EQ(found.leftOut[0].sample, 6);
}

TEST(SievedDataset, RefusesWhatIsNotFinite) {
  std::vector<float> numbers = usual(12);
  numbers[0] = 1e4f, numbers[7] = std::numeric_limits<float>::infinity();
  try {
    sieved(numbers);
    FAIL();
  } catch (const Failure &failure) {
    EXPECT_NE(std::string(failure.what()).find("sample 7 of 'x'"), std::string::npos) << failure.what();
  }
}

} // namespace
} // namespace tenon::driver
