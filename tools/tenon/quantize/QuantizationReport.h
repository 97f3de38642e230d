// What quantization did and what it costs, for people and programs.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/SievedDataset.h"
#include "tools/tenon/quantize/Techniques.h"

#include <optional>

namespace tenon::driver {

struct LayerReport {
  std::string name, type, input;
  int bits = 8;                // 32: f32
  std::optional<double> error; // of the network's outputs with this layer alone in 8 bits, relative to their length
  std::optional<double> drop;  // of the budget's metric with this layer alone in 8 bits, where layers were ranked by it
  struct Rounding {
    double nearest = 0, adapted = 0; // squared errors of the layer's own results over samples' rows, relative to them
  };
  std::optional<Rounding> rounding; // where weights were rounded for the results
  std::optional<double> seconds, floatSeconds; // that the layer takes here, as it is written and in the float model
};

struct TensorReport {
  std::string name, method;    // "recipe" where the range was given
  Range range;                 // of the 256 steps
  Steps steps;
  bool isQuantized = true;     // false: no layer in 8 bits needs it
  std::optional<Histogram> seen; // what calibration saw, between its extremes beside outliers; none where there was no calibration
  Range extremes;              // outliers included
  uint64_t outliers = 0;
  double outlierLimit = 0;
};

struct BudgetReport {
  std::string metric;
  double floatScore = 0, score = 0, maxDrop = 0;
  bool isMet = false;
  int measured = 0;            // choices of layers that were compiled and measured
  double drop() const { return floatScore - score; }
};

/// How long a run takes here, in all steps together.
struct TimesReport {
  double seconds = 0, floatSeconds = 0;
};

struct QuantizationReport {
  std::string model;           // the path
  int64_t samples = 0;         // calibrated with
  std::string method;          // of ranges that nothing else is said of; that which the network's outputs decided for
  std::vector<LayerReport> layers;
  std::vector<TensorReport> tensors;
  std::optional<BudgetReport> budget;
  Techniques techniques;       // that were used
  std::optional<TimesReport> times; // where they were measured
  size_t equalizedGroups = 0;  // of tensors whose channels were scaled
  std::vector<OutlyingSample> leftOut; // that were not calibrated with

  size_t quantizedLayers() const;
  size_t quantizedTensors() const;
  /// What they are in: "8 bits" or "fp8".
  const char *typeText() const { return techniques.float8.value_or(false) ? "fp8" : "8 bits"; }
  /// Whether layers were ranked by the budget's metric.
  bool hasDrops() const;
};

enum class ReportedLayers { All, Floats };
/// The table of layers, of all or of those in f32, and lines about times and the budget.
std::string reportText(const QuantizationReport &report, ReportedLayers layers = ReportedLayers::All);
std::string reportJson(const QuantizationReport &report);
/// What --recipe reads: the same model and recipe give the same bytes.
std::string recipeJson(const QuantizationReport &report);
/// What the user should know: samples that were left out, outliers that are clipped, tensors that were 0, a budget that is not met. One sentence each.
std::vector<std::string> reportWarnings(const QuantizationReport &report);

} // namespace tenon::driver
