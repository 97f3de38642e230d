// One step of an optimizer (ai.onnx.preview.training).
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;

namespace {
/// Inputs: the rate, the number of updates so far, then groups of `groups` lists of tensors: parameters, gradients, states.
struct Step {
  Node &node;
  Formula f;
  size_t groups, count = 0;
  Value rate, updates; // as scalars of the parameters' type

  Step(Node &node, size_t groups) : node(node), f(node), groups(groups) {
    if (node.inputCount() < 2 + groups || (node.inputCount() - 2) % groups != 0) {
      node.invalid("there are " + Twine(node.inputCount()) + " inputs; 2 and a multiple of " + Twine(groups) + " were expected");
      return;
    }
    count = (node.inputCount() - 2) / groups;
    for (size_t i = 2; i < node.inputCount(); ++i)
      if (node.element(i) != node.element(2) || !isa<FloatType>(node.element(i)))
        node.invalid("the tensors must have one floating-point type");
    for (size_t i : {0, 1})
      if (!nn::numElements(node.in(i).getType()).isConstant(1))
        node.invalid("input " + Twine(i) + " must be one number");
    if (node.failed())
      return;
    rate = node.cast(node.reshape(node.in(0), {}), node.element(2));
    updates = node.cast(node.reshape(node.in(1), {}), node.element(2));
  }
  Value tensor(size_t group, size_t i) { return node.in(2 + group * count + i); }
  void result(size_t group, size_t i, Value value) { node.result(group * count + i, value); }
  /// The gradient with that of the regularization norm / 2 * x^2.
  Value gradient(size_t i) { return f.add(f.mul(tensor(0, i), node.real("norm_coefficient", 0.0)), tensor(1, i)); }
  Value isLater() { return node.make<nn::GreaterOp>(updates, f.number(0, updates)); }
};
} // namespace

static void adagrad(Node &node) {
  Step s(node, 3);
  Formula &f = s.f;
  if (node.failed())
    return;
  Value rate = f.div(s.rate, f.add(f.mul(s.updates, node.real("decay_factor", 0.0)), 1.0));
  for (size_t i = 0; i < s.count; ++i) {
    Value gradient = s.gradient(i), squares = f.add(s.tensor(2, i), f.mul(gradient, gradient));
    Value adapted = f.add(node.make<nn::SqrtOp>(squares), node.real("epsilon", 0.0));
    s.result(0, i, f.sub(s.tensor(0, i), f.div(f.mul(rate, gradient), adapted)));
    s.result(1, i, squares);
  }
}

static void adam(Node &node) {
  Step s(node, 4);
  Formula &f = s.f;
  if (node.failed())
    return;
  double alpha = node.real("alpha", 0.9), beta = node.real("beta", 0.999), post = node.real("norm_coefficient_post", 0.0);
  Value one = f.number(1, s.updates);
  auto power = [&](double base) { return node.make<nn::PowOp>(f.number(base, s.updates), s.updates); };
  Value corrected = f.div(f.mul(s.rate, node.make<nn::SqrtOp>(f.sub(one, power(beta)))), f.sub(one, power(alpha)));
  Value rate = f.select(s.isLater(), corrected, s.rate);
  for (size_t i = 0; i < s.count; ++i) {
    Value gradient = s.gradient(i);
    Value mean = f.add(f.mul(s.tensor(2, i), alpha), f.mul(gradient, 1 - alpha));
    Value squares = f.add(f.mul(s.tensor(3, i), beta), f.mul(f.mul(gradient, gradient), 1 - beta));
    Value deviation = f.add(node.make<nn::SqrtOp>(squares), node.real("epsilon", 0.0));
    s.result(0, i, f.mul(f.sub(s.tensor(0, i), f.mul(rate, f.div(mean, deviation))), 1 - post));
    s.result(1, i, mean);
    s.result(2, i, squares);
  }
}

static void momentum(Node &node) {
  Step s(node, 3);
  Formula &f = s.f;
  if (node.failed())
    return;
  StringRef mode = node.text("mode", "");
  if (mode != "standard" && mode != "nesterov")
    return node.invalid("mode is '" + mode + "'; standard or nesterov was expected");
  double alpha = node.real("alpha", 0.0);
  // The first step takes the whole gradient.
  Value share = f.select(s.isLater(), f.number(node.real("beta", 0.0), s.updates), f.number(1, s.updates));
  for (size_t i = 0; i < s.count; ++i) {
    Value gradient = s.gradient(i), velocity = f.add(f.mul(s.tensor(2, i), alpha), f.mul(share, gradient));
    Value direction = mode == "standard" ? velocity : f.add(gradient, f.mul(velocity, alpha));
    s.result(0, i, f.sub(s.tensor(0, i), f.mul(s.rate, direction)));
    s.result(1, i, velocity);
  }
}

void registerTraining(OperatorTable &table) {
  table.addTo(kTrainingDomain, "Adagrad", 3, kAnyNumber, adagrad);
  table.addTo(kTrainingDomain, "Adam", 3, kAnyNumber, adam);
  table.addTo(kTrainingDomain, "Momentum", 3, kAnyNumber, momentum);
}

} // namespace tenon::importer
