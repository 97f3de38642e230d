#include "tools/tenon/Peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <sstream>
#include <string>
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
  peak.flops[Arithmetic::F32] = threads * kOperations * loops.lanes / bestSeconds(threads, [&](uint32_t) { sink = loops.multiplyAdds(kCount); });
  constexpr size_t kFloats = size_t(12) << 20; // 48 MB in all: more than most last-level caches hold
  std::vector<float> memory(kFloats, 1.0f);
  size_t share = kFloats / threads;
  peak.bytes = double(share * threads * sizeof(float)) / bestSeconds(threads, [&](uint32_t thread) { sink = loops.readAll(memory.data() + thread * share, share); });
  return peak;
}

namespace {

/// Operations a clock and multiprocessor: of f32 on the cores, and of matrix units without sparsity, whose sums are f32 or i32.
struct Rates {
  uint32_t capability;
  const char *product; ///< a word of the driver's name; "" : all others
  double f32, f16, tf32, i8, f8;
};

/// From NVIDIA's data sheets: operations a second by multiprocessors and boost clock, halved where they count sparsity. Cards called GeForce, and
/// L40, add halves to f32 at half the rate of the same chip elsewhere (appendices of the white papers "NVIDIA Turing", "NVIDIA Ampere GA102", "NVIDIA
/// Ada" and "NVIDIA RTX Blackwell"). bf16 is as fast as f16.
constexpr Rates kRates[] = {
    {75, "", 128, 1024, 0, 2048, 0},             // T4: 8.1 T of f32, 65 of f16, 130 of i8
    {75, "GeForce", 128, 512, 0, 2048, 0},       // RTX 2080 Ti: 53.8 of f16
    {80, "", 128, 2048, 1024, 4096, 0},          // A100: 19.5, 312, 156 of tf32, 624
    {86, "", 256, 1024, 512, 2048, 0},           // A10: 31.2, 125, 62.5, 250; A40: 149.7 of f16
    {86, "GeForce", 256, 512, 256, 2048, 0},     // RTX 3090: 35.6, 71, 35.6, 284
    {87, "", 256, 2048, 1024, 4096, 0},          // Jetson AGX Orin: 5.3 of f32, 85 of i8
    {88, "", 0, 0, 0, 0, 0},                     // nothing is published
    {89, "", 256, 1024, 512, 2048, 2048},        // L4: 30.3, 121, 60, 242, 242 of e4m3; L40S: 91.6, 362, 183, 733, 733
    {89, "L40", 256, 512, 256, 1024, 1024},      // 90.5, 181, 90.5, 362, 362
    {89, "GeForce", 256, 512, 256, 2048, 1024},  // RTX 4090: 82.6, 165.2, 82.6, 660.6, 330.3
    {90, "", 256, 4096, 2048, 8192, 8192},       // H100: 67, 989, 495, 1979, 1979
    {100, "", 256, 8192, 4096, 16384, 16384},    // B200: 75, 2250, 1125, 4500, 4500
    {103, "", 256, 8192, 4096, 0, 16384},        // B300: 2500 of f16, as many a clock as B200's; what is left of i8 is not known
    {110, "", 256, 8192, 4096, 0, 16384},        // Jetson Thor: 1035 of four bits, a quarter of them in f16
    {120, "", 256, 1024, 512, 2048, 2048},       // RTX PRO 6000: 125, 504, 252, 1007, 1007
    {120, "GeForce", 256, 512, 256, 2048, 1024}, // RTX 5090: 104.8, 209.5, 104.8, 838, 419
};

bool hasWord(const char *name, const std::string &word) {
  std::istringstream words(name);
  return word.empty() || std::find(std::istream_iterator<std::string>(words), {}, word) != std::istream_iterator<std::string>();
}

} // namespace

Peak peakOf(const tn_device_info &gpu) {
  Peak peak{{}, double(gpu.bytes_per_s)};
  double clocks = double(gpu.multiprocessors) * gpu.clock_khz * 1e3;
  for (const Rates &rates : kRates)
    if (rates.capability <= gpu.capability && hasWord(gpu.name, rates.product))
      peak.flops = {{Arithmetic::F32, rates.f32 * clocks},   {Arithmetic::F16, rates.f16 * clocks},
                    {Arithmetic::TF32, rates.tf32 * clocks}, {Arithmetic::ThreeTF32, rates.tf32 / 3 * clocks},
                    {Arithmetic::I8, rates.i8 * clocks},     {Arithmetic::F8, rates.f8 * clocks}};
  std::erase_if(peak.flops, [](const auto &entry) { return entry.second == 0; });
  return peak;
}

} // namespace tenon::driver
