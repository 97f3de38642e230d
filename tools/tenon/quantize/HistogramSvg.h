// A picture of what calibration saw of a tensor.
#pragma once
#include "tools/tenon/quantize/QuantizationReport.h"

namespace tenon::driver {

/// An <svg> whose parts have the classes `bar` (values that lie in the range), `clipped` (those outside), `axis`, `range` and `tick`. The heights are
/// logarithms of the counts, as the tails decide about ranges. A text where all values are the same.
std::string histogramSvg(const TensorReport &tensor);

/// printf with one number.
std::string formatted(const char *format, double value);

} // namespace tenon::driver
