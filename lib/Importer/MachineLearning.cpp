// Numeric operators of ai.onnx.ml but trees: scalers, encoders, linear models.
#include "lib/Importer/MachineLearning.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

Value realTensor(Node &node, ArrayRef<double> values, ArrayRef<int64_t> shape, Type element) {
  if (node.failed())
    return {};
  auto type = RankedTensorType::get(shape, element);
  if (element.isF64())
    return node.constant(DenseElementsAttr::get(type, values));
  SmallVector<float> narrow(values.begin(), values.end());
  return node.constant(DenseElementsAttr::get(type, ArrayRef<float>(narrow)));
}

Value integerTensor(Node &node, ArrayRef<int64_t> values, ArrayRef<int64_t> shape) {
  return node.failed() ? Value() : node.constant(DenseElementsAttr::get(RankedTensorType::get(shape, node.builder.getI64Type()), values));
}

std::optional<SmallVector<double>> tensorNumbers(Node &node, StringRef name) {
  const onnx::AttributeProto *attribute = node.attribute(name);
  if (!attribute || node.failed())
    return std::nullopt;
  if (!attribute->has_t()) {
    node.invalid("attribute '" + name + "' holds no tensor");
    return std::nullopt;
  }
  Value value = node.importer.constant(attribute->t(), node.location, name);
  if (!value) {
    node.stop();
    return std::nullopt;
  }
  return node.realsOf(value, "attribute '" + name.str() + "'");
}

std::optional<SmallVector<double>> realsOrTensor(Node &node, StringRef name) {
  if (std::optional<SmallVector<double>> listed = node.reals(name))
    return listed;
  return tensorNumbers(node, (name + "_as_tensor").str());
}

Type realType(Node &node, size_t input) {
  return node.element(input).isF64() ? node.element(input) : Type(node.builder.getF32Type());
}

Value transformedScores(Node &node, Value scores) {
  Formula f(node);
  StringRef transform = node.text("post_transform", "NONE");
  int64_t last = int64_t(sizesOf(scores).size()) - 1;
  if (transform == "NONE" || node.failed())
    return scores;
  if (transform == "LOGISTIC")
    return node.make<nn::SigmoidOp>(scores);
  if (transform == "SOFTMAX")
    return node.make<nn::SoftmaxOp>(scores, node.i64(last), UnitAttr());
  if (transform == "SOFTMAX_ZERO") {
    // Scores of 0 count as themselves times e^-max: nothing.
    constexpr double kZero = 1e-7;
    Value largest = f.reduce(nn::ReduceKind::Max, scores, {last}), zero = f.number(0, scores);
    Value power = node.make<nn::ExpOp>(f.sub(scores, largest)), isZero = f.atMost(node.make<nn::AbsOp>(scores), f.number(kZero, scores));
    Value small = f.mul(scores, node.make<nn::ExpOp>(node.make<nn::NegOp>(largest)));
    Value parts = f.select(isZero, small, power), sum = f.reduce(nn::ReduceKind::Sum, parts, {last});
    return f.select(f.equal(sum, zero), f.number(0.5, scores), f.div(parts, sum));
  }
  node.unsupported("post_transform '" + transform + "'");
  return {};
}

static bool hasColumns(Node &node) {
  if (node.rank(0) == 2)
    return true;
  node.invalid("the input has rank " + Twine(node.rank(0)) + "; 2 was expected");
  return false;
}

static void scaler(Node &node) {
  Formula f(node);
  Type real = realType(node, 0);
  std::optional<SmallVector<double>> offset = node.reals("offset"), scale = node.reals("scale");
  if (!offset || !scale || offset->empty() || scale->empty())
    return node.invalid("offset and scale are lists of at least one number");
  Value x = node.cast(node.in(0), real);
  x = f.sub(x, realTensor(node, *offset, {int64_t(offset->size())}, real));
  node.result(f.mul(x, realTensor(node, *scale, {int64_t(scale->size())}, real)));
}

