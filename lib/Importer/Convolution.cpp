// Convolutions and their transposes.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"
#include "lib/Importer/Window.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static bool haveSpatialAxes(Node &node) {
  if (node.rank(0) < 3 || node.rank(0) != node.rank(1))
    node.invalid("the input has rank " + Twine(node.rank(0)) + ", the weights rank " + Twine(node.rank(1)) +
                 "; the same rank, at least 3, was expected");
  else if (node.rank(0) > 5)
    node.unsupported(Twine(node.rank(0) - 2) + " spatial axes; 1 to 3 are supported");
  for (size_t i = 1; i < node.inputCount(); ++i)
    if (node.in(i) && node.element(i) != node.element(0))
      node.invalid("the input, the weights and the bias must have elements of one type");
  return !node.failed();
}

static Value convolution(Node &node) {
  if (!haveSpatialAxes(node))
    return {};
  std::optional<SmallVector<int64_t>> size = kernelSize(node, node.in(1));
  std::optional<Window> window = size ? readWindow(node, *size) : std::nullopt;
  if (!window)
    return {};
  Value input = applyAutoPad(node, *window, [] { return Value(); });
  if (std::optional<QuantizedOperands> bytes = input == node.in(0) ? QuantizedOperands::of(node, 0) : std::nullopt) {
    Value sums = node.make<nn::ConvOp>(bytes->left(node), bytes->right(node), Value(), node.i64s(window->strides), node.i64s(window->pads),
                                       node.i64s(window->dilations), node.i64(node.integer("group", 1)),
                                       nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
    return bytes->scaled(node, sums, node.in(2), node.rank(0) - 2);
  }
  return node.make<nn::ConvOp>(input, node.in(1), node.in(2), node.i64s(window->strides), node.i64s(window->pads),
                               node.i64s(window->dilations), node.i64(node.integer("group", 1)),
                               nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
}

static void conv(Node &node) { node.result(convolution(node)); }

/// Microsoft's: a convolution, a tensor that is added, an activation with parameters.
static void fusedConv(Node &node) {
  Value out = convolution(node);
  if (node.in(3))
    out = node.make<nn::AddOp>(out, node.in(3));
  StringRef activation = node.text("activation", "");
  SmallVector<double> parameters = node.reals("activation_params").value_or(SmallVector<double>());
  auto at = [&](size_t i, double otherwise) { return node.f64(i < parameters.size() ? parameters[i] : otherwise); };
  if (activation == "Relu")
    out = node.make<nn::ReluOp>(out);
  else if (activation == "Sigmoid")
    out = node.make<nn::SigmoidOp>(out);
  else if (activation == "Tanh")
    out = node.make<nn::TanhOp>(out);
  else if (activation == "LeakyRelu")
    out = node.make<nn::LeakyReluOp>(out, at(0, 0.01));
  else if (activation == "Clip")
    out = node.make<nn::ClipOp>(out, at(0, std::numeric_limits<float>::lowest()), at(1, std::numeric_limits<float>::max()));
  else if (activation == "HardSigmoid")
    out = node.make<nn::HardSigmoidOp>(out, at(0, 0.2), at(1, 0.5));
  else if (!activation.empty())
    return node.unsupported("the activation '" + activation + "'");
  node.result(out);
}

/// Pads that give the wanted result size (output_shape, or input * stride for SAME), as ONNX's ConvTranspose says.
static bool padsForOutput(Node &node, Window &window, MutableArrayRef<int64_t> outputPadding) {
  size_t rank = window.size.size();
  StringRef mode = node.text("auto_pad", "NOTSET");
  std::optional<SmallVector<int64_t>> wanted = node.integers("output_shape");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (mode == "VALID")
    window.pads.assign(2 * rank, 0);
  if (!wanted && !same)
    return !node.failed();
  if (wanted && wanted->size() == rank + 2) // some exporters list batch and channels too
    wanted->erase(wanted->begin(), wanted->begin() + 2);
  if (wanted && wanted->size() != rank) {
    node.invalid("output_shape has " + Twine(wanted->size()) + " entries; " + Twine(rank) + " were expected");
    return false;
  }
  SmallVector<Dim> sizes = node.dims(0);
  for (size_t i = 0; i < rank; ++i) {
    Dim in = sizes[i + 2];
    Dim out = wanted ? node.dim((*wanted)[i]) : in * window.strides[i];
    Dim total = (in - 1) * window.strides[i] + outputPadding[i] + ((window.size[i] - 1) * window.dilations[i] + 1) - out;
    if (!total.isConstant()) {
      node.unsupported("a result size of " + out.str() + " for an input of " + in.str() + " needs pads that depend on the input");
      return false;
    }
    int64_t pad = *total.asConstant();
    if (pad < 0) { // a result larger than the input reaches
      outputPadding[i] -= pad;
      pad = 0;
    }
    // Without SAME_UPPER the odd element goes in front.
    window.pads[i] = mode == "SAME_UPPER" ? pad / 2 : pad - pad / 2;
    window.pads[rank + i] = pad - window.pads[i];
  }
  return !node.failed();
}

static void convTranspose(Node &node) {
  if (!haveSpatialAxes(node))
    return;
  std::optional<SmallVector<int64_t>> size = kernelSize(node, node.in(1));
  std::optional<Window> window = size ? readWindow(node, *size) : std::nullopt;
  if (!window)
    return;
  SmallVector<int64_t> outputPadding = node.integers("output_padding").value_or(SmallVector<int64_t>(size->size(), 0));
  if (outputPadding.size() != size->size())
    return node.invalid("output_padding has " + Twine(outputPadding.size()) + " entries; " + Twine(size->size()) + " were expected");
  for (auto [padding, stride, dilation] : llvm::zip_equal(outputPadding, window->strides, window->dilations))
    if (padding < 0 || padding >= std::max(stride, dilation))
      return node.invalid("output_padding has the entry " + Twine(padding) + ", which the stride does not allow");
  if (!padsForOutput(node, *window, outputPadding))
    return;
  node.result(node.make<nn::ConvTransposeOp>(node.in(0), node.in(1), node.in(2), node.i64s(window->strides), node.i64s(window->pads),
                                             node.i64s(window->dilations), node.i64s(outputPadding), node.i64(node.integer("group", 1)),
                                             nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst)));
}

void registerConvolutions(OperatorTable &table) {
  table.add("Conv", 1, 2, 3, conv);
  table.add("ConvTranspose", 1, 2, 3, convTranspose);
  table.addMicrosoft("FusedConv", 2, 4, fusedConv);
}

} // namespace tenon::importer
