// Microsoft's quantized operators that are no contractions: computed in f32 and quantized again.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"

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

void registerQuantizedElementwise(OperatorTable &table) {
  table.addMicrosoft("QLinearAdd", 2, 8, binary<nn::AddOp>);
  table.addMicrosoft("QLinearMul", 2, 8, binary<nn::MulOp>);
  table.addMicrosoft("QLinearSigmoid", 2, 5, sigmoid);
  table.addMicrosoft("QLinearLeakyRelu", 2, 5, leakyRelu);
  table.addMicrosoft("QLinearGlobalAveragePool", 2, 5, globalAveragePool);
}

} // namespace tenon::importer
