#include "tools/tenon/quantize/Equalization.h"
#include "tools/tenon/quantize/AdaptiveRounding.h"
#include "tools/tenon/quantize/DenseProducts.h"
#include "tools/tenon/quantize/ScalableChannels.h"
#include "tools/tenon/quantize/ValueCounts.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

constexpr size_t kMostRows = 1024;

/// A layer that reads the channels: what it reads, and its weights.
struct Reader {
  const LayerShape *shape;
  std::vector<float> rows;    // [rows][shape.rowSize()]
  std::vector<float> weights; // [channels][depth]
  std::vector<float> largest; // magnitudes of the channels it reads, over all samples

  /// The channel of a number in a row.
  size_t channelOf(size_t column, size_t channels) const { return column / (size_t(shape->rowSize()) / channels); }
  size_t channelOfWeight(size_t element, size_t channels) const {
    size_t depth = size_t(shape->depth), perGroup = size_t(shape->channels / shape->groups);
    return channelOf(element / depth / perGroup * depth + element % depth, channels);
  }
};

/// Products of rows with weights, group by group, less `less` where that is given: the sum of their squares.
double squaresOf(const Reader &reader, const std::vector<float> &rows, const std::vector<float> &weights, std::vector<std::vector<float>> *results, bool isDifference, uint32_t threads) {
  const LayerShape &shape = *reader.shape;
  size_t size = size_t(shape.rowSize()), depth = size_t(shape.depth), channels = size_t(shape.channels / shape.groups), count = rows.size() / size;
  double sum = 0;
  std::vector<float> part(count * depth), products(count * channels);
  for (size_t group = 0; group < size_t(shape.groups); group++) {
    for (size_t row = 0; row < count; row++)
      std::copy_n(rows.begin() + int64_t(row * size + group * depth), depth, part.begin() + int64_t(row * depth));
    multiplyTransposed(part.data(), count, weights.data() + group * channels * depth, channels, depth, products.data(), shape.groups > 1 ? 1 : threads);
    for (size_t i = 0; i < products.size(); i++) {
      double value = isDifference ? double(products[i]) - (*results)[group][i] : products[i];
      sum += value * value;
    }
    if (!isDifference)
      results->push_back(products);
  }
  return sum;
}

/// The nearest weights in 8 bits with a scale for each channel.
std::vector<float> roundedWeights(const Reader &reader, const std::vector<float> &weights) {
  size_t depth = size_t(reader.shape->depth);
  std::vector<float> rounded(weights.size());
  for (size_t begin = 0; begin < weights.size(); begin += depth) {
    float largest = 0;
    for (size_t i = begin; i < begin + depth; i++)
      largest = std::max(largest, std::abs(weights[i]));
    float scale = largest > 0 ? largest / 127 : 1;
    for (size_t i = begin; i < begin + depth; i++)
      rounded[i] = std::nearbyint(weights[i] / scale) * scale;
  }
  return rounded;
}

std::vector<float> roundedInputs(const std::vector<float> &rows) {
  ValueCounts counts;
  counts.add(rows.data(), rows.size());
  Range range = chooseRange(counts.histogram({counts.low(), counts.high()}), RangeMethod::Mse, 0);
  return roundedTo(stepsFor(range), rows);
}

class GroupEqualization {
public:
  GroupEqualization(std::vector<Reader> readers, size_t channels, uint32_t threads) : readers(std::move(readers)), channels(channels), threads(threads), inputs(channels, 0), weights(channels, 0) {
    for (const Reader &reader : this->readers) {
      for (size_t i = 0; i < reader.largest.size(); i++)
        largest(inputs, i / (reader.largest.size() / channels), reader.largest[i]);
      for (size_t i = 0; i < reader.weights.size(); i++)
        largest(weights, reader.channelOfWeight(i, channels), reader.weights[i]);
    }
  }

  /// Those that give every channel the whole range. What depthwise convolutions read loses nothing by them, and small channels count as much as large ones: a
  /// normalization behind the convolution, or its next reader, may well enlarge them.
  std::vector<float> whole() const { return scalesFor(1); }

