// Rounding of weights so that a layer's results come out right, rather than each weight.
#pragma once
#include "tools/tenon/quantize/LayerShape.h"

namespace tenon::driver {

/// What integer weights there may be: weight (c, d) is code times scales[c * blocks + d / block].
struct WeightGrid {
  std::vector<float> scales; // [channels][blocks]
  int64_t block = 0;         // weights of a channel that share a scale: the depth where each channel has one
  int lowest = -127, highest = 127;
};

struct RoundingProblem {
  const LayerShape &shape;
  const std::vector<float> &weights; // [channels][depth]
  const std::vector<float> &exact;   // rows of the float model's input, [rows][shape.rowSize()]
  const std::vector<float> &seen;    // what becomes of them: the layer in integers reads these
  const WeightGrid &grid;
  bool isShiftCorrected = false;     // a constant difference of a channel's results does not count: the bias takes it
  uint32_t threads = 0;              // 0: one for each core
};

/// Codes with the least distance from each weight.
std::vector<int8_t> nearestCodes(const LayerShape &shape, const std::vector<float> &weights, const WeightGrid &grid);

struct AdaptedCodes {
  std::vector<int8_t> codes; // [channels][depth]
  double before = 0, after = 0; // squared errors of the results of nearest and adapted codes over the rows that are kept aside, relative to the results
};

/// Codes with a small squared error of the layer's results over the rows: from the nearest ones, one code after the other takes its best value given all
/// others, until none changes (K. Behdin et al., QuantEase, 2023). No change increases the error. A share of the rows is kept aside, and a channel whose
/// results are not closer on them keeps the nearest codes.
AdaptedCodes adaptedCodes(const RoundingProblem &problem);

} // namespace tenon::driver
