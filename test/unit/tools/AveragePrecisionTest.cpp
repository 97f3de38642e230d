// Average precision, on detections whose matches can be counted by hand.
#include "tools/tenon/quantize/AveragePrecision.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

constexpr double kHalf[] = {0.5};

TEST(AveragePrecision, OverlapIsSharedAreaOfBothTogether) {
  EXPECT_DOUBLE_EQ(overlapOf({0, 0, 10, 10}, {0, 0, 10, 10}), 1);
  EXPECT_DOUBLE_EQ(overlapOf({0, 0, 10, 10}, {5, 0, 15, 10}), 50.0 / 150);
  EXPECT_EQ(overlapOf({0, 0, 10, 10}, {10, 0, 20, 10}), 0);
  EXPECT_EQ(overlapOf({0, 0, 0, 0}, {0, 0, 0, 0}), 0);
  EXPECT_EQ(overlapOf({0, 0, NAN, 10}, {0, 0, 10, 10}), 0);
}

TEST(AveragePrecision, DoublesOfTheSameClassGo) {
  std::vector<Detection> found{{{0, 0, 10, 10}, 1, 0.3}, {{1, 0, 11, 10}, 1, 0.9}, {{1, 0, 11, 10}, 2, 0.8}, {{50, 0, 60, 10}, 1, 0.1}};
  std::vector<Detection> kept = withoutDoubles(found, 0.7);
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].score, 0.9);
  EXPECT_EQ(kept[1].label, 2);
  EXPECT_EQ(kept[2].score, 0.1);
}

// Two boxes; the best detection is right, the second one wrong, the third right:
//   recall 0 .. 1/2   precision 1       recalls 0.00 to 0.50: 51 of 101
//   recall 1/2 .. 1   precision 2/3     recalls 0.51 to 1.00: 50
TEST(AveragePrecision, WrongDetectionsBetweenRightOnes) {
  std::vector<DetectedImage> images(2);
  images[0].truth = {{{0, 0, 10, 10}, 0}};
  images[0].found = {{{0, 0, 10, 10}, 0, 0.9}, {{0, 0, 10, 10}, 0, 0.8}}; // a box is found once
  images[1].truth = {{{0, 0, 10, 10}, 0}};
  images[1].found = {{{0, 0, 10, 9}, 0, 0.7}};
  EXPECT_NEAR(averagePrecision(images, kHalf), (51 + 50 * 2.0 / 3) / 101, 1e-12);
  // At an overlap of 0.90 exactly the last one is right, above it is not.
  EXPECT_NEAR(averagePrecision(images, cocoOverlaps()), (9 * (51 + 50 * 2.0 / 3) / 101 + 51.0 / 101) / 10, 1e-12);
}

TEST(AveragePrecision, ClassesCountAlikeAndOnlyWhereTheyAre) {
  std::vector<DetectedImage> images(1);
  images[0].truth = {{{0, 0, 10, 10}, 0}, {{0, 20, 10, 30}, 3}};
  images[0].found = {{{0, 0, 10, 10}, 0, 0.9}, {{0, 0, 10, 10}, 7, 0.9}}; // class 7 is nowhere: no matter
  EXPECT_NEAR(averagePrecision(images, kHalf), 0.5, 1e-12);
  images[0].truth.clear();
  EXPECT_EQ(averagePrecision(images, kHalf), 0);
  EXPECT_EQ(averagePrecision({}, kHalf), 0);
}

TEST(AveragePrecision, HundredDetectionsOfAClassCount) {
  std::vector<DetectedImage> images(1);
  images[0].truth = {{{0, 0, 10, 10}, 0}};
  for (int i = 0; i < 100; i++)
    images[0].found.push_back({{100, 0, 110, 10}, 0, 0.9});
  images[0].found.push_back({{0, 0, 10, 10}, 0, 0.5});
  EXPECT_EQ(averagePrecision(images, kHalf), 0);
}

} // namespace
} // namespace tenon::driver
