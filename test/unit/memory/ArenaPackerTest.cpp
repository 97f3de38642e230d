// Properties of every packing, and a few whose best arena is known.
#include "runtime/memory/ArenaPacker.h"

#include <cstdio>
#include <ctime>
#include <gtest/gtest.h>
#include <random>

namespace tenon {
namespace {

struct Packed {
  ArenaPacking packing;
  std::vector<int64_t> offsets;
};

Packed pack(const std::vector<Lifetime> &lifetimes) {
  Packed result;
  EXPECT_TRUE(packArena(lifetimes, result.offsets, result.packing));
  return result;
}

bool liveTogether(const Lifetime &a, const Lifetime &b) { return a.first <= b.last && b.first <= a.last; }

/// What holds for every packing: offsets aligned and inside the arena, no two live buffers overlap, never below the bound or above the naive sum.
void expectSound(const std::vector<Lifetime> &lifetimes, const Packed &packed) {
  const auto &[packing, offsets] = packed;
  ASSERT_GE(packing.arenaBytes, packing.lowerBound);
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    ASSERT_EQ(offsets[i] % lifetimes[i].alignment, 0);
    ASSERT_GE(offsets[i], 0);
    ASSERT_LE(offsets[i] + lifetimes[i].bytes, packing.arenaBytes);
    for (size_t j = 0; j < i; ++j) {
      bool apart = offsets[i] + lifetimes[i].bytes <= offsets[j] || offsets[j] + lifetimes[j].bytes <= offsets[i];
      bool empty = lifetimes[i].bytes == 0 || lifetimes[j].bytes == 0;
      ASSERT_TRUE(apart || empty || !liveTogether(lifetimes[i], lifetimes[j])) << "buffers " << i << " and " << j << " overlap";
    }
  }
}

/// The bound by its definition, with sizes rounded up to the smallest alignment (here the same for all).
int64_t boundByDefinition(const std::vector<Lifetime> &lifetimes, int64_t alignment, uint32_t steps) {
  int64_t bound = 0;
  for (uint32_t step = 0; step < steps; ++step) {
    int64_t live = 0;
    for (const Lifetime &each : lifetimes)
      if (each.first <= step && step <= each.last)
        live += (each.bytes + alignment - 1) / alignment * alignment;
    bound = std::max(bound, live);
  }
  return bound;
}

std::vector<Lifetime> randomLifetimes(std::mt19937 &random, size_t count, uint32_t steps, uint32_t longest, int64_t largest, bool mixedAlignment) {
  std::vector<Lifetime> lifetimes;
  for (size_t i = 0; i < count; ++i) {
    uint32_t first = random() % steps;
    uint32_t last = std::min(steps - 1, uint32_t(first + random() % longest));
    int64_t alignment = mixedAlignment ? int64_t(1) << random() % 8 : 64;
    lifetimes.push_back({int64_t(random() % largest), alignment, first, last});
  }
  return lifetimes;
}

TEST(ArenaPacker, NothingNeedsNothing) {
  Packed packed = pack({});
  EXPECT_EQ(packed.packing.arenaBytes, 0);
  EXPECT_EQ(packed.packing.lowerBound, 0);
  EXPECT_EQ(pack({{0, 64, 0, 5}}).packing.arenaBytes, 0);
}

// step   0    1    2
// a      ####            a and c are never alive together: the arena holds two buffers, not three.
// b      #########
// c           #########
TEST(ArenaPacker, AChainReusesMemory) {
  std::vector<Lifetime> chain = {{64, 64, 0, 0}, {64, 64, 0, 1}, {64, 64, 1, 2}};
  Packed packed = pack(chain);
  expectSound(chain, packed);
  EXPECT_EQ(packed.packing.arenaBytes, 128);
  EXPECT_EQ(packed.packing.naiveBytes, 192);
  EXPECT_EQ(packed.offsets[0], packed.offsets[2]);
}

TEST(ArenaPacker, SizesCountWholeAlignments) {
  Packed packed = pack({{1, 64, 0, 0}, {65, 64, 0, 0}});
  EXPECT_EQ(packed.packing.lowerBound, 192);
  EXPECT_EQ(packed.packing.arenaBytes, 192);
}

TEST(ArenaPacker, MixedAlignmentsHaveTheBoundOfTheSmallest) {
  std::vector<Lifetime> mixed = {{64, 4096, 0, 1}, {64, 64, 0, 1}};
  Packed packed = pack(mixed);
  expectSound(mixed, packed);
  EXPECT_EQ(packed.packing.lowerBound, 128);
  EXPECT_EQ(packed.packing.arenaBytes, 128);
}

// Among packings of the same size, memory that was just freed is taken before memory that is cold.
TEST(ArenaPacker, PrefersWarmMemory) {
  //  step  0 1 2 3 4 5
  //  big   ##
  //  a         #           b and c could lie anywhere in big's memory; on top of each other it stays in cache
  //  b           #
  //  c             #
  std::vector<Lifetime> lifetimes = {{1 << 20, 64, 0, 1}, {4096, 64, 2, 2}, {4096, 64, 3, 3}, {4096, 64, 4, 4}};
  Packed packed = pack(lifetimes);
  expectSound(lifetimes, packed);
  EXPECT_EQ(packed.packing.arenaBytes, 1 << 20);
  EXPECT_EQ(packed.offsets[1], packed.offsets[2]);
  EXPECT_EQ(packed.offsets[2], packed.offsets[3]);
}

TEST(ArenaPacker, RefusesMalformedLifetimes) {
  std::vector<int64_t> offsets;
  ArenaPacking packing;
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{-1, 64, 0, 0}}, offsets, packing));
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{1, 3, 0, 0}}, offsets, packing));
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{1, 0, 0, 0}}, offsets, packing));
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{1, 1, 2, 1}}, offsets, packing));
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{INT64_MAX, 64, 0, 0}}, offsets, packing));
  EXPECT_FALSE(packArena(std::vector<Lifetime>{{INT64_MAX / 2, 64, 0, 0}, {INT64_MAX / 2, 64, 1, 1}, {64, 64, 1, 1}}, offsets, packing));
}

