// Convolutions and their transposes.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"
#include "lib/Importer/WindowMatrix.h"

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
  std::optional<SmallVector<Dim>> kernel = kernelSize(node, 1);
  if (!kernel)
    return {};
  std::optional<SmallVector<int64_t>> size = constantSizes(*kernel);
  if (!size) {
    std::optional<FreeWindow> window = readFreeWindow(node, *kernel);
    return window ? convolveAsMatrix(node, node.in(0), node.in(1), node.in(2), *window, groupsOf(node)) : Value();
  }
  std::optional<Window> window = readWindow(node, *size);
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
  else if (activation == "HardSwish")
    out = node.make<nn::MulOp>(out, node.make<nn::HardSigmoidOp>(out, at(0, 1.0 / 6.0), at(1, 0.5)));
  else if (!activation.empty())
    return node.unsupported("the activation '" + activation + "'");
  node.result(out);
}

/// Pads that give the wanted result size (output_shape, or input * stride for SAME), as ONNX's ConvTranspose says.
static bool padsForOutput(Node &node, ArrayRef<Dim> kernel, FreeWindow &window, MutableArrayRef<Dim> outputPadding) {
  size_t rank = kernel.size();
  StringRef mode = node.text("auto_pad", "NOTSET");
  std::optional<SmallVector<int64_t>> wanted = node.integers("output_shape");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
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
    Dim in = sizes[i + 2], zero = node.dim(0);
    Dim out = wanted ? node.dim((*wanted)[i]) : in * window.strides[i];
    Dim total = (in - 1) * window.strides[i] + outputPadding[i] + ((kernel[i] - 1) * window.dilations[i] + 1) - out, pad = total.max(zero);
    outputPadding[i] = outputPadding[i] + (zero - total).max(zero); // a result larger than the input reaches
    // Without SAME_UPPER the odd element goes in front.
    window.low[i] = mode == "SAME_UPPER" ? pad.floorDiv(2) : pad - pad.floorDiv(2);
    window.high[i] = pad - window.low[i];
  }
  return !node.failed();
}

static void convTranspose(Node &node) {
  if (!haveSpatialAxes(node))
    return;
  std::optional<SmallVector<Dim>> kernel = kernelSize(node, 1);
  if (kernel)
    if (std::optional<SmallVector<int64_t>> size = constantSizes(*kernel); size && !readWindow(node, *size))
      return;
  std::optional<FreeWindow> window = kernel ? readFreeWindow(node, *kernel) : std::nullopt;
  if (!window)
    return;
  size_t rank = kernel->size();
  SmallVector<int64_t> paddings = node.integers("output_padding").value_or(SmallVector<int64_t>(rank, 0));
  if (paddings.size() != rank)
    return node.invalid("output_padding has " + Twine(paddings.size()) + " entries; " + Twine(rank) + " were expected");
  for (auto [padding, stride, dilation] : llvm::zip_equal(paddings, window->strides, window->dilations))
    if (padding < 0 || padding >= std::max(stride, dilation))
      return node.invalid("output_padding has the entry " + Twine(padding) + ", which the stride does not allow");
  SmallVector<Dim> outputPadding = llvm::map_to_vector(paddings, [&](int64_t padding) { return node.dim(padding); });
  if (!padsForOutput(node, *kernel, *window, outputPadding))
    return;
  std::optional<SmallVector<int64_t>> low = constantSizes(window->low), high = constantSizes(window->high), added = constantSizes(outputPadding);
  if (!constantSizes(*kernel) || !low || !high || !added)
    return node.result(convolveTransposedAsMatrix(node, node.in(0), node.in(1), node.in(2), *window, outputPadding, groupsOf(node)));
  SmallVector<int64_t> pads(*low);
  llvm::append_range(pads, *high);
  node.result(node.make<nn::ConvTransposeOp>(node.in(0), node.in(1), node.in(2), node.i64s(window->strides), node.i64s(pads),
                                             node.i64s(window->dilations), node.i64s(*added), node.i64(node.integer("group", 1)),
                                             nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst)));
}

void registerConvolutions(OperatorTable &table) {
  table.add("Conv", 1, 2, 3, conv);
  table.add("ConvTranspose", 1, 2, 3, convTranspose);
  table.addMicrosoft("FusedConv", 2, 4, fusedConv);
}

} // namespace tenon::importer