  /// The best scales; none where they would gain little.
  std::vector<float> best() {
    constexpr double kPowers[] = {0.25, 0.5, 0.75, 1};
    constexpr double kWorthwhile = 0.9; // of the error without
    std::vector<float> chosen;
    double least = kWorthwhile * error(std::vector<float>(channels, 1));
    for (double power : kPowers) {
      std::vector<float> scales = scalesFor(power);
      if (double found = error(scales); found < least)
        least = found, chosen = std::move(scales);
    }
    return chosen;
  }

private:
  static void largest(std::vector<double> &of, size_t channel, float value) { of[channel] = std::max(of[channel], std::abs(double(value))); }

  std::vector<float> scalesFor(double power) const {
    constexpr double kFarthest = 1024; // from the mean: channels that hold next to nothing are not blown up without end
    std::vector<double> logarithms(channels, 0);
    double sum = 0;
    size_t count = 0;
    for (size_t c = 0; c < channels; c++)
      if (inputs[c] > 0 && weights[c] > 0) {
        logarithms[c] = power * std::log(inputs[c]) - (1 - power) * std::log(weights[c]);
        sum += logarithms[c];
        count++;
      }
    std::vector<float> scales(channels, 1);
    for (size_t c = 0; c < channels; c++)
      if (inputs[c] > 0 && weights[c] > 0)
        scales[c] = float(std::exp(std::clamp(logarithms[c] - sum / double(count), -std::log(kFarthest), std::log(kFarthest))));
    return scales;
  }

  /// Squared errors of the readers' results, each relative to its results.
  double error(const std::vector<float> &scales) {
    double sum = 0;
    for (const Reader &reader : readers) {
      std::vector<float> rows = reader.rows, scaled = reader.weights;
      for (size_t i = 0; i < rows.size(); i++)
        rows[i] /= scales[reader.channelOf(i % size_t(reader.shape->rowSize()), channels)];
      for (size_t i = 0; i < scaled.size(); i++)
        scaled[i] *= scales[reader.channelOfWeight(i, channels)];
      std::vector<std::vector<float>> results;
      double whole = squaresOf(reader, reader.rows, reader.weights, &results, false, threads);
      double lost = squaresOf(reader, roundedInputs(rows), roundedWeights(reader, scaled), &results, true, threads);
      sum += whole > 0 ? lost / whole : 0;
    }
    return sum;
  }

  std::vector<Reader> readers;
  size_t channels;
  uint32_t threads;
  std::vector<double> inputs, weights; // the largest magnitudes of each channel
};

/// The layers that read these channels.
std::vector<Reader> readersOf(const ScalableChannels &channels, const QuantizableModel &model, const std::vector<RowSample> &rows) {
  std::vector<Reader> readers;
  for (size_t i = 0; i < model.layers().size(); i++) {
    const QuantizableLayer &layer = model.layers()[i];
    auto reads = [&](const ChannelConstant &constant) { return constant.reads && constant.node == layer.node; };
    const RowSample &sample = rows[i];
    if (!sample.rows() || std::none_of(channels.constants.begin(), channels.constants.end(), reads))
      continue;
    size_t count = std::min(sample.rows(), kMostRows) * size_t(sample.shape().rowSize());
    readers.push_back({&sample.shape(), {sample.data().begin(), sample.data().begin() + int64_t(count)}, sample.shape().weightRows(model.weightOf(layer)), sample.largest()});
  }
  return readers;
}

std::vector<ScalableChannels> candidatesOf(const QuantizableModel &model, Equalization which) {
  if (which == Equalization::None)
    return {};
  std::vector<ScalableChannels> found = findScalable(model.proto().graph(), model.knownConstants());
  if (which == Equalization::Depthwise)
    std::erase_if(found, [](const ScalableChannels &channels) { return !channels.isReadByDepthwise(); });
  return found;
}

} // namespace

bool canEqualize(const QuantizableModel &model, Equalization which) { return !candidatesOf(model, which).empty(); }

Equalized equalize(const QuantizableModel &model, Equalization which, const std::vector<RowSample> &rows, uint32_t threads) {
  Equalized result;
  onnx::ModelProto changed = model.proto();
  for (const ScalableChannels &channels : candidatesOf(model, which)) {
    std::vector<Reader> readers = readersOf(channels, model, rows);
    if (readers.empty())
      continue;
    result.candidates++;
    GroupEqualization group(std::move(readers), size_t(channels.channels), threads);
    std::vector<float> scales = channels.isReadByDepthwise() ? group.whole() : group.best();
    if (scales.empty())
      continue;
    scaleChannels(changed, channels, scales);
    result.groups++;
  }
  result.model = changed.SerializeAsString();
  return result;
}

} // namespace tenon::driver
