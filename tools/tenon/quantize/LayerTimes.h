// How long layers take, measured here.
#pragma once
#include "tools/tenon/quantize/Calibration.h"

#include <optional>

namespace tenon::driver {

struct ModelTimes {
  std::vector<std::optional<double>> layers; // seconds; none where no step of the plan names the layer
  double total = 0;                          // of all steps
};

/// Compiles the model and runs it again and again on the first of the samples, with every step measured: the fastest of its runs counts. A step that
/// computes several layers is shared among them evenly. `names`: of the layers. Throws Failure.
ModelTimes measureTimes(std::string_view onnx, const std::vector<std::string> &names, const std::string &path, Dataset &samples, uint32_t threads);

} // namespace tenon::driver
