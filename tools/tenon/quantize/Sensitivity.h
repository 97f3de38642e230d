// What each layer in 8 bits costs the network's answers, with all others in f32.
#pragma once
#include "tools/tenon/quantize/Calibration.h"

namespace tenon::driver {

/// For each layer, in their order, the distance of the outputs from the float model's, relative to their length: the mean over runs and f32 outputs.
/// One plan holds every layer both ways and switches between them, so that one compilation serves all; `samples` is run once for each layer, and twice
/// more time is spent on a run than on the float model's. Runs that the statistics hold are not measured again. Throws Failure.
std::vector<double> measureSensitivity(const QuantizableModel &model, const std::map<std::string, Steps> &steps, const FittedConstants &fitted, const std::string &path, Dataset &samples,
                                       uint32_t threads, StatisticsFile &file, const ProgressFunction &progress);

} // namespace tenon::driver
