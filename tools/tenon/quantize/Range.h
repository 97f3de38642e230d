// The range of a tensor's values that 256 steps are spread over, from what calibration saw.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

/// How many values lie in each of equal parts of [low, high].
class Histogram {
public:
  static constexpr size_t kBins = 2048;

  Histogram(double low, double high);
  /// `count` values, spread evenly over [begin, end]. What lies outside is counted in the first and the last part.
  void add(double begin, double end, double count);

  double low() const { return first; }
  double high() const { return last; }
  double count(size_t bin) const { return counts[bin]; }
  double total() const;
  double center(size_t bin) const { return first + (double(bin) + 0.5) * width; }

private:
  double first, last, width;
  std::vector<double> counts;
};

struct Range {
  double low = 0, high = 0;
};

/// Auto: one of those before it for each tensor. Network: MinMax or Mse for all tensors.
enum class RangeMethod { MinMax, MovingAverage, Percentile, Mse, Entropy, Auto, Network };
std::optional<RangeMethod> rangeMethodNamed(const std::string &name);
/// "min-max, moving-average, …"
std::string rangeMethodNames();
const char *nameOf(RangeMethod method);

/// How 256 steps lie over a range: from one end to the other, or 127 on each side of 0, as TensorRT's do; or they are those of floats of 8 bits (e4m3), on both
/// sides of 0.
enum class Activations { Asymmetric, Symmetric, Floats };

/// What values are clipped to; the whole histogram for methods that do not choose from one (MovingAverage, Auto, Network). `percentile` of all values stay inside (method Percentile): 99.99 clips one in ten thousand.
Range chooseRange(const Histogram &histogram, RangeMethod method, double percentile, Activations activations = Activations::Asymmetric);

/// What the weights of a layer become: signed bytes, or floats of 8 bits (e4m3).
enum class WeightCodes { Bytes, Floats };

/// A scale and a zero point for 8 bits. 0 is exact, as padding and ReLU need it.
struct Steps {
  float scale = 1;
  uint8_t zeroPoint = 0; // of bytes without a sign; with one it is 128 less
  bool isSigned = false; // as what bytes are written
  bool isFloat = false;  // floats of 8 bits, whose zero point is 0
  WeightCodes weightCodes() const { return isFloat ? WeightCodes::Floats : WeightCodes::Bytes; } // of a layer that reads the tensor
  int writtenZeroPoint() const { return isSigned ? zeroPoint - 128 : zeroPoint; }
};
/// Ranges of nothing but zeros, or too small for normal numbers, get the scale 1/255, of floats 1.
Steps stepsFor(Range range, Activations activations = Activations::Asymmetric);
/// The squared error of the values that were counted, relative to their squares.
double relativeSquaredError(const Histogram &histogram, Steps steps);
/// What these steps leave of values.
std::vector<float> roundedTo(Steps steps, const std::vector<float> &values);

} // namespace tenon::driver
