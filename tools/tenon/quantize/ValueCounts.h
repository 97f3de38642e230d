// What calibration keeps of a tensor: how often each value occurred, counted in one pass whatever the range.
#pragma once
#include "tools/tenon/quantize/Range.h"

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace tenon::driver {

class ByteReader;
class ByteWriter;

/// Counts by sign, exponent and 11 bits of the mantissa: 2,048 bins an octave, so that one huge value leaves all others as finely counted as before.
class ValueCounts {
public:
  ValueCounts();

  /// False, with nothing promised about the counts, where a value is NaN or infinite.
  bool add(const float *values, size_t count);

  /// Extremes of the values and 0.
  double low() const { return least; }
  double high() const { return largest; }
  /// The values since the last call were those of one run.
  void endRun();
  /// The moving average of the runs' extremes and 0: a run moves it by a tenth of the way to its own.
  Range average() const { return averaged; }
  uint64_t total() const;

  struct Outliers {
    uint64_t count = 0;
    double limit = 0; // the largest magnitude beside them
  };
  /// A few values that lie many times beyond all others, as a broken sample or a numerical accident leaves.
  Outliers outliers() const;

  /// The same counts in equal parts of `range`; values outside are in the first and the last one.
  Histogram histogram(Range range) const;

  void write(ByteWriter &writer) const;
  /// Takes what `write` wrote into empty counts. False where that is no counts.
  bool read(ByteReader &reader);

private:
  struct Free {
    void operator()(uint32_t *memory) const { std::free(memory); }
  };
  std::unique_ptr<uint32_t[], Free> counts; // memory comes with the first value of a page: 4 MB of addresses, some 100 kB in use
  double least = 0, largest = 0;
  Range run, averaged; // extremes of this run
  bool isFirstRun = true;
};

} // namespace tenon::driver
