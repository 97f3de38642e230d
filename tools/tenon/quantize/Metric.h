// How good a model's answers are: what a budget of quantization is counted in.
#pragma once
#include "tools/tenon/quantize/Dataset.h"

#include <memory>
#include <string>
#include <vector>

namespace tenon::driver {

class Metric {
public:
  virtual ~Metric() = default;
  virtual std::string name() const = 0;
  /// Of an ONNX model, given as its bytes: larger is better. The drop of a quantized model is the float model's score less its own. Throws Failure.
  virtual double score(const std::string &model) = 0;
  /// Whether it is a distance of the outputs: layers that change these most cost it most, and need not be measured by it.
  virtual bool followsOutputs() const { return false; }
};

struct MetricSetting {
  std::string model; // the path, for messages
  uint32_t threads = 0;
  Dataset *samples = nullptr;
};

enum class Agreement { Cosine, RelativeError };
/// Compares f32 outputs with the float model's, without labels. The float model itself scores 1 (cosine of the angle between them) or 0 (less the
/// length of the difference, relative to the float output); the mean over runs and outputs.
std::unique_ptr<Metric> agreementWith(const std::string &floatModel, Agreement kind, const MetricSetting &setting);

/// The share of samples whose label is among the `k` largest numbers of the first output; samples lie along the first axis of it.
std::unique_ptr<Metric> topK(size_t k, std::vector<int64_t> labels, const std::string &labelsName, const MetricSetting &setting);

} // namespace tenon::driver
