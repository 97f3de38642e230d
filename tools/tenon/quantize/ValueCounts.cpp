#include "tools/tenon/quantize/ValueCounts.h"
#include "tools/tenon/quantize/ByteStream.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

namespace tenon::driver {
namespace {

constexpr int kDroppedBits = 12; // of the mantissa's 23
constexpr uint32_t kBins = 1u << (32 - kDroppedBits), kNegative = kBins / 2, kInfinite = 0xffu << (23 - kDroppedBits);

uint32_t binOf(float value) { return std::bit_cast<uint32_t>(value) >> kDroppedBits; }
/// The magnitude where a bin of positive values begins; the one behind the last finite bin ends at infinity.
double magnitude(uint32_t bin) { return std::bit_cast<float>(bin << kDroppedBits); }

} // namespace

ValueCounts::ValueCounts() : counts(static_cast<uint32_t *>(std::calloc(kBins, sizeof(uint32_t)))) {
  if (!counts)
    throw std::bad_alloc();
}

bool ValueCounts::add(const float *values, size_t count) {
  float low = 0, high = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bin = binOf(values[i]);
    if ((bin & ~kNegative) >= kInfinite)
      return false;
    low = std::min(low, values[i]), high = std::max(high, values[i]);
    counts[bin] += counts[bin] != UINT32_MAX; // four milliards of one value say enough
  }
  run = {std::min<double>(run.low, low), std::max<double>(run.high, high)};
  least = std::min<double>(least, low), largest = std::max<double>(largest, high);
  return true;
}

void ValueCounts::endRun() {
  constexpr double kWeight = 0.1; // of the last run
  double weight = isFirstRun ? 1 : kWeight;
  averaged = {averaged.low + weight * (run.low - averaged.low), averaged.high + weight * (run.high - averaged.high)};
  run = {};
  isFirstRun = false;
}

uint64_t ValueCounts::total() const {
  uint64_t sum = 0;
  for (uint32_t bin = 0; bin < kBins; bin++)
    sum += counts[bin];
  return sum;
}

ValueCounts::Outliers ValueCounts::outliers() const {
  // Zeros say nothing of the scale: ReLU leaves many.
  constexpr uint64_t kFewest = 1000, kOneIn = 100000;
  constexpr double kTimesBeyond = 16;
  uint64_t values = total() - counts[0] - counts[kNegative];
  if (values < kFewest)
    return {};
  uint64_t allowed = std::max<uint64_t>(values / kOneIn, 1), beyond = 0;
  for (uint32_t bin = kInfinite - 1; bin > 0; bin--) {
    uint64_t here = uint64_t(counts[bin]) + counts[bin | kNegative];
    if (beyond + here <= allowed) {
      beyond += here;
      continue;
    }
    double limit = std::min<double>(magnitude(bin + 1), std::max(-least, largest));
    bool isFar = std::max(-least, largest) > kTimesBeyond * limit;
    return isFar ? Outliers{beyond, limit} : Outliers{};
  }
  return {};
}

Histogram ValueCounts::histogram(Range range) const {
  Histogram histogram(range.low, range.high);
  for (uint32_t bin = 0; bin < kInfinite; bin++) {
    double begin = bin ? magnitude(bin) : 0, end = bin ? magnitude(bin + 1) : 0; // the first one holds 0
    if (counts[bin])
      histogram.add(begin, end, counts[bin]);
    if (counts[bin | kNegative])
      histogram.add(-end, -begin, counts[bin | kNegative]);
  }
  return histogram;
}

/// Extremes, the moving average, and each bin that holds something: how far it lies behind the one before, and its count. A gap of 0 ends them.
void ValueCounts::write(ByteWriter &writer) const {
  writer.real(least);
  writer.real(largest);
  writer.real(averaged.low);
  writer.real(averaged.high);
  writer.number(isFirstRun);
  uint32_t next = 0;
  for (uint32_t bin = 0; bin < kBins; bin++)
    if (counts[bin]) {
      writer.number(bin - next + 1);
      writer.number(counts[bin]);
      next = bin + 1;
    }
  writer.number(0);
}

bool ValueCounts::read(ByteReader &reader) {
  least = std::min(least, reader.real());
  largest = std::max(largest, reader.real());
  averaged.low = reader.real();
  averaged.high = reader.real();
  isFirstRun = reader.number();
  for (uint64_t bin = 0, gap; (gap = reader.number()); bin++) {
    bin += gap - 1;
    uint64_t count = reader.number();
    if (!reader.isGood() || gap > kBins || bin >= kBins || count > UINT32_MAX)
      return false;
    counts[bin] = uint32_t(std::min<uint64_t>(counts[bin] + count, UINT32_MAX));
  }
  return reader.isGood();
}

} // namespace tenon::driver
