// The range of one tensor: by the method that was asked for, or by the one with the least error of what is made of the tensor.
#pragma once
#include "tools/tenon/quantize/Calibration.h"

namespace tenon::driver {

struct RangeChoice {
  RangeMethod method = RangeMethod::Mse; // neither Auto nor Network
  Range range;
  Histogram seen{0, 0};                  // between the extremes beside outliers
  ValueCounts::Outliers outliers;        // that are clipped
};

class RangeChooser {
public:
  RangeChooser(const QuantizableModel &model, const Observation &observation, double percentile, Activations activations, uint32_t threads)
      : model(model), observation(observation), percentile(percentile), activations(activations), threads(threads) {}

  /// `method` is not Network. `keepsOutliers`: whether MinMax does, where it is not Auto's choice; all others clip them.
  RangeChoice choose(const std::string &tensor, RangeMethod method, bool keepsOutliers = true) const;

private:
  /// What each of these ways to spread steps over the tensor costs all that reads it: squared errors, relative to what is right.
  std::vector<double> errorsOf(const std::string &tensor, const std::vector<Steps> &candidates) const;
  RangeChoice byMethod(const ValueCounts &counts, RangeMethod method, bool keepsOutliers) const;
  /// The squared error of a layer's results, relative to their squares, for each of these ways to spread steps over its input.
  std::vector<double> resultErrors(size_t layer, const std::vector<Steps> &candidates) const;

  const QuantizableModel &model;
  const Observation &observation;
  double percentile;
  Activations activations;
  uint32_t threads;
};

} // namespace tenon::driver
