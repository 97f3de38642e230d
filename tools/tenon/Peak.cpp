#include "tools/tenon/Peak.h"

#include <utility>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

/// Both loops return a sum of what they computed, so that a compiler keeps them. They are written once, and compiled for each instruction set below.
template <int kBytes> [[gnu::always_inline]] inline float multiplyAdds(int64_t count) {
  typedef float Vector __attribute__((vector_size(kBytes)));
  constexpr int kChains = 12; // more than latency times throughput of a fused multiply-add
  Vector sums[kChains] = {}, factor = Vector{} + 0.999f, term = Vector{} + 0.001f;
  for (int64_t i = 0; i < count; i++)
    for (Vector &sum : sums)
      sum = sum * factor + term;
  Vector total{};
  for (Vector &sum : sums)
    total += sum;
  return total[0];
}

template <int kBytes> [[gnu::always_inline]] inline float readAll(const float *from, size_t count) {
  typedef float Vector __attribute__((vector_size(kBytes), aligned(4), may_alias));
  Vector sums[8] = {};
  constexpr size_t kLanes = kBytes / sizeof(float);
  for (size_t at = 0; at + 8 * kLanes <= count; at += 8 * kLanes)
    for (size_t i = 0; i < 8; i++)
      sums[i] += *reinterpret_cast<const Vector *>(from + at + i * kLanes);
  Vector total{};
  for (Vector &sum : sums)
    total += sum;
  return total[0];
}

/// The loops for one instruction set.
struct Loops {
  int lanes;
  float (*multiplyAdds)(int64_t count);
  float (*readAll)(const float *from, size_t count);
};

#if defined(__x86_64__)
[[gnu::target("avx512f")]] float multiplyAddsAvx512(int64_t count) { return multiplyAdds<64>(count); }
[[gnu::target("avx512f")]] float readAllAvx512(const float *from, size_t count) { return readAll<64>(from, count); }
[[gnu::target("avx2,fma")]] float multiplyAddsAvx2(int64_t count) { return multiplyAdds<32>(count); }
[[gnu::target("avx2,fma")]] float readAllAvx2(const float *from, size_t count) { return readAll<32>(from, count); }
#endif
float multiplyAddsPlain(int64_t count) { return multiplyAdds<16>(count); }
float readAllPlain(const float *from, size_t count) { return readAll<16>(from, count); }

Loops bestLoops() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return {16, multiplyAddsAvx512, readAllAvx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {8, multiplyAddsAvx2, readAllAvx2};
#endif
  return {4, multiplyAddsPlain, readAllPlain};
}

/// Seconds that `work` takes in all threads at once; the best of some rounds, since anything else on the machine only takes away.
template <typename Work> double bestSeconds(uint32_t threads, const Work &work) {
  constexpr int kRounds = 5;
  double best = 1e9;
  for (int round = 0; round < kRounds; round++) {
    std::atomic<uint32_t> ready = 0;
    std::vector<double> seconds(threads);
    auto body = [&](uint32_t thread) {
      ready++;
      while (ready < threads)
        ;
      auto start = Clock::now();
      work(thread);
      seconds[thread] = std::chrono::duration<double>(Clock::now() - start).count();
    };
    std::vector<std::thread> others;
    for (uint32_t thread = 1; thread < threads; thread++)
      others.emplace_back(body, thread);
    body(0);
    for (std::thread &other : others)
      other.join();
    best = std::min(best, *std::max_element(seconds.begin(), seconds.end()));
  }
  return best;
}

} // namespace

Peak measurePeak(uint32_t threads) {
  Loops loops = bestLoops();
  threads = std::clamp(threads, 1u, std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<float> sink;
  Peak peak;
  constexpr int64_t kCount = 300'000;
  constexpr double kOperations = 12.0 * 2 * kCount;
  peak.flops = threads * kOperations * loops.lanes / bestSeconds(threads, [&](uint32_t) { sink = loops.multiplyAdds(kCount); });
  constexpr size_t kFloats = size_t(12) << 20; // 48 MB in all: more than most last-level caches hold
  std::vector<float> memory(kFloats, 1.0f);
  size_t share = kFloats / threads;
  peak.bytes = double(share * threads * sizeof(float)) / bestSeconds(threads, [&](uint32_t thread) { sink = loops.readAll(memory.data() + thread * share, share); });
  return peak;
}

Peak peakOf(const tn_device_info &gpu) {
  // Operations a clock and multiprocessor, without sparsity: NVIDIA's descriptions of the architectures. Of 88 there is none. 110: Thor's 1,035
  // TFLOP/s in four bits on 20 multiprocessors at 1.575 GHz, a quarter of them in halves. 121 is taken for what 120 is.
  constexpr std::pair<uint32_t, double> kPerClock[] = {{75, 1024}, {80, 2048},  {86, 512},   {87, 2048},  {88, 0},    {89, 512},
                                                       {90, 4096}, {100, 8192}, {103, 8192}, {110, 8192}, {120, 512}, {121, 512}};
  Peak peak{0, double(gpu.bytes_per_s)};
  for (auto [capability, perClock] : kPerClock)
    if (capability <= gpu.capability)
      peak.flops = perClock * gpu.multiprocessors * gpu.clock_khz * 1e3;
  return peak;
}

} // namespace tenon::driver
