// Recurrent layers.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

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

/// nn.lstm has the activations that every framework exports.
static bool hasPlainCell(Node &node, int64_t directions) {
  std::vector<std::string> activations = node.texts("activations");
  const StringRef plain[] = {"sigmoid", "tanh", "tanh"};
  if (!activations.empty() && activations.size() != size_t(3 * directions))
    node.invalid("activations has " + Twine(activations.size()) + " entries; " + Twine(3 * directions) + " were expected");
  for (auto [i, name] : llvm::enumerate(activations))
    if (!StringRef(name).equals_insensitive(plain[i % 3]))
      node.unsupported("activation " + Twine(name) + "; Sigmoid, Tanh, Tanh are supported");
  if (node.attribute("clip"))
    node.unsupported("clip");
  if (node.integer("input_forget", 0) != 0)
    node.unsupported("input_forget");
  return !node.failed();
}

/// layout = 1 has the batch first in the input, the states and the results.
static void lstm(Node &node) {
  std::optional<nn::Direction> direction = directionOf(node);
  if (!direction || !hasPlainCell(node, *direction == nn::Direction::Bidirectional ? 2 : 1))
    return;
  for (size_t i : {0, 1, 2})
    if (node.rank(i) != 3)
      return node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 3 was expected");
  bool batchFirst = node.integer("layout", 0) != 0;
  auto timeFirst = [&](Value value) { return batchFirst && value ? node.transpose(value, {1, 0, 2}) : value; };
  std::optional<int64_t> hidden = node.dims(2)[2].asConstant();
  if (!hidden)
    return node.unsupported("a free hidden size");
  if (int64_t declared = node.integer("hidden_size", *hidden); declared != *hidden)
    return node.invalid("hidden_size is " + Twine(declared) + ", the recurrence weights have " + Twine(*hidden));
  for (size_t i : {5, 6})
    if (node.in(i) && node.rank(i) != 3)
      return node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 3 was expected");
  SmallVector<Value> out = node.makeAll<nn::LSTMOp>(3, timeFirst(node.in(0)), node.in(1), node.in(2), node.in(3), node.in(4),
                                                    timeFirst(node.in(5)), timeFirst(node.in(6)), node.in(7), node.i64(*hidden),
                                                    nn::DirectionAttr::get(node.context, *direction));
  if (node.failed())
    return;
  node.result(0, batchFirst ? node.transpose(out[0], {2, 0, 1, 3}) : out[0]);
  node.result(1, timeFirst(out[1]));
  node.result(2, timeFirst(out[2]));
}

void registerRecurrent(OperatorTable &table) { table.add("LSTM", 7, 3, 8, lstm); }

} // namespace tenon::importer