static void normalizer(Node &node) {
  if (node.rank(0) != 1 && node.rank(0) != 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; 1 or 2 was expected");
  Formula f(node);
  StringRef norm = node.text("norm", "MAX");
  nn::ReduceKind kind = norm == "MAX" ? nn::ReduceKind::Max : norm == "L1" ? nn::ReduceKind::L1 : nn::ReduceKind::L2;
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return node.invalid("norm is '" + norm + "'; MAX, L1 or L2 was expected");
  Value x = node.cast(node.in(0), realType(node, 0));
  constexpr double kSmallest = 1e-30;
  Value size = f.reduce(kind, kind == nn::ReduceKind::Max ? node.make<nn::AbsOp>(x) : x, {node.rank(0) - 1});
  node.result(f.div(x, node.make<nn::MaxOp>(size, f.number(kSmallest, size))));
}

static void binarizer(Node &node) {
  Formula f(node);
  Value above = node.make<nn::GreaterOp>(node.in(0), f.number(node.real("threshold", 0.0), node.in(0)));
  node.result(node.cast(above, node.element(0)));
}

/// Columns of the last axis; a vector counts as a matrix of one row.
static void arrayFeatureExtractor(Node &node) {
  if (node.rank(0) < 1)
    return node.invalid("the input has no axis");
  SmallVector<Dim> x = node.dims(0);
  Dim count = nn::numElements(node.in(1).getType());
  Value indices = node.reshape(node.cast(node.in(1), node.builder.getI64Type()), {count});
  Value out = node.make<nn::GatherOp>(node.in(0), indices, node.i64(node.rank(0) - 1));
  node.result(x.size() == 1 ? node.reshape(out, {node.dim(1), count}) : out);
}

static void imputer(Node &node) {
  if (!hasColumns(node))
    return;
  Formula f(node);
  Value x = node.in(0), values, missing;
  if (isa<FloatType>(node.element(0))) {
    SmallVector<double> given = node.reals("imputed_value_floats").value_or(SmallVector<double>());
    double replaced = node.real("replaced_value_float", 0.0);
    values = realTensor(node, given, {int64_t(given.size())}, node.element(0));
    missing = std::isnan(replaced) ? node.make<nn::IsNanOp>(x) : f.equal(x, f.number(replaced, x));
  } else {
    SmallVector<int64_t> given = node.integers("imputed_value_int64s").value_or(SmallVector<int64_t>());
    values = node.cast(integerTensor(node, given, {int64_t(given.size())}), node.element(0));
    missing = f.equal(x, f.number(double(node.integer("replaced_value_int64", 0)), x));
  }
  if (node.failed() || nn::numElements(values.getType()).isConstant(0))
    return node.invalid("the imputed values are missing");
  node.result(f.select(missing, values, x));
}

static void featureVectorizer(Node &node) {
  std::optional<SmallVector<int64_t>> widths = node.integers("inputdimensions");
  if (!widths || widths->size() != node.inputCount())
    return node.invalid("inputdimensions must have one entry for each input");
  Formula f(node);
  SmallVector<Value> parts;
  for (auto [i, width] : llvm::enumerate(*widths)) {
    SmallVector<Dim> dims = node.dims(i);
    if (dims.size() == 1)
      dims.push_back(node.dim(1));
    if (dims.size() != 2 || width < 0)
      return node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 1 or 2 was expected");
    Value part = node.reshape(node.cast(node.in(i), node.builder.getF32Type()), dims);
    SmallVector<Dim> low{node.dim(0), node.dim(0)}, high{node.dim(0), node.dim(width) - dims[1]};
    parts.push_back(dims[1].isConstant(width) ? part
                                              : node.make<nn::PadOp>(part, Value(), node.dimsAttr(low), node.dimsAttr(high),
                                                                     nn::PadModeAttr::get(node.context, nn::PadMode::Constant)));
  }
  node.result(parts.size() == 1 ? parts[0] : f.concat(parts, 1));
}

/// x times the coefficients [outputs, columns] plus intercepts; null after a failure.
static Value linearScores(Node &node, int64_t outputs) {
  Formula f(node);
  Type real = realType(node, 0);
  SmallVector<double> coefficients = node.reals("coefficients").value_or(SmallVector<double>());
  SmallVector<double> intercepts = node.reals("intercepts").value_or(SmallVector<double>());
  if (outputs < 1 || coefficients.empty() || coefficients.size() % outputs != 0 || (!intercepts.empty() && int64_t(intercepts.size()) != outputs)) {
    node.invalid("there are " + Twine(coefficients.size()) + " coefficients and " + Twine(intercepts.size()) + " intercepts for " + Twine(outputs) +
                 " outputs");
    return {};
  }
  Value scores = f.matmul(node.cast(node.in(0), real), realTensor(node, coefficients, {outputs, int64_t(coefficients.size()) / outputs}, real), true);
  return intercepts.empty() ? scores : f.add(scores, realTensor(node, intercepts, {outputs}, real));
}

static void linearRegressor(Node &node) {
  if (!hasColumns(node))
    return;
  Value scores = linearScores(node, node.integer("targets", 1));
  if (!node.failed())
    node.result(transformedScores(node, scores));
}

static void linearClassifier(Node &node) {
  if (!hasColumns(node))
    return;
  if (node.attribute("classlabels_strings"))
    return node.unsupported("labels that are strings");
  SmallVector<int64_t> labels = node.integers("classlabels_ints").value_or(SmallVector<int64_t>());
  SmallVector<double> intercepts = node.reals("intercepts").value_or(SmallVector<double>());
  std::optional<int64_t> columns = node.dims(0)[1].asConstant();
  int64_t given = int64_t(node.reals("coefficients").value_or(SmallVector<double>()).size());
  int64_t outputs = !intercepts.empty() ? int64_t(intercepts.size()) : columns && *columns > 0 ? given / *columns : int64_t(labels.size());
  bool binary = outputs == 1 && labels.size() == 2;
  if (labels.size() < 2 || (!binary && int64_t(labels.size()) != outputs))
    return node.unsupported(Twine(labels.size()) + " labels for " + Twine(outputs) + " scores");
  Formula f(node);
  Value scores = linearScores(node, outputs);
  if (binary && !node.failed())
    scores = f.concat({node.make<nn::NegOp>(scores), scores}, 1);
  scores = node.failed() ? Value() : transformedScores(node, scores);
  Value best = node.make<nn::ArgReduceOp>(scores, node.i64(1), UnitAttr(), UnitAttr(), UnitAttr());
  node.result(0, node.make<nn::GatherOp>(integerTensor(node, labels, {int64_t(labels.size())}), best, node.i64(0)));
  node.result(1, node.cast(scores, node.builder.getF32Type()));
}

void registerMachineLearning(OperatorTable &table) {
  table.addTo(kMachineLearningDomain, "Scaler", 1, 1, scaler);
  table.addTo(kMachineLearningDomain, "Normalizer", 1, 1, normalizer);
  table.addTo(kMachineLearningDomain, "Binarizer", 1, 1, binarizer);
  table.addTo(kMachineLearningDomain, "ArrayFeatureExtractor", 2, 2, arrayFeatureExtractor);
  table.addTo(kMachineLearningDomain, "Imputer", 1, 1, imputer);
  table.addTo(kMachineLearningDomain, "FeatureVectorizer", 1, kAnyNumber, featureVectorizer);
  table.addTo(kMachineLearningDomain, "LinearRegressor", 1, 1, linearRegressor);
  table.addTo(kMachineLearningDomain, "LinearClassifier", 1, 1, linearClassifier);
}

} // namespace tenon::importer
