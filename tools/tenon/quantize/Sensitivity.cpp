#include "tools/tenon/quantize/Sensitivity.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/CompiledModel.h"
#include "tools/tenon/quantize/OutputDistance.h"

#include <cmath>
#include <cstring>

namespace tenon::driver {
namespace {

/// Copies of a run's f32 outputs; others are left empty.
std::vector<HostTensor> copiesOf(const std::vector<tn_tensor> &outputs, const std::string &path) {
  std::vector<HostTensor> copies;
  for (const tn_tensor &output : outputs) {
    copies.emplace_back(output.dtype, output.dtype == TN_F32 ? dimsOf(output) : std::vector<int64_t>{0}, path);
    if (output.dtype == TN_F32)
      std::memcpy(copies.back().data.data(), output.data, elementsOf(output) * sizeof(float));
  }
  return copies;
}

/// The mean distance of f32 outputs; outputs that cannot be compared at all are as far away as their own length.
double meanDistance(std::vector<HostTensor> &expected, const std::vector<tn_tensor> &found) {
  double sum = 0;
  int count = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    if (expected[i].dtype != TN_F32 || !expected[i].elements())
      continue;
    double relative = distanceBetween(expected[i].view(), found[i]).relative;
    sum += std::isfinite(relative) ? relative : 1;
    count++;
  }
  return count ? sum / count : 0;
}

std::vector<double> meansOf(std::vector<double> sums, int64_t runs) {
  for (double &sum : sums)
    sum /= double(std::max<int64_t>(runs, 1));
  return sums;
}

} // namespace

std::vector<double> measureSensitivity(const QuantizableModel &model, const std::map<std::string, Steps> &steps, const FittedConstants &fitted, const std::string &path, Dataset &samples,
                                       uint32_t threads, StatisticsFile &file, const ProgressFunction &progress) {
  size_t layers = model.layers().size();
  Statistics &statistics = file.statistics;
  std::vector<double> &sums = statistics.errorSums;
  sums.resize(layers, 0);
  if (statistics.errorRuns && statistics.errorRuns == samples.runs())
    return meansOf(sums, statistics.errorRuns);
  progress("compiling", 0);
  CompiledModel compiled(model.switched(steps, fitted), path, threads);
  std::vector<tn_tensor_info> signature = compiled.inputs();
  signature.pop_back(); // the switches
  HostTensor switches(TN_F32, {int64_t(layers)}, path);
  auto *on = reinterpret_cast<float *>(switches.data.data());
  samples.start(signature);
  file.startWork();
  int64_t runs = 0, all = std::max<int64_t>(samples.runs().value_or(1), 1);
  for (std::vector<HostTensor> *inputs; (inputs = samples.next()); runs++) {
    if (runs < statistics.errorRuns)
      continue;
    inputs->push_back(std::move(switches));
    std::fill(on, on + layers, 0.0f);
    std::string what = "run " + std::to_string(runs) + " of " + samples.name();
    std::vector<HostTensor> expected = copiesOf(compiled.run(*inputs, what), path);
    std::vector<double> distances;
    for (size_t layer = 0; layer < layers; layer++) {
      progress("errors of layers", (double(runs) + double(layer) / double(layers)) / double(all));
      on[layer] = 1;
      distances.push_back(meanDistance(expected, compiled.run(*inputs, what)));
      on[layer] = 0;
    }
    for (size_t layer = 0; layer < layers; layer++)
      sums[layer] += distances[layer];
    statistics.errorRuns = runs + 1;
    file.keep();
    switches = std::move(inputs->back());
    inputs->pop_back();
  }
  return meansOf(sums, runs);
}

} // namespace tenon::driver
