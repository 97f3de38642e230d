// Post-training quantization as a whole: what `tenon quantize` and tenon.quantize do.
#pragma once
#include "tools/tenon/quantize/Calibration.h"
#include "tools/tenon/quantize/Metric.h"
#include "tools/tenon/quantize/QuantizationReport.h"
#include "tools/tenon/quantize/Recipe.h"

namespace tenon::driver {

/// What tells which layers a budget returns to floats first: what each of them alone in 8 bits costs the metric, or the outputs. Auto: the metric where
/// measuring all of them takes half an hour at most.
enum class RankBy { Auto, Metric, Outputs };
constexpr RankBy rankByFrom(std::optional<bool> metric) { return !metric ? RankBy::Auto : *metric ? RankBy::Metric : RankBy::Outputs; }

struct QuantizeOptions {
  std::string path;                        // of the model, for messages
  RangeMethod method = RangeMethod::Network; // for tensors whose recipe names no other
  double percentile = 99.99;
  int64_t limit = 0;                       // samples that are calibrated with; 0: all
  uint32_t threads = 0;                    // 0: one for each core
  std::optional<double> maxDrop;           // of the metric's score, at least 0; infinite: it is measured only. None: it is not
  RankBy rankBy = RankBy::Auto;
  bool halvesFallback = false;             // layers that a budget returns to floats compute in f16
  bool measureErrors = false;              // of each layer, even where the budget is met without, and how long it takes
  Techniques techniques;                   // beyond ranges; those left open are the recipe's, or the usual ones
  KeptSamples *heldOut = nullptr;          // receives samples to measure with: CalibrationOptions::heldOut
  StatisticsFile *statistics = nullptr;    // holds what an interrupted run left, and keeps what is measured; null: neither
};

/// Makes the metric once samples were held out; called only where there is a `maxDrop`.
using MetricMaker = std::function<std::unique_ptr<Metric>(const std::string &floatModel)>;

struct Quantized {
  std::string model; // ONNX with Q/DQ nodes
  QuantizationReport report;
};

/// Whether samples that lie far beyond all others are left out: only min-max, where it is asked for, keeps them.
bool leavesOutSamples(const QuantizeOptions &options);

/// `calibration` may be null where `recipe` gives the range of every tensor that is quantized and errors are not asked for. Throws Failure.
Quantized quantize(const QuantizableModel &model, const QuantizeOptions &options, const Recipe &recipe, Dataset *calibration, const MetricMaker &makeMetric,
                   const ProgressFunction &progress);

} // namespace tenon::driver
