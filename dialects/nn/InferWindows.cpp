// Result types of the ops with a moving window: convolutions and pooling.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

namespace {
/// The geometry of a window over the spatial axes of an [N, C, Y...] or [N, Y..., C] tensor.
struct Window {
  ArrayRef<int64_t> strides, pads, dilations;
  Layout layout;

  size_t axes() const { return strides.size(); }
  int64_t channelAxis(size_t rank) const { return layout == Layout::ChannelsFirst ? 1 : rank - 1; }
  int64_t spatialAxis(size_t i) const { return layout == Layout::ChannelsFirst ? 2 + i : 1 + i; }
  int64_t low(size_t i) const { return pads[i]; }
  int64_t high(size_t i) const { return pads[axes() + i]; }
  /// (taps - 1) * dilation + 1
  Dim span(Dim taps, size_t i) const { return (taps - 1) * dilations[i] + 1; }
  Dim padded(Dim size, size_t i) const { return size + low(i) + high(i); }
};

LogicalResult checkWindow(Where where, Value input, const Window &window) {
  int64_t rank = rankOf(input), spatial = rank - 2;
  if (rank < 3 || rank > 5)
    return refuse(where, "expected an input of rank 3 to 5 (batch, channels and 1 to 3 spatial axes), found ", text(dimsOf(input.getType())));
  auto count = [&](StringRef what, size_t found, size_t expected) -> LogicalResult {
    if (found != expected)
      return refuse(where, "expected ", expected, " ", what, " for ", spatial, " spatial axes, found ", found);
    return success();
  };
  if (failed(count("strides", window.strides.size(), spatial)) || failed(count("pads", window.pads.size(), 2 * spatial)) ||
      failed(count("dilations", window.dilations.size(), spatial)))
    return failure();
  if (failed(checkAtLeast(where, "strides", window.strides, 1)) || failed(checkAtLeast(where, "dilations", window.dilations, 1)))
    return failure();
  return success();
}

/// (in + pads - span) / stride + 1, an error where the window does not fit once.
FailureOr<Dim> windowCount(Where where, Dim size, Dim taps, const Window &window, size_t i, bool ceil) {
  if (std::optional<int64_t> high = taps.upperBound(); high && *high < 1)
    return refuse(where, "expected a window of at least 1 element at spatial axis ", i, ", found ", taps.str());
  Dim room = window.padded(size, i) - window.span(taps, i);
  if (std::optional<int64_t> high = room.upperBound(); high && *high < 0)
    return refuse(where, "the window spans ", window.span(taps, i).str(), " elements of spatial axis ", i, ", which has ",
                  window.padded(size, i).str(), " with its pads");
  int64_t stride = window.strides[i];
  if (!ceil)
    return room.floorDiv(stride) + 1;
  // The last window may end outside, but it starts inside the input or its low pad.
  return (room.ceilDiv(stride) + 1).min((size + window.low(i)).ceilDiv(stride));
}

/// Ranks, groups and bias of both convolutions. `inner` and `outer` are the weight's axes of input and result channels.
LogicalResult checkWeight(Where where, Value input, Value weight, Value bias, int64_t groups, Dim channels, Dim perGroup, Dim results) {
  Type element = sumElement(where, input, weight);
  if (failed(checkRank(where, "a weight", weight, rankOf(input))) || !element)
    return failure();
  if (groups < 1)
    return refuse(where, "expected at least 1 group, found ", groups);
  if (mustDiffer(channels, perGroup * groups))
    return refuse(where, "expected ", (perGroup * groups).str(), " input channels (", perGroup.str(), " in each of ", groups, " groups), found ",
                  channels.str());
  if (std::optional<int64_t> count = results.asConstant(); count && *count % groups != 0)
    return refuse(where, "expected the result channels to be a multiple of the ", groups, " groups, found ", *count);
  return bias ? checkBias(where, bias, results, element) : success();
}
} // namespace

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  Window window{op.getStrides(), op.getPads(), op.getDilations(), op.getLayout()};
  if (failed(checkWindow(where, op.getInput(), window)) || failed(checkRank(where, "a weight", op.getWeight(), rankOf(op.getInput()))))
    return failure();
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), weight = dimsOf(op.getWeight().getType());
  int64_t channel = window.channelAxis(dims.size());
  if (failed(checkWeight(where, op.getInput(), op.getWeight(), op.getBias(), op.getGroups(), dims[channel], weight[1], weight[0])))
    return failure();
  dims[channel] = weight[0];
  for (size_t i = 0; i < window.axes(); ++i) {
    Dim &size = dims[window.spatialAxis(i)];
    FailureOr<Dim> count = windowCount(where, size, weight[2 + i], window, i, /*ceil=*/false);
    if (failed(count))
      return failure();
    size = *count;
  }
  return giveTensor(where, dims, sumElement(where, op.getInput(), op.getWeight()), types);
}

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  Window window{op.getStrides(), op.getPads(), op.getDilations(), op.getLayout()};
  if (failed(checkWindow(where, op.getInput(), window)) || failed(checkRank(where, "a weight", op.getWeight(), rankOf(op.getInput()))) ||
      failed(checkCount(where, "output paddings", op.getOutputPadding().size(), window.axes(), "the spatial axes")) ||
      failed(checkAtLeast(where, "output paddings", op.getOutputPadding(), 0)))
    return failure();
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), weight = dimsOf(op.getWeight().getType());
  int64_t channel = window.channelAxis(dims.size()), groups = op.getGroups();
  if (failed(checkAtLeast(where, "groups", {groups}, 1)))
    return failure();
  if (mustDiffer(dims[channel], weight[0]))
    return refuse(where, "expected ", weight[0].str(), " input channels (the weight's first axis), found ", dims[channel].str());
  if (std::optional<int64_t> count = weight[0].asConstant(); count && *count % groups != 0)
    return refuse(where, "expected the input channels to be a multiple of the ", groups, " groups, found ", *count);
  Dim results = weight[1] * groups;
  if (failed(checkSameElements(where, op.getInput(), op.getWeight())) ||
      (op.getBias() && failed(checkVector(where, "a bias", op.getBias(), results, elementOf(op.getInput())))))
    return failure();
  dims[channel] = results;
  for (size_t i = 0; i < window.axes(); ++i) {
    Dim &size = dims[window.spatialAxis(i)];
    size = (size - 1) * window.strides[i] + window.span(weight[2 + i], i) + op.getOutputPadding()[i] - window.low(i) - window.high(i);
  }
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

