// Recurrent layers.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// Functions of the gates of one direction, and their parameters.
struct Activations {
  SmallVector<StringRef> names;
  SmallVector<double> alpha, beta;
  bool operator==(const Activations &o) const { return names == o.names && alpha == o.alpha && beta == o.beta; }
};

/// A layer as the node describes it, the sequence's axis first.
struct Layer {
  nn::Cell cell;
  nn::Direction direction = nn::Direction::Forward;
  int64_t directions = 1, gates = 1, hidden = 0;
  Value input, weight, recurrence, bias, lengths, initialH, initialC, peephole;
  std::vector<Activations> activations; // one a direction
};
} // namespace

static std::optional<nn::Direction> directionOf(Node &node) {
  StringRef text = node.text("direction", "forward");
  if (text == "forward")
    return nn::Direction::Forward;
  if (text == "reverse")
    return nn::Direction::Reverse;
  if (text == "bidirectional")
    return nn::Direction::Bidirectional;
  node.invalid("direction is '" + text + "'");
  return std::nullopt;
}

namespace {
struct KnownActivation {
  StringRef name;
  bool takesAlpha, takesBeta;
  double alpha, beta; // ONNX's defaults
};
constexpr KnownActivation kActivations[] = {
    {"Relu", false, false, 0, 0},         {"Tanh", false, false, 0, 0},          {"Sigmoid", false, false, 0, 0},
    {"Affine", true, true, 1.0, 0.0},     {"LeakyRelu", true, false, 0.01, 0},   {"ThresholdedRelu", true, false, 1.0, 0},
    {"ScaledTanh", true, true, 1.0, 1.0}, {"HardSigmoid", true, true, 0.2, 0.5}, {"Elu", true, false, 1.0, 0},
    {"Softsign", false, false, 0, 0},     {"Softplus", false, false, 0, 0}};
} // namespace

/// The lists of parameters hold entries only for functions that take them, in the order of the functions.
static std::vector<Activations> activationsOf(Node &node, nn::Cell cell, int64_t directions) {
  SmallVector<StringRef> plain{"Sigmoid", "Tanh", "Tanh"};
  if (cell == nn::Cell::GRU)
    plain = {"Sigmoid", "Tanh"};
  if (cell == nn::Cell::RNN)
    plain = {"Tanh"};
  std::vector<std::string> given = node.texts("activations");
  if (given.empty())
    for (int64_t d = 0; d < directions; ++d)
      given.insert(given.end(), plain.begin(), plain.end());
  if (given.size() != plain.size() * directions) {
    node.invalid("activations has " + Twine(given.size()) + " entries; " + Twine(plain.size() * directions) + " were expected");
    return {};
  }
  SmallVector<double> alphas = node.reals("activation_alpha").value_or(SmallVector<double>()),
                      betas = node.reals("activation_beta").value_or(SmallVector<double>());
  size_t nextAlpha = 0, nextBeta = 0;
  std::vector<Activations> out(directions);
  for (auto [i, name] : llvm::enumerate(given)) {
    auto known = llvm::find_if(kActivations, [&](const KnownActivation &k) { return k.name.equals_insensitive(name); });
    if (known == std::end(kActivations)) {
      node.unsupported("activation " + Twine(name));
      return {};
    }
    Activations &at = out[i / plain.size()];
    at.names.push_back(known->name);
    at.alpha.push_back(known->takesAlpha && nextAlpha < alphas.size() ? alphas[nextAlpha] : known->alpha);
    at.beta.push_back(known->takesBeta && nextBeta < betas.size() ? betas[nextBeta] : known->beta);
    nextAlpha += known->takesAlpha;
    nextBeta += known->takesBeta;
  }
  return out;
}

static std::optional<Layer> layerOf(Node &node, nn::Cell cell) {
  Layer layer{cell};
  layer.gates = cell == nn::Cell::RNN ? 1 : cell == nn::Cell::GRU ? 3 : 4;
  std::optional<nn::Direction> direction = directionOf(node);
  if (!direction)
    return std::nullopt;
  layer.direction = *direction;
  layer.directions = *direction == nn::Direction::Bidirectional ? 2 : 1;
  layer.activations = activationsOf(node, cell, layer.directions);
  for (size_t i : {0, 1, 2, 5, 6})
    if (node.in(i) && node.rank(i) != 3)
      node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 3 was expected");
  for (size_t i : {3, 7})
    if (node.in(i) && node.rank(i) != 2)
      node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 2 was expected");
  if (node.failed())
    return std::nullopt;
  std::optional<int64_t> hidden = node.dims(2)[2].asConstant();
  if (!hidden)
    hidden = node.attribute("hidden_size") ? std::optional(node.integer("hidden_size", 0)) : std::nullopt;
  if (!hidden) {
    node.unsupported("a free hidden size");
    return std::nullopt;
  }
  layer.hidden = *hidden;
  if (int64_t declared = node.integer("hidden_size", *hidden); declared != *hidden || declared < 1) {
    node.invalid("hidden_size is " + Twine(declared) + ", the recurrence weights have " + Twine(*hidden));
    return std::nullopt;
  }
  // layout = 1 has the batch first in the input, the states and the results.
  bool batchFirst = node.integer("layout", 0) != 0;
  auto timeFirst = [&](Value value) { return batchFirst && value ? node.transpose(value, {1, 0, 2}) : value; };
  layer.input = timeFirst(node.in(0));
  layer.weight = node.in(1);
  layer.recurrence = node.in(2);
  layer.bias = node.in(3);
  layer.lengths = node.in(4);
  layer.initialH = timeFirst(node.in(5));
  layer.initialC = timeFirst(node.in(6));
  layer.peephole = node.in(7);
  return layer;
}

