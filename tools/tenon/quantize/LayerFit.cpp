#include "tools/tenon/quantize/LayerFit.h"
#include "tools/tenon/quantize/AdaptiveRounding.h"
#include "tools/tenon/quantize/Float8.h"

#include <algorithm>

namespace tenon::driver {
namespace {

std::vector<double> meanOf(const std::vector<float> &rows, size_t size) {
  std::vector<double> means(size, 0);
  for (size_t i = 0; i < rows.size(); i++)
    means[i % size] += rows[i];
  for (double &mean : means)
    mean /= double(rows.size() / size);
  return means;
}

/// What integers, or floats of 8 bits, stand for.
std::vector<double> valuesOf(const RoundingProblem &problem, const std::vector<int8_t> &codes) {
  std::vector<double> values(codes.size());
  for (size_t i = 0; i < codes.size(); i++)
    values[i] = double(problem.grid.scales[i / size_t(problem.shape.depth)]) * codes[i];
  return values;
}

std::vector<double> nearestFloats(const RoundingProblem &problem) {
  std::vector<double> values(problem.weights.size());
  for (size_t i = 0; i < values.size(); i++) {
    float scale = problem.grid.scales[i / size_t(problem.shape.depth)];
    values[i] = double(scale) * roundedToFloat8(problem.weights[i] / scale);
  }
  return values;
}

/// The mean of exact results less that of the layer in 8 bits, by channel.
std::vector<double> shiftsOf(const RoundingProblem &problem, const std::vector<double> &rounded) {
  const LayerShape &shape = problem.shape;
  size_t depth = size_t(shape.depth), perGroup = size_t(shape.channels / shape.groups);
  std::vector<double> exact = meanOf(problem.exact, size_t(shape.rowSize())), seen = meanOf(problem.seen, size_t(shape.rowSize())), shifts(size_t(shape.channels), 0);
  for (size_t i = 0; i < rounded.size(); i++) {
    size_t channel = i / depth, at = channel / perGroup * depth + i % depth;
    shifts[channel] += double(problem.weights[i]) * exact[at] - rounded[i] * seen[at];
  }
  return shifts;
}

bool sharesItsWeight(const QuantizableModel &model, const QuantizableLayer &layer) {
  auto same = [&](const QuantizableLayer &other) { return other.weight == layer.weight; };
  return std::count_if(model.layers().begin(), model.layers().end(), same) > 1;
}

} // namespace

LayerFit fitLayers(const QuantizableModel &model, const Observation &observation, const std::map<std::string, Steps> &steps, const QuantizableModel::Floats &inFloat,
                   const LayerFitOptions &options, const ProgressFunction &progress) {
  LayerFit fit;
  for (size_t i = 0; i < model.layers().size(); i++) {
    progress("rounding", double(i) / double(model.layers().size()));
    const QuantizableLayer &layer = model.layers()[i];
    const RowSample &sample = observation.rows.at(i);
    if (inFloat[i] || !sample.rows())
      continue;
    std::vector<float> weights = sample.shape().weightRows(model.weightOf(layer)), seen = roundedTo(steps.at(layer.input), sample.data());
    WeightCodes kind = steps.at(layer.input).weightCodes();
    WeightGrid grid{model.scalesOf(layer, kind), sample.shape().depth};
    bool correctsBias = options.correctBiases && model.canShift(layer);
    RoundingProblem problem{sample.shape(), weights, sample.data(), seen, grid, correctsBias, options.threads};
    std::vector<double> rounded;
    if (kind == WeightCodes::Floats) {
      rounded = nearestFloats(problem);
    } else if (options.adaptRounding && !sharesItsWeight(model, layer)) {
      AdaptedCodes adapted = adaptedCodes(problem);
      fit.roundings[i] = {adapted.before, adapted.after};
      rounded = valuesOf(problem, adapted.codes);
      fit.constants.codes[layer.weight] = sample.shape().asStored(adapted.codes);
    } else {
      rounded = valuesOf(problem, nearestCodes(sample.shape(), weights, grid));
    }
    if (!correctsBias)
      continue;
    std::vector<float> bias = model.biasValues(layer);
    std::vector<double> shifts = shiftsOf(problem, rounded);
    for (size_t c = 0; c < bias.size(); c++)
      bias[c] = float(bias[c] + shifts[c]);
    fit.constants.biases[i] = std::move(bias);
    fit.biases++;
  }
  return fit;
}

} // namespace tenon::driver
