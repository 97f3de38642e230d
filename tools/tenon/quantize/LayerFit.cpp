#include "tools/tenon/quantize/LayerFit.h"
#include "tools/tenon/quantize/AdaptiveRounding.h"

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

/// The mean of exact results less that of the layer in integers, by channel.
std::vector<double> shiftsOf(const RoundingProblem &problem, const std::vector<int8_t> &codes) {
  const LayerShape &shape = problem.shape;
  size_t depth = size_t(shape.depth), perGroup = size_t(shape.channels / shape.groups);
  std::vector<double> exact = meanOf(problem.exact, size_t(shape.rowSize())), seen = meanOf(problem.seen, size_t(shape.rowSize())), shifts(size_t(shape.channels), 0);
  for (size_t i = 0; i < codes.size(); i++) {
    size_t channel = i / depth, at = channel / perGroup * depth + i % depth;
    shifts[channel] += double(problem.weights[i]) * exact[at] - double(problem.grid.scales[channel]) * codes[i] * seen[at];
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
    WeightGrid grid{model.scalesOf(layer), sample.shape().depth};
    bool correctsBias = options.correctBiases && model.canShift(layer);
    RoundingProblem problem{sample.shape(), weights, sample.data(), seen, grid, correctsBias, options.threads};
    std::vector<int8_t> codes;
    if (options.adaptRounding && !sharesItsWeight(model, layer)) {
      AdaptedCodes adapted = adaptedCodes(problem);
      fit.roundings[i] = {adapted.before, adapted.after};
      codes = std::move(adapted.codes);
      fit.constants.codes[layer.weight] = sample.shape().asStored(codes);
    } else {
      codes = nearestCodes(sample.shape(), weights, grid);
    }
    if (!correctsBias)
      continue;
    std::vector<float> bias = model.biasValues(layer);
    std::vector<double> shifts = shiftsOf(problem, codes);
    for (size_t c = 0; c < bias.size(); c++)
      bias[c] = float(bias[c] + shifts[c]);
    fit.constants.biases[i] = std::move(bias);
    fit.biases++;
  }
  return fit;
}

} // namespace tenon::driver