/// Input times weights of every direction plus biases, [T, B, D, G * H]. A gru that resets after its product keeps the recurrent bias
/// of the hidden gate apart.
static Value gatesOf(Node &node, const Layer &layer, bool keepsResetBias) {
  Formula f(node);
  SmallVector<Dim> x = sizesOf(layer.input), w = sizesOf(layer.weight);
  if (node.failed())
    return {};
  Dim columns = node.dim(layer.directions * layer.gates * layer.hidden), wide = node.dim(layer.gates * layer.hidden);
  Value product = f.matmul(node.reshape(layer.input, {x[0] * x[1], x[2]}), node.reshape(layer.weight, {columns, w[2]}), true);
  if (layer.bias) {
    Value own = node.slice(layer.bias, 1, node.dim(0), wide), recurrent = node.slice(layer.bias, 1, wide, wide);
    if (keepsResetBias) {
      Value update = node.slice(recurrent, 1, node.dim(0), node.dim(2 * layer.hidden));
      SmallVector<Dim> low{node.dim(0), node.dim(0)}, high{node.dim(0), node.dim(layer.hidden)};
      recurrent =
          node.make<nn::PadOp>(update, Value(), node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
    }
    product = f.add(product, node.reshape(f.add(own, recurrent), {columns}));
  }
  return node.reshape(product, {x[0], x[1], node.dim(layer.directions), wide});
}

static SmallVector<Value> recurrence(Node &node, const Layer &layer) {
  bool linear = layer.cell == nn::Cell::GRU && node.integer("linear_before_reset", 0) != 0;
  Dim hidden = node.dim(layer.hidden);
  Value resetBias;
  if (linear && layer.bias)
    resetBias = node.slice(layer.bias, 1, node.dim(5 * layer.hidden), hidden);
  Value weights = node.transpose(layer.recurrence, {0, 2, 1});
  if (sizesOf(weights).size() == 3 && !sizesOf(weights)[1].isConstant()) // what only the attribute knows
    weights = node.reshape(weights, {node.dim(layer.directions), hidden, node.dim(layer.gates * layer.hidden)});
  const Activations &functions = layer.activations.front();
  return node.makeAll<nn::RecurrenceOp>(3, gatesOf(node, layer, linear), weights, resetBias, layer.lengths, layer.initialH, layer.initialC,
                                        layer.peephole, nn::CellAttr::get(node.context, layer.cell),
                                        nn::DirectionAttr::get(node.context, layer.direction), node.builder.getStrArrayAttr(functions.names),
                                        node.f64s(functions.alpha), node.f64s(functions.beta), node.f64(node.real("clip", 0.0)),
                                        node.unit(node.integer("input_forget", 0) != 0), node.unit(linear));
}

/// A direction of a layer as a layer of its own.
static Layer directionAlone(Node &node, const Layer &layer, int64_t direction) {
  Layer out = layer;
  auto part = [&](Value value) { return value ? node.slice(value, 0, node.dim(direction), node.dim(1)) : value; };
  out.direction = direction ? nn::Direction::Reverse : nn::Direction::Forward;
  out.directions = 1;
  out.activations = {layer.activations[direction]};
  for (Value *value : {&out.weight, &out.recurrence, &out.bias, &out.initialH, &out.initialC, &out.peephole})
    *value = part(*value);
  return out;
}

static void giveResults(Node &node, ArrayRef<Value> out, bool hasCell) {
  if (node.failed())
    return;
  bool batchFirst = node.integer("layout", 0) != 0;
  auto last = [&](Value value) { return batchFirst ? node.transpose(value, {1, 0, 2}) : value; };
  node.result(0, batchFirst ? node.transpose(out[0], {2, 0, 1, 3}) : out[0]);
  node.result(1, last(out[1]));
  if (hasCell)
    node.result(2, last(out[2]));
}

template <nn::Cell cell> static void recurrentLayer(Node &node) {
  std::optional<Layer> layer = layerOf(node, cell);
  if (!layer)
    return;
  bool plain = node.real("clip", 0.0) == 0.0 && node.integer("input_forget", 0) == 0 && node.element(0).isF32();
  for (const Activations &functions : layer->activations)
    plain &= functions.names == ArrayRef<StringRef>{"Sigmoid", "Tanh", "Tanh"};
  if (cell == nn::Cell::LSTM && plain && sizesOf(layer->recurrence)[2].isConstant()) {
    SmallVector<Value> out =
        node.makeAll<nn::LSTMOp>(3, layer->input, layer->weight, layer->recurrence, layer->bias, layer->lengths, layer->initialH, layer->initialC,
                                 layer->peephole, node.i64(layer->hidden), nn::DirectionAttr::get(node.context, layer->direction));
    return giveResults(node, out, true);
  }
  if (layer->directions == 1 || layer->activations[0] == layer->activations[1])
    return giveResults(node, recurrence(node, *layer), cell == nn::Cell::LSTM);
  // Directions whose functions differ walk by themselves.
  SmallVector<Value> forward = recurrence(node, directionAlone(node, *layer, 0)), backward = recurrence(node, directionAlone(node, *layer, 1)), both;
  Formula f(node);
  for (size_t i = 0; i < 3; ++i)
    both.push_back(f.concat({forward[i], backward[i]}, i == 0 ? 1 : 0));
  giveResults(node, both, cell == nn::Cell::LSTM);
}

void registerRecurrent(OperatorTable &table) {
  table.add("LSTM", 7, 3, 8, recurrentLayer<nn::Cell::LSTM>);
  table.add("GRU", 7, 3, 6, recurrentLayer<nn::Cell::GRU>);
  table.add("RNN", 7, 3, 6, recurrentLayer<nn::Cell::RNN>);
}

} // namespace tenon::importer