TEST(ArenaPacker, RandomLifetimesAreSound) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    uint32_t steps = 1 + random() % 40;
    auto lifetimes = randomLifetimes(random, random() % 60, steps, 1 + random() % steps, 1 + random() % 5000, round % 2);
    Packed packed = pack(lifetimes);
    expectSound(lifetimes, packed);
    if (round % 2 == 0)
      EXPECT_EQ(packed.packing.lowerBound, boundByDefinition(lifetimes, 64, steps));
    EXPECT_LE(packed.packing.arenaBytes, std::max<int64_t>(1, packed.packing.naiveBytes) * 128);
  }
}

TEST(ArenaPacker, IsDeterministic) {
  std::mt19937 random(11);
  auto lifetimes = randomLifetimes(random, 200, 150, 60, 100000, true);
  EXPECT_EQ(pack(lifetimes).offsets, pack(lifetimes).offsets);
}

/// The lifetimes of a residual network: every block reads its input twice, at its start and at its end, and sizes shrink with depth.
std::vector<Lifetime> residualNetwork(std::mt19937 &random) {
  std::vector<Lifetime> lifetimes;
  uint32_t step = 0;
  for (int64_t size = 1 << 22; size > 1 << 14; size /= 2)
    for (int block = 0; block < 4; ++block) {
      uint32_t length = 2 + random() % 4;
      lifetimes.push_back({size, 64, step, step + length});
      for (uint32_t i = 1; i < length; ++i)
        lifetimes.push_back({int64_t(size / (1 + random() % 4)), 64, step + i, step + i + 1});
      step += length;
    }
  return lifetimes;
}

TEST(ArenaPacker, NetworksComeWithinTwoPercentOfTheBound) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    auto lifetimes = residualNetwork(random);
    Packed packed = pack(lifetimes);
    expectSound(lifetimes, packed);
    EXPECT_LE(double(packed.packing.arenaBytes), 1.02 * double(packed.packing.lowerBound)) << packed.packing.packer;
  }
}

TEST(ArenaPacker, TenThousandLifetimesTakeLessThanASecond) {
  std::mt19937 random(5);
  for (uint32_t longest : {20u, 500u, 10000u}) {
    auto lifetimes = randomLifetimes(random, 10000, 10000, longest, 1 << 20, false);
    std::clock_t start = std::clock(); // of this process: other work on the machine does not count
    Packed packed = pack(lifetimes);
    double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    expectSound(lifetimes, packed);
    std::printf("longest life %5u: %.3f s, arena / bound = %.4f (%s)\n", longest, seconds, double(packed.packing.arenaBytes) / double(packed.packing.lowerBound), packed.packing.packer);
#ifndef TENON_SANITIZED
    EXPECT_LT(seconds, 1.0);
#endif
  }
}

} // namespace
} // namespace tenon
