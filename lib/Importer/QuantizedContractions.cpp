// Products and convolutions of integers. Sums are exact in 32 bits on every machine.
#include "lib/Importer/Contractions.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"
#include "lib/Importer/WindowMatrix.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static Type f32(Node &node) { return node.builder.getF32Type(); }

static bool areBytes(Node &node, std::initializer_list<size_t> inputs) {
  for (size_t i : inputs)
    if (Type element = node.element(i); !element.isInteger() || element.getIntOrFloatBitWidth() != 8) {
      std::string text;
      llvm::raw_string_ostream(text) << "elements of type " << element << " in input " << i << "; i8 and ui8 are supported";
      node.unsupported(text);
    }
  return !node.failed();
}

/// numerator / divisor of three scales, in the order in which ONNX Runtime rounds.
static Value multiplier(Node &node, Value lhs, Value rhs, Value result) {
  Value product = node.make<nn::MulOp>(node.cast(lhs, f32(node)), node.cast(rhs, f32(node)));
  return result ? node.make<nn::DivOp>(product, node.cast(result, f32(node))) : product;
}

static Value rescaled(Node &node, Value sums, Value factor, Value zeroPoint, Type type) {
  return quantized(node, node.make<nn::MulOp>(node.cast(sums, f32(node)), factor), zeroPoint, type);
}

/// A parameter of a left operand has one entry a row.
static Value ofRows(Node &node, size_t input, size_t operand) { return parameter(node, input, node.rank(operand) > 1 ? 1 : 0); }

static void matMulInteger(Node &node) {
  if (areBytes(node, {0, 1}) && zeroPointHasTypeOf(node, 2, 0) && zeroPointHasTypeOf(node, 3, 1))
    node.result(matrixProduct(node, centred(node, node.in(0), ofRows(node, 2, 0)), centred(node, node.in(1), parameter(node, 3, 0))));
}

static void qLinearMatMul(Node &node) {
  if (!areBytes(node, {0, 3, 7}) || !scalesAreUsable(node, 6, ScaleUse::Divisor))
    return;
  Value lhs = centred(node, node.in(0), ofRows(node, 2, 0)), rhs = centred(node, node.in(3), parameter(node, 5, 0));
  Value factor = multiplier(node, ofRows(node, 1, 0), parameter(node, 4, 0), parameter(node, 6, 0));
  Value sums = matrixProduct(node, lhs, rhs);
  node.result(rescaled(node, sums, factor, parameter(node, 7, 0), node.element(7)));
}

/// The convolution of x (input 0) and the weights (input `weight`) less their zero points, in i32.
static Value integerConvolution(Node &node, size_t weight, size_t zeroPoint, size_t weightZeroPoint, Value bias) {
  if (node.rank(0) < 3 || node.rank(0) != node.rank(weight)) {
    node.invalid("the input has rank " + Twine(node.rank(0)) + ", the weights rank " + Twine(node.rank(weight)) +
                 "; the same rank, at least 3, was expected");
    return {};
  }
  if (node.rank(0) > 5) {
    node.unsupported(Twine(node.rank(0) - 2) + " spatial axes; 1 to 3 are supported");
    return {};
  }
  std::optional<SmallVector<Dim>> kernel = kernelSize(node, weight);
  if (!kernel)
    return {};
  // What lies outside counts as 0, which is x's zero point before it is subtracted.
  Value zero = parameter(node, zeroPoint, 0);
  std::optional<SmallVector<int64_t>> size = constantSizes(*kernel);
  if (!size) {
    std::optional<FreeWindow> window = readFreeWindow(node, *kernel);
    Value weights = centred(node, node.in(weight), parameter(node, weightZeroPoint, node.rank(weight) - 1));
    return window ? convolveAsMatrix(node, centred(node, node.in(0), zero), weights, bias, *window, groupsOf(node)) : Value();
  }
  std::optional<Window> window = readWindow(node, *size);
  if (!window)
    return {};
  Value input = applyAutoPad(node, *window, [&] { return zero; });
  Value weights = centred(node, node.in(weight), parameter(node, weightZeroPoint, node.rank(weight) - 1));
  return node.make<nn::ConvOp>(centred(node, input, zero), weights, bias, node.i64s(window->strides), node.i64s(window->pads),
                               node.i64s(window->dilations), node.i64(node.integer("group", 1)),
                               nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
}

static void convInteger(Node &node) {
  if (areBytes(node, {0, 1}))
    node.result(integerConvolution(node, 1, 2, 3, Value()));
}

static void qLinearConv(Node &node) {
  if (!areBytes(node, {0, 3, 7}) || !scalesAreUsable(node, 6, ScaleUse::Divisor))
    return;
  Value sums = integerConvolution(node, 3, 2, 5, node.in(8));
  Value factor = multiplier(node, parameter(node, 1, 0), parameter(node, 4, node.rank(3) - 2), parameter(node, 6, 0));
  node.result(rescaled(node, sums, factor, parameter(node, 7, 0), node.element(7)));
}

/// alpha * a_scale * b_scale * (op(A) op(B) + C), quantized where y_scale is given.
static void qGemm(Node &node) {
  if (!areBytes(node, {0, 3}) || !scalesAreUsable(node, 7, ScaleUse::Divisor))
    return;
  if (node.rank(0) != 2 || node.rank(3) != 2)
    return node.invalid("matrices were expected, not tensors of rank " + Twine(node.rank(0)) + " and " + Twine(node.rank(3)));
  bool transposeA = node.integer("transA", 0) != 0, transposeB = node.integer("transB", 0) != 0;
  Value lhs = centred(node, node.in(0), parameter(node, 2, 0));
  Value rhs = centred(node, node.in(3), parameter(node, 5, transposeB ? 1 : 0));
  Value sums = node.make<nn::MatMulOp>(lhs, rhs, Value(), node.unit(transposeA), node.unit(transposeB));
  if (node.in(6))
    sums = node.make<nn::AddOp>(sums, node.in(6));
  Value factor = multiplier(node, parameter(node, 1, 0), parameter(node, 4, 0), parameter(node, 7, 0));
  if (double alpha = node.real("alpha", 1.0); alpha != 1.0)
    factor = node.make<nn::MulOp>(factor, node.scalar(alpha, f32(node)));
  if (node.failed())
    return;
  if (!node.in(7))
    return node.result(node.make<nn::MulOp>(node.cast(sums, f32(node)), factor));
  node.result(rescaled(node, sums, factor, parameter(node, 8, 0), node.in(8) ? node.element(8) : node.element(0)));
}

void registerQuantizedContractions(OperatorTable &table) {
  table.add("MatMulInteger", 10, 2, 4, matMulInteger);
  table.add("QLinearMatMul", 10, 8, 8, qLinearMatMul);
  table.add("ConvInteger", 10, 2, 4, convInteger);
  table.add("QLinearConv", 10, 8, 9, qLinearConv);
  table.addMicrosoft("QGemm", 5, 9, qGemm);
}

} // namespace tenon::importer