/// The sizes of a pool's result.
static FailureOr<SmallVector<Dim>> pooled(Where where, Value input, ArrayRef<int64_t> sizes, const Window &window, bool ceil) {
  if (failed(checkWindow(where, input, window)) || failed(checkCount(where, "window sizes", sizes.size(), window.axes(), "the spatial axes")) ||
      failed(checkAtLeast(where, "window sizes", sizes, 1)) || failed(checkAtLeast(where, "pads", window.pads, 0)))
    return failure();
  SmallVector<Dim> dims = dimsOf(input.getType());
  for (size_t i = 0; i < window.axes(); ++i) {
    Dim taps = Dim::constant(input.getContext(), sizes[i]), span = window.span(taps, i);
    for (int64_t pad : {window.low(i), window.high(i)})
      if (std::optional<int64_t> extent = span.asConstant(); !extent || pad >= *extent)
        return refuse(where, "expected pads smaller than the window's ", span.str(), " elements at spatial axis ", i, ", found ", pad);
    Dim &size = dims[window.spatialAxis(i)];
    FailureOr<Dim> count = windowCount(where, size, taps, window, i, ceil);
    if (failed(count))
      return failure();
    size = *count;
  }
  return dims;
}

LogicalResult PoolOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  Window window{op.getStrides(), op.getPads(), op.getDilations(), op.getLayout()};
  FailureOr<SmallVector<Dim>> dims = pooled(where, op.getInput(), op.getWindow(), window, op.getCeilMode());
  if (failed(dims) || failed(checkAtLeast(where, "p", {static_cast<int64_t>(op.getP())}, 1)))
    return failure();
  if (op.getKind() != PoolKind::Max && failed(checkFloat(where, op.getInput())))
    return failure();
  return giveTensor(where, *dims, elementOf(op.getInput()), types);
}

LogicalResult ArgPoolOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  Window window{op.getStrides(), op.getPads(), op.getDilations(), Layout::ChannelsFirst};
  FailureOr<SmallVector<Dim>> dims = pooled(where, op.getInput(), op.getWindow(), window, op.getCeilMode());
  return failed(dims) ? failure() : giveTensor(where, *dims, IntegerType::get(ctx, 64), types);
}

} // namespace tenon::nn
