#include "tools/tenon/quantize/Metric.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/CompiledModel.h"
#include "tools/tenon/quantize/OutputDistance.h"

#include <cmath>

namespace tenon::driver {
namespace {

std::string runText(const Dataset &samples, int64_t run) { return "run " + std::to_string(run) + " of " + samples.name(); }

class AgreementMetric : public Metric {
public:
  AgreementMetric(const std::string &floatModel, Agreement kind, const MetricSetting &setting)
      : kind(kind), setting(setting), exact(floatModel, setting.model, setting.threads) {}

  std::string name() const override { return kind == Agreement::Cosine ? "cosine" : "relative-error"; }
  bool followsOutputs() const override { return true; }

  double score(const std::string &model) override {
    CompiledModel other(model, setting.model, setting.threads);
    setting.samples->start(exact.inputs());
    double sum = 0;
    int64_t count = 0, run = 0;
    for (std::vector<HostTensor> *inputs; (inputs = setting.samples->next()); run++) {
      requireFinite(*inputs, exact.inputs(), setting.samples->name(), run);
      const std::vector<tn_tensor> &expected = exact.run(*inputs, runText(*setting.samples, run)), &found = other.run(*inputs, runText(*setting.samples, run));
      for (size_t i = 0; i < expected.size(); i++)
        if (expected[i].dtype == TN_F32 && elementsOf(expected[i])) {
          OutputDistance distance = distanceBetween(expected[i], found[i]);
          sum += kind == Agreement::Cosine ? distance.cosine : -distance.relative;
          count++;
        }
    }
    if (!count)
      throw Failure(setting.samples->name() + ": " + (run ? "the model has no f32 output with elements to compare; measure it with labels or a metric of your own" : "holds no samples"));
    return sum / double(count);
  }

private:
  Agreement kind;
  MetricSetting setting;
  CompiledModel exact;
};

class TopKMetric : public Metric {
public:
  TopKMetric(size_t k, std::vector<int64_t> labels, std::string labelsName, const MetricSetting &setting)
      : k(k), labels(std::move(labels)), labelsName(std::move(labelsName)), setting(setting) {}

  std::string name() const override { return "top" + std::to_string(k); }

  double score(const std::string &model) override {
    CompiledModel compiled(model, setting.model, setting.threads);
    setting.samples->start(compiled.inputs());
    size_t right = 0, sample = 0;
    int64_t run = 0;
    for (std::vector<HostTensor> *inputs; (inputs = setting.samples->next()); run++) {
      requireFinite(*inputs, compiled.inputs(), setting.samples->name(), run);
      const tn_tensor &scores = compiled.run(*inputs, runText(*setting.samples, run)).front();
      size_t rows = size_t(samplesIn(*inputs)), classes = elementsOf(scores) / std::max<size_t>(rows, 1);
      if (scores.dtype != TN_F32 || scores.rank < 2 || size_t(scores.dims[0]) != rows || classes < 2)
        throw Failure(setting.model + ": the first output is " + typeText(scores.dtype, dimsOf(scores)) + "; f32 numbers for each class, with samples along the first axis, were expected to count labels");
      for (size_t row = 0; row < rows; row++, sample++)
        right += isAmongLargest(static_cast<const float *>(scores.data) + row * classes, classes, labelOf(sample, classes));
    }
    if (sample != labels.size())
      throw Failure(labelsName + ": holds " + std::to_string(labels.size()) + " labels; one for each of the " + std::to_string(sample) + " samples of " + setting.samples->name() + " was expected");
    return double(right) / double(sample);
  }

private:
  size_t labelOf(size_t sample, size_t classes) const {
    if (sample >= labels.size())
      throw Failure(labelsName + ": holds " + std::to_string(labels.size()) + " labels; " + setting.samples->name() + " holds more samples");
    if (labels[sample] < 0 || size_t(labels[sample]) >= classes)
      throw Failure(labelsName + ": label " + std::to_string(sample) + " is " + std::to_string(labels[sample]) + "; a class from 0 to " + std::to_string(classes - 1) + " was expected");
    return size_t(labels[sample]);
  }

  /// Of equal numbers the first ones count as larger, as argmax has it. NaN is right never.
  bool isAmongLargest(const float *scores, size_t classes, size_t label) const {
    if (std::isnan(scores[label]))
      return false;
    size_t larger = 0;
    for (size_t i = 0; i < classes; i++)
      larger += !(scores[i] < scores[label]) && (scores[i] != scores[label] || i < label);
    return larger < k;
  }

  size_t k;
  std::vector<int64_t> labels;
  std::string labelsName;
  MetricSetting setting;
};

} // namespace

std::unique_ptr<Metric> agreementWith(const std::string &floatModel, Agreement kind, const MetricSetting &setting) {
  return std::make_unique<AgreementMetric>(floatModel, kind, setting);
}

std::unique_ptr<Metric> topK(size_t k, std::vector<int64_t> labels, const std::string &labelsName, const MetricSetting &setting) {
  return std::make_unique<TopKMetric>(k, std::move(labels), labelsName, setting);
}

} // namespace tenon::driver
