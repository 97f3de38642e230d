// What a mutation draws at random, all of it from one seed.
#pragma once
#include <cstdint>
#include <limits>
#include <random>

namespace tenon::fuzz {

class Draw {
public:
  explicit Draw(unsigned seed) : generator(seed) {}

  /// In [0, count), for a count of at least 1.
  size_t below(size_t count) { return generator() % count; }
  bool oneIn(size_t count) { return below(count) == 0; }
  /// An element of a list that is not empty.
  template <typename List> auto &of(List &list) { return list[int(below(size_t(std::size(list))))]; }

  /// Integers that are the edge of something: empty, negative, last, past the end, overflow.
  int64_t integer() {
    static constexpr int64_t edges[] = {0,    1,     -1,    2,  -2,          3,           4,          5, 7, 8, 9, 16, 17, 63, 64, 65, 127, 128, 255,
                                        1000, 65536, 65537, -3, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1, int64_t(1) << 32, int64_t(1) << 62};
    return oneIn(3) ? of(edges) : int64_t(below(9)) - 2;
  }
  float number() {
    using limits = std::numeric_limits<float>;
    static constexpr float edges[] = {0.f, -0.f, 1.f, -1.f, 0.5f, 1e-30f, 1e30f, 3e9f, -3e9f, limits::infinity(), -limits::infinity(), limits::quiet_NaN(), limits::denorm_min()};
    return oneIn(2) ? of(edges) : float(int(below(2001)) - 1000) / 250;
  }

private:
  std::minstd_rand generator;
};

} // namespace tenon::fuzz
