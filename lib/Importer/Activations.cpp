// Activation functions and bounds.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;

template <typename Op> static void plain(Node &node) { node.result(node.make<Op>(node.in(0))); }

/// One parameter, `alpha`, with the default of ONNX.
template <typename Op, int percent> static void withAlpha(Node &node) {
  node.result(node.make<Op>(node.in(0), node.f64(node.real("alpha", percent / 100.0))));
}

static void selu(Node &node) {
  FloatAttr alpha = node.f64(node.real("alpha", 1.67326319217681884765625));
  FloatAttr gamma = node.f64(node.real("gamma", 1.05070102214813232421875));
  node.result(node.make<nn::SeluOp>(node.in(0), alpha, gamma));
}

static void hardSigmoid(Node &node) {
  FloatAttr alpha = node.f64(node.real("alpha", 0.2)), beta = node.f64(node.real("beta", 0.5));
  node.result(node.make<nn::HardSigmoidOp>(node.in(0), alpha, beta));
}

static void gelu(Node &node) {
  StringRef form = node.text("approximate", "none");
  if (form != "none" && form != "tanh")
    return node.invalid("approximate is '" + form + "'; none or tanh was expected");
  node.result(node.make<nn::GeluOp>(node.in(0), node.unit(form == "tanh")));
}

/// x * sigmoid(alpha * x) of the first input.
static Value swished(Node &node) {
  double alpha = node.real("alpha", 1.0);
  if (alpha == 1.0)
    return node.make<nn::SiluOp>(node.in(0));
  Value scaled = node.make<nn::MulOp>(node.in(0), node.scalar(alpha, node.element(0)));
  return node.make<nn::MulOp>(node.in(0), node.make<nn::SigmoidOp>(scaled));
}

static void swish(Node &node) { node.result(swished(node)); }

/// A gate and what it lets through, of one shape.
static void swiGlu(Node &node) {
  if (node.element(0) != node.element(1) || node.rank(0) != node.rank(1))
    return node.invalid("the gate and the other input must have one shape and element type");
  for (auto [gate, other] : llvm::zip_equal(node.dims(0), node.dims(1)))
    node.require(gate, other, "the sizes of the gate, and of the other input");
  node.result(node.make<nn::MulOp>(swished(node), node.in(1)));
}

/// x + bias for x < -lambd, x - bias for x > lambd, 0 between.
static void shrink(Node &node) {
  Type element = node.element(0);
  Value x = node.in(0), zero = node.scalar(0, element), bias = node.scalar(node.real("bias", 0.0), element);
  double limit = node.real("lambd", 0.5);
  Value above = node.make<nn::GreaterOp>(x, node.scalar(limit, element));
  Value below = node.make<nn::LessOp>(x, node.scalar(-limit, element));
  Value outer = node.make<nn::SelectOp>(below, node.make<nn::AddOp>(x, bias), zero);
  node.result(node.make<nn::SelectOp>(above, node.make<nn::SubOp>(x, bias), outer));
}

/// Before opset 7 a slope of several entries has one for each channel.
static void prelu(Node &node) {
  if (node.element(0) != node.element(1))
    return node.invalid("the input and the slope have elements of different types");
  Value slope = node.in(1);
  if (node.opset < 7 && node.rank(1) == 1 && node.rank(0) > 1) {
    SmallVector<nn::Dim> dims = node.dims(1);
    dims.append(node.rank(0) - 2, node.dim(1));
    slope = node.reshape(slope, dims);
  }
  node.result(node.make<nn::PreluOp>(node.in(0), slope));
}

/// A bound that is known is an attribute, any other an operand of max or min.
static void clip(Node &node) {
  FloatAttr low, high;
  Value x = node.in(0);
  if (node.opset < 11) {
    if (node.attribute("min"))
      low = node.f64(node.real("min", 0));
    if (node.attribute("max"))
      high = node.f64(node.real("max", 0));
    return node.result(node.make<nn::ClipOp>(x, low, high));
  }
  for (size_t i : {1, 2}) {
    Value bound = node.in(i);
    if (!bound)
      continue;
    if (node.element(i) != node.element(0) || node.rank(i) > 1)
      return node.invalid("a bound must be a scalar of the input's type");
    bool known = isa_and_nonnull<nn::ConstantOp>(bound.getDefiningOp());
    std::optional<SmallVector<double>> value = known ? node.knownReals(i) : std::nullopt;
    if (node.failed())
      return;
    if (value && value->size() != 1)
      return node.invalid("a bound must be one number");
    if (value)
      (i == 1 ? low : high) = node.f64(value->front());
    else
      x = i == 1 ? node.make<nn::MaxOp>(x, bound) : node.make<nn::MinOp>(x, bound);
  }
  node.result(low || high ? node.make<nn::ClipOp>(x, low, high) : x);
}

void registerActivations(OperatorTable &table) {
  const std::tuple<StringRef, int, Handler> rows[] = {
      {"Relu", 6, plain<nn::ReluOp>},
      {"Sigmoid", 6, plain<nn::SigmoidOp>},
      {"HardSwish", 14, plain<nn::HardSwishOp>},
      {"Softplus", 1, plain<nn::SoftplusOp>},
      {"Softsign", 1, plain<nn::SoftsignOp>},
      {"Mish", 18, plain<nn::MishOp>},
      {"LeakyRelu", 6, withAlpha<nn::LeakyReluOp, 1>},
      {"Elu", 6, withAlpha<nn::EluOp, 100>},
      {"Celu", 12, withAlpha<nn::CeluOp, 100>},
      {"ThresholdedRelu", 10, withAlpha<nn::ThresholdedReluOp, 100>},
      {"Selu", 6, selu},
      {"HardSigmoid", 6, hardSigmoid},
      {"Gelu", 20, gelu},
      {"Swish", 24, swish},
      {"Shrink", 9, shrink},
  };
  for (auto [name, since, handler] : rows)
    table.add(name, since, 1, 1, handler);
  table.add("PRelu", 6, 2, 2, prelu);
  table.add("SwiGLU", 28, 2, 2, swiGlu);
  table.add("Clip", 6, 1, 3, clip);
  table.addMicrosoft("Gelu", 1, 1, plain<nn::GeluOp>);
}

} // namespace tenon::importer
