#include "tools/tenon/quantize/RangeChoice.h"
#include "tools/tenon/quantize/DenseProducts.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

double squares(const std::vector<float> &values) {
  double sum = 0;
  for (float value : values)
    sum += double(value) * value;
  return sum;
}

/// Squared errors of the tensor itself, relative to its squares.
std::vector<double> ownErrors(const ValueCounts &counts, const std::vector<Steps> &candidates) {
  Histogram all = counts.histogram({counts.low(), counts.high()});
  std::vector<double> errors;
  for (Steps steps : candidates)
    errors.push_back(relativeSquaredError(all, steps));
  return errors;
}

/// Columns from `begin` of the first `rows` rows.
std::vector<float> columns(const std::vector<float> &matrix, size_t size, size_t rows, size_t begin, size_t depth) {
  std::vector<float> part;
  for (size_t row = 0; row < rows; row++)
    part.insert(part.end(), matrix.begin() + int64_t(row * size + begin), matrix.begin() + int64_t(row * size + begin + depth));
  return part;
}

} // namespace

RangeChoice RangeChooser::byMethod(const ValueCounts &counts, RangeMethod method, bool keepsOutliers) const {
  RangeChoice choice;
  choice.method = method;
  Range usual{counts.low(), counts.high()};
  if (ValueCounts::Outliers outliers = counts.outliers(); outliers.count && !(keepsOutliers && method == RangeMethod::MinMax)) {
    usual = {std::max(usual.low, -outliers.limit), std::min(usual.high, outliers.limit)};
    choice.outliers = outliers;
  }
  choice.seen = counts.histogram(usual);
  choice.range = chooseRange(choice.seen, method, percentile, activations);
  if (method == RangeMethod::MovingAverage)
    choice.range = {std::max(usual.low, counts.average().low), std::min(usual.high, counts.average().high)};
  return choice;
}

RangeChoice RangeChooser::choose(const std::string &tensor, RangeMethod method, bool keepsOutliers) const {
  const ValueCounts &counts = observation.tensors.at(tensor);
  if (method != RangeMethod::Auto)
    return byMethod(counts, method, keepsOutliers);
  // Among equal ones the first one stays.
  constexpr RangeMethod kCandidates[] = {RangeMethod::Mse, RangeMethod::MinMax, RangeMethod::MovingAverage, RangeMethod::Percentile, RangeMethod::Entropy};
  std::vector<RangeChoice> choices;
  std::vector<Steps> steps;
  for (RangeMethod candidate : kCandidates) {
    choices.push_back(byMethod(counts, candidate, false)); // nobody asked for min-max
    steps.push_back(stepsFor(choices.back().range, activations));
  }
  // A tensor that is itself twice as far off may lose what is rare and matters, as objects do in pictures: the rows hold few of these.
  constexpr double kMostOwnError = 2;
  std::vector<double> errors = errorsOf(tensor, steps), own = ownErrors(counts, steps);
  double least = *std::min_element(own.begin(), own.end());
  for (size_t c = 0; c < errors.size(); c++)
    if (own[c] > kMostOwnError * least)
      errors[c] = INFINITY;
  return choices[size_t(std::min_element(errors.begin(), errors.end()) - errors.begin())];
}

std::vector<double> RangeChooser::errorsOf(const std::string &tensor, const std::vector<Steps> &candidates) const {
  std::vector<double> errors(candidates.size(), 0);
  size_t layers = 0;
  for (size_t i = 0; i < model.layers().size(); i++) {
    if (model.layers()[i].input != tensor)
      continue;
    layers++;
    std::vector<double> found = resultErrors(i, candidates);
    for (size_t c = 0; c < found.size(); c++)
      errors[c] += found[c];
  }
  // Sums and the like pass the tensor's own error on.
  if (layers == model.readersOf(tensor))
    return errors;
  std::vector<double> own = ownErrors(observation.tensors.at(tensor), candidates);
  for (size_t c = 0; c < candidates.size(); c++)
    errors[c] += own[c];
  return errors;
}

std::vector<double> RangeChooser::resultErrors(size_t layer, const std::vector<Steps> &candidates) const {
  constexpr size_t kMostRows = 4096;
  const RowSample &sample = observation.rows.at(layer);
  const LayerShape &shape = sample.shape();
  size_t depth = size_t(shape.depth), channels = size_t(shape.channels / shape.groups), rows = std::min(sample.rows(), kMostRows);
  std::vector<float> weights = shape.weightRows(model.weightOf(model.layers()[layer]));
  std::vector<double> errors(candidates.size(), 0);
  double whole = 0;
  for (size_t group = 0; group < size_t(shape.groups); group++) {
    std::vector<float> exact = columns(sample.data(), size_t(shape.rowSize()), rows, group * depth, depth), results(rows * channels);
    uint32_t workers = shape.groups > 1 ? 1 : threads;
    auto multiply = [&](const std::vector<float> &inputs) {
      multiplyTransposed(inputs.data(), rows, weights.data() + group * channels * depth, channels, depth, results.data(), workers);
      return squares(results);
    };
    whole += multiply(exact);
    for (size_t c = 0; c < candidates.size(); c++) {
      std::vector<float> difference = roundedTo(candidates[c], exact);
      for (size_t i = 0; i < exact.size(); i++)
        difference[i] -= exact[i];
      errors[c] += multiply(difference);
    }
  }
  for (double &error : errors)
    error /= whole > 0 ? whole : 1;
  return errors;
}

} // namespace tenon::driver
