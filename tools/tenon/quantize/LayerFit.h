// What samples tell of the constants of layers in 8 bits: codes that are not the nearest ones, and biases that take the mean of the error.
#pragma once
#include "tools/tenon/quantize/Calibration.h"

namespace tenon::driver {

struct LayerFitOptions {
  bool adaptRounding = false, correctBiases = false;
  uint32_t threads = 0;
};

struct LayerFit {
  FittedConstants constants;
  struct Gain {
    double before = 0, after = 0; // AdaptedCodes'
  };
  std::map<size_t, Gain> roundings; // by layer, those that were adapted
  size_t biases = 0;                // that were corrected
};

/// For the layers that are not in f32. Each of them is fitted to what it reads itself: rows of the float model's tensors, and those rows in 8 bits.
LayerFit fitLayers(const QuantizableModel &model, const Observation &observation, const std::map<std::string, Steps> &steps, const QuantizableModel::Floats &inFloat,
                   const LayerFitOptions &options, const ProgressFunction &progress);

} // namespace tenon::driver
