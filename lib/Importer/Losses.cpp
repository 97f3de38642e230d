// Losses of classifiers.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Negative log likelihood of the classes `target`, given the logarithms of probabilities [batch, classes, ...]. A target that is
/// `ignore_index` counts nothing; `weight` has one factor a class.
static Value lossOf(Node &node, Value logarithms, Value target, Value weight) {
  Formula f(node);
  SmallVector<Dim> x = sizesOf(logarithms), t = sizesOf(target);
  if (node.failed())
    return {};
  if (x.size() < 2 || t.size() + 1 != x.size()) {
    node.invalid("scores of rank " + Twine(x.size()) + " and targets of rank " + Twine(t.size()) + " do not belong together");
    return {};
  }
  StringRef reduction = node.text("reduction", "mean");
  if (reduction != "mean" && reduction != "sum" && reduction != "none") {
    node.invalid("reduction is '" + reduction + "'; none, mean or sum was expected");
    return {};
  }
  Type i64 = node.builder.getI64Type();
  Value classes = node.cast(target, i64), counted; // counted: 1, the class's weight, or 0 where the target is ignored
  Value ignored;
  if (node.attribute("ignore_index")) {
    // An exact constant: any 64-bit number may stand for "ignored".
    Value index = node.constant(DenseElementsAttr::get(RankedTensorType::get({}, i64), node.integer("ignore_index", 0)));
    ignored = f.equal(classes, index);
    classes = f.select(ignored, node.scalar(0, i64), classes);
  }
  Value picked = node.make<nn::GatherElementsOp>(logarithms, f.unsqueeze(classes, 1), node.i64(1));
  Value zero = f.number(0, logarithms);
  Value loss = f.sub(zero, node.reshape(picked, t));
  if (weight)
    counted = node.make<nn::GatherOp>(weight, classes, node.i64(0));
  else if (ignored || reduction == "mean")
    counted = f.expand(f.number(1, logarithms), t);
  if (ignored) {
    counted = f.select(ignored, zero, counted);
    loss = f.select(ignored, zero, loss);
  }
  if (weight)
    loss = f.mul(loss, counted);
  if (reduction == "none")
    return loss;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, t.size()));
  Value sum = f.reduce(nn::ReduceKind::Sum, loss, axes, false);
  return reduction == "sum" ? sum : f.div(sum, f.reduce(nn::ReduceKind::Sum, counted, axes, false));
}

static void negativeLogLikelihood(Node &node) {
  node.result(lossOf(node, node.in(0), node.in(1), node.in(2)));
}

static void softmaxCrossEntropy(Node &node) {
  if (node.rank(0) < 2)
    return node.invalid("the scores have rank " + Twine(node.rank(0)) + "; at least 2 was expected");
  Value logarithms = node.make<nn::SoftmaxOp>(node.in(0), node.i64(1), node.unit(true));
  node.result(0, lossOf(node, logarithms, node.in(1), node.in(2)));
  node.result(1, logarithms);
}

void registerLosses(OperatorTable &table) {
  table.add("NegativeLogLikelihoodLoss", 12, 2, 3, negativeLogLikelihood);
  table.add("SoftmaxCrossEntropyLoss", 12, 2, 3, softmaxCrossEntropy);
}

} // namespace tenon::importer
