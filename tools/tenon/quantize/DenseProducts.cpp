#include "tools/tenon/quantize/DenseProducts.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace tenon::driver {
namespace {

constexpr size_t kLanes = 16;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float))));

float sumOf(const Lanes &lanes) {
  float sum = 0;
  for (size_t i = 0; i < kLanes; i++)
    sum += lanes[i];
  return sum;
}

#if defined(__x86_64__)
#define TENON_WIDEST_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TENON_WIDEST_VECTORS
#endif

/// A tile of 4 x 2 results.
TENON_WIDEST_VECTORS void tile(const float *const *a, const float *const *b, size_t depth, float *out) {
  Lanes sums[4][2] = {};
  size_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    Lanes right[2] = {*reinterpret_cast<const Lanes *>(b[0] + k), *reinterpret_cast<const Lanes *>(b[1] + k)};
    for (int i = 0; i < 4; i++) {
      Lanes left = *reinterpret_cast<const Lanes *>(a[i] + k);
      sums[i][0] += left * right[0];
      sums[i][1] += left * right[1];
    }
  }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 2; j++) {
      float rest = 0;
      for (size_t l = k; l < depth; l++)
        rest += a[i][l] * b[j][l];
      out[2 * i + j] = sumOf(sums[i][j]) + rest;
    }
}

} // namespace

void inParallel(size_t count, uint32_t threads, const std::function<void(size_t)> &work) {
  size_t workers = std::min<size_t>(threads ? threads : std::max(std::thread::hardware_concurrency(), 1u), count);
  if (workers < 2) {
    for (size_t i = 0; i < count; i++)
      work(i);
    return;
  }
  std::atomic<size_t> next = 0;
  std::exception_ptr problem;
  std::mutex guard;
  auto run = [&] {
    try {
      for (size_t i; (i = next++) < count;)
        work(i);
    } catch (...) {
      std::lock_guard held(guard);
      problem = std::current_exception();
    }
  };
  std::vector<std::thread> pool;
  for (size_t i = 1; i < workers; i++)
    pool.emplace_back(run);
  run();
  for (std::thread &thread : pool)
    thread.join();
  if (problem)
    std::rethrow_exception(problem);
}

void multiplyTransposed(const float *a, size_t rows, const float *b, size_t columns, size_t depth, float *out, uint32_t threads) {
  constexpr size_t kBlock = 64; // rows of b that stay in the cache
  size_t tiles = (rows + 3) / 4;
  inParallel((columns + kBlock - 1) / kBlock, threads, [&](size_t block) {
    size_t end = std::min(columns, (block + 1) * kBlock);
    for (size_t t = 0; t < tiles; t++)
      for (size_t column = block * kBlock; column < end; column += 2) {
        const float *left[4], *right[2];
        float sums[8];
        for (size_t i = 0; i < 4; i++)
          left[i] = a + std::min(4 * t + i, rows - 1) * depth;
        for (size_t j = 0; j < 2; j++)
          right[j] = b + std::min(column + j, columns - 1) * depth;
        tile(left, right, depth, sums);
        for (size_t i = 0; i < 4 && 4 * t + i < rows; i++)
          for (size_t j = 0; j < 2 && column + j < end; j++)
            out[(4 * t + i) * columns + column + j] = sums[2 * i + j];
      }
  });
}

std::vector<float> transposed(const float *matrix, size_t rows, size_t columns) {
  std::vector<float> out(rows * columns);
  constexpr size_t kBlock = 32;
  for (size_t i = 0; i < rows; i += kBlock)
    for (size_t j = 0; j < columns; j++)
      for (size_t k = i; k < std::min(i + kBlock, rows); k++)
        out[j * rows + k] = matrix[k * columns + j];
  return out;
}

} // namespace tenon::driver
