// Microsoft's quantized operators that are no contractions: computed in f32 and quantized again.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"
#include "lib/Importer/Softmax.h"
#include "lib/Importer/Window.h"

namespace tenon::importer {
using namespace mlir;

/// Zero points may be missing, what surrounds them may not.
static bool haveInputs(Node &node, std::initializer_list<size_t> inputs) {
  for (size_t i : inputs)
    if (!node.in(i))
      node.invalid("input " + Twine(i) + " is missing");
  return !node.failed();
}

static Value requantized(Node &node, Value real, size_t scale, size_t zeroPoint) {
  if (!scalesAreUsable(node, scale, ScaleUse::Divisor))
    return {};
  Value scaled = node.make<nn::DivOp>(real, parameter(node, scale, 0));
  return quantized(node, scaled, parameter(node, zeroPoint, 0), node.element(0));
}

/// Inputs: A, its scale and zero point, B, its scale and zero point, then those of the result.
template <typename Op> static void binary(Node &node) {
  if (!haveInputs(node, {3, 4, 6}))
    return;
  Value lhs = dequantized(node, node.in(0), parameter(node, 1, 0), parameter(node, 2, 0));
  Value rhs = dequantized(node, node.in(3), parameter(node, 4, 0), parameter(node, 5, 0));
  node.result(requantized(node, node.make<Op>(lhs, rhs), 6, 7));
}

/// Inputs: X, its scale and zero point, then those of the result.
static void unary(Node &node, function_ref<Value(Value)> apply) {
  if (!haveInputs(node, {3}))
    return;
  Value real = dequantized(node, node.in(0), parameter(node, 1, 0), parameter(node, 2, 0));
  node.result(requantized(node, apply(real), 3, 4));
}

static void sigmoid(Node &node) {
  unary(node, [&](Value x) { return node.make<nn::SigmoidOp>(x); });
}

static void leakyRelu(Node &node) {
  unary(node, [&](Value x) { return node.make<nn::LeakyReluOp>(x, node.f64(node.real("alpha", 0.01))); });
}

static void globalAveragePool(Node &node) {
  if (node.rank(0) < 3)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 3 was expected");
  int64_t first = node.integer("channels_last", 0) ? 1 : 2;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(first, first + node.rank(0) - 2));
  if (!haveInputs(node, {3}) || !scalesAreUsable(node, 3, ScaleUse::Divisor))
    return;
  // An exact sum and one factor, as ONNX Runtime rounds.
  Type f32 = node.builder.getF32Type();
  Value whole = centred(node, node.in(0), parameter(node, 2, 0));
  Value sum = node.make<nn::ReduceOp>(whole, nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum), node.i64s(axes), node.unit(true));
  nn::Dim count = nn::product(node.context, ArrayRef(node.dims(0)).slice(first, axes.size()));
  Value size = node.cast(node.constant({count}, RankedTensorType::get({}, node.builder.getI64Type())), f32);
  Value factor = node.make<nn::DivOp>(parameter(node, 1, 0), node.make<nn::MulOp>(parameter(node, 3, 0), size));
  Value scaled = node.make<nn::MulOp>(node.cast(sum, f32), factor);
  node.result(quantized(node, scaled, parameter(node, 4, 0), node.element(0)));
}

/// An input with its scale and zero point behind it.
static Value dequantizedInput(Node &node, size_t input) { return dequantized(node, node.in(input), parameter(node, input + 1, 0), parameter(node, input + 2, 0)); }

/// Inputs: the result's scale and zero point, then every operand with its own. What has the result's steps comes through as it is.
static void concat(Node &node) {
  constexpr size_t kFirst = 2, kEach = 3;
  size_t inputs = node.inputCount();
  if (inputs < kFirst + kEach || (inputs - kFirst) % kEach)
    return node.invalid("has " + Twine(inputs) + " inputs; a scale and a zero point, and operands with a scale and a zero point each were expected");
  if (!haveInputs(node, {0, 1}) || !scalesAreUsable(node, 0, ScaleUse::Divisor))
    return;
  SmallVector<Value> parts;
  for (size_t i = kFirst; i < inputs && !node.failed(); i += kEach) {
    if (!haveInputs(node, {i, i + 1, i + 2}) || !zeroPointHasTypeOf(node, i + 2, i) || !zeroPointHasTypeOf(node, 1, i))
      return;
    Value scaled = node.make<nn::DivOp>(dequantizedInput(node, i), parameter(node, 0, 0));
    parts.push_back(quantized(node, scaled, parameter(node, 1, 0), node.element(1)));
  }
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(kFirst));
  if (!node.failed())
    node.result(node.make<nn::ConcatOp>(parts, node.i64(axis)));
}

/// Which opset's Softmax it is, attribute `opset` says; the last axis is meant without `axis` in all of them.
static void softmax(Node &node) {
  unary(node, [&](Value x) { return softmaxOf(node, x, node.integer("opset", node.opset), -1); });
}

static void averagePool(Node &node) {
  std::optional<SmallVector<int64_t>> size = node.integers("kernel_shape");
  if (node.rank(0) < 3 || node.rank(0) > 5 || !size || size->size() != size_t(node.rank(0) - 2))
    return node.invalid("an input of rank 3 to 5, and kernel_shape with one entry for each spatial axis were expected");
  if (node.integer("channels_last", 0))
    return node.unsupported("channels_last");
  std::optional<Window> window = readWindow(node, *size);
  if (!window)
    return;
  if (StringRef mode = node.text("auto_pad", "NOTSET"); mode != "NOTSET" && mode != "VALID")
    return node.unsupported("auto_pad " + mode);
  unary(node, [&](Value x) -> Value {
    return node.make<nn::PoolOp>(x, nn::PoolKindAttr::get(node.context, nn::PoolKind::Average), node.i64s(window->size), node.i64s(window->strides), node.i64s(window->pads),
                                 node.i64s(window->dilations), node.unit(node.integer("ceil_mode", 0) != 0), node.unit(node.integer("count_include_pad", 0) != 0), node.i64(2),
                                 nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
  });
}

/// Inputs: condition, X with its scale and zero point, Y with its own, then those of the result.
static void where(Node &node) {
  if (!haveInputs(node, {0, 1, 2, 3, 4, 5, 6, 7, 8}) || !zeroPointHasTypeOf(node, 8, 1) || !scalesAreUsable(node, 7, ScaleUse::Divisor))
    return;
  Value chosen = node.make<nn::SelectOp>(node.in(0), dequantizedInput(node, 1), dequantizedInput(node, 4));
  node.result(quantized(node, node.make<nn::DivOp>(chosen, parameter(node, 7, 0)), parameter(node, 8, 0), node.element(1)));
}

void registerQuantizedElementwise(OperatorTable &table) {
  table.addMicrosoft("QLinearAdd", 2, 8, binary<nn::AddOp>);
  table.addMicrosoft("QLinearMul", 2, 8, binary<nn::MulOp>);
  table.addMicrosoft("QLinearSigmoid", 2, 5, sigmoid);
  table.addMicrosoft("QLinearLeakyRelu", 2, 5, leakyRelu);
  table.addMicrosoft("QLinearGlobalAveragePool", 2, 5, globalAveragePool);
  table.addMicrosoft("QLinearAveragePool", 4, 5, averagePool);
  table.addMicrosoft("QLinearSoftmax", 2, 5, softmax);
  table.addMicrosoft("QLinearConcat", 5, kAnyNumber, concat);
  table.addMicrosoft("QLinearWhere", 9, 9, where);
}

} // namespace tenon::importer
