// Filter banks of the mel scale.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Triangles between neighbouring frequencies of the mel scale, as ONNX's reference draws them.
static std::vector<double> melFilters(int64_t filters, int64_t length, int64_t rate, double lowest, double highest) {
  int64_t bins = length / 2 + 1;
  std::vector<double> out(bins * filters, 0.0);
  double low = 2595 * std::log10(1 + lowest / 700), high = 2595 * std::log10(1 + highest / 700), step = (high - low) / double(filters + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < filters + 2; ++i) {
    double hertz = 700 * (std::pow(10.0, (low + double(i) * step) / 2595) - 1);
    edges.push_back(std::clamp<int64_t>(int64_t(std::floor(double(length + 1) * hertz / double(rate))), 0, bins - 1));
  }
  for (int64_t i = 0; i < filters; ++i) {
    int64_t left = edges[i], centre = edges[i + 1], right = edges[i + 2];
    if (left == centre)
      out[centre * filters + i] = 1;
    for (int64_t j = left; left != centre && j <= centre; ++j)
      out[j * filters + i] = double(j - left) / double(centre - left);
    for (int64_t j = centre; j < right; ++j)
      out[j * filters + i] = double(right - j) / double(right - centre);
  }
  return out;
}

constexpr double kMostMelNumbers = 1 << 20;

static Type melType(Node &node) {
  Type element = elementType(node.context, int32_t(node.integer("output_datatype", 1)));
  if (element && !element.isInteger(1))
    return element;
  node.unsupported("output_datatype " + dataTypeName(int32_t(node.integer("output_datatype", 1))));
  return {};
}

/// The bins at which the triangles begin, as [filters + 2]: equal steps of the mel scale.
static Value melEdges(Node &node, Dim filters, Dim length, Dim bins) {
  Formula f(node);
  Type f64 = node.builder.getF64Type(), index = node.builder.getI64Type();
  auto number = [&](size_t i) { return node.cast(node.reshape(node.in(i), {}), f64); };
  constexpr double kPerOctave = 2595 / M_LN10;
  auto mel = [&](Value hertz) { return f.mul(node.make<nn::LogOp>(f.add(f.div(hertz, 700), 1)), kPerOctave); };
  Value low = mel(number(3)), high = mel(number(4));
  Value step = f.div(f.sub(high, low), node.cast(f.sizeValue(filters + 2), f64));
  Value point = f.add(f.mul(node.cast(f.positions(filters + 2, 0, 1), f64), step), low);
  Value hertz = f.mul(f.add(node.make<nn::ExpOp>(f.div(point, kPerOctave)), -1), 700);
  Value bin = node.make<nn::FloorOp>(f.div(f.mul(hertz, node.cast(f.sizeValue(length + 1), f64)), number(2)));
  Value last = f.sizeValue(bins - 1), zero = node.scalar(0, index);
  return node.make<nn::MaxOp>(node.make<nn::MinOp>(node.cast(bin, index), last), zero);
}

/// The same as melFilters, where the run computes it.
static void computedMelWeightMatrix(Node &node) {
  for (size_t i = 0; i < 5; ++i) {
    node.takeOne(i);
    if (!nn::numElements(node.in(i).getType()).isConstant(1))
      return node.invalid("input " + Twine(i) + " must be one number");
  }
  Type element = melType(node), f64 = node.builder.getF64Type();
  std::optional<SmallVector<Dim>> filterCount = node.sizes(0), lengths = node.sizes(1);
  if (!element || !filterCount || !lengths)
    return;
  Dim filters = filterCount->front(), length = lengths->front(), bins = length.floorDiv(2) + 1;
  node.requireAtMost(filters, node.dim(int64_t(kMostMelNumbers)), "num_mel_bins");
  node.requireAtMost(length, node.dim(int64_t(kMostMelNumbers)), "dft_length");
  Formula f(node);
  Value edges = melEdges(node, filters, length, bins);
  auto edge = [&](int64_t i) { return node.failed() ? Value() : node.slice(edges, 0, node.dim(i), filters); };
  Value left = edge(0), centre = edge(1), right = edge(2), bin = f.positions(bins, 0, 2);
  auto ratio = [&](Value part, Value whole) {
    Value safe = node.make<nn::MaxOp>(whole, f.number(1, whole));
    return f.div(node.cast(part, f64), node.cast(safe, f64));
  };
  Value falls = f.both(f.atMost(centre, bin), f.less(bin, right)), rises = f.both(f.atMost(left, bin), f.atMost(bin, centre));
  Value isPoint = f.equal(left, centre), one = node.scalar(1, f64), zero = node.scalar(0, f64);
  Value up = f.select(isPoint, one, ratio(f.sub(bin, left), f.sub(centre, left)));
  Value out = f.select(falls, ratio(f.sub(right, bin), f.sub(right, centre)), f.select(rises, up, zero));
  node.result(node.cast(out, element));
}

static void melWeightMatrix(Node &node) {
  for (size_t i = 0; i < 5; ++i)
    if (!isa_and_nonnull<nn::ConstantOp>(node.in(i).getDefiningOp()))
      return computedMelWeightMatrix(node);
  SmallVector<double> numbers;
  for (size_t i = 0; i < 5; ++i) {
    std::optional<SmallVector<double>> value = node.knownReals(i);
    if (!value)
      return;
    if (value->size() != 1)
      return node.invalid("input " + Twine(i) + " must be one number");
    numbers.push_back(value->front());
  }
  constexpr double kLargest = kMostMelNumbers;
  if (!(numbers[0] >= 1 && numbers[0] <= kLargest && numbers[1] >= 1 && numbers[1] <= kLargest && numbers[0] * numbers[1] <= 64 * kLargest))
    return node.invalid("num_mel_bins and dft_length are out of range");
  if (!(numbers[2] >= 1 && numbers[3] >= 0 && numbers[4] > numbers[3] && numbers[4] <= numbers[2]))
    return node.invalid("the edges must be frequencies that the sample rate has, the lower one first");
  Type element = melType(node);
  if (!element)
    return;
  int64_t filters = int64_t(numbers[0]), length = int64_t(numbers[1]);
  std::vector<double> values = melFilters(filters, length, int64_t(numbers[2]), numbers[3], numbers[4]);
  auto type = RankedTensorType::get({length / 2 + 1, filters}, node.builder.getF32Type());
  std::vector<float> narrow(values.begin(), values.end());
  node.result(node.cast(node.constant(DenseElementsAttr::get(type, ArrayRef(narrow))), element));
}

void registerMelFilters(OperatorTable &table) {
  table.add("MelWeightMatrix", 17, 5, 5, melWeightMatrix);
}

} // namespace tenon::importer
