// Parts of tensors, borders around them, and the order of pixels and channels.
#include "lib/Importer/Operators.h"
#include "lib/Importer/RunTimeShapes.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
struct Range {
  Dim start, size;
};
} // namespace

constexpr int64_t kUnlimited = 1'000'000'000; // exporters write this, or the 32- or 64-bit limit, for "to the end"

/// An index that may count from the end, as a position from the front, not yet clamped. An expression that cannot be
/// proved negative counts from the front: sizes are not negative.
static Dim fromFront(Node &node, Dim index, Dim extent) {
  if (!index.isConstant())
    return index;
  int64_t value = *index.asConstant();
  if (value >= kUnlimited)
    return extent;
  if (value <= -kUnlimited)
    return node.dim(-1);
  return value < 0 ? extent + value : index;
}

static Dim clamped(Dim value, Dim low, Dim high) {
  if (value == high)
    return value;
  std::optional<int64_t> lower = value.lowerBound();
  bool aboveLow = lower && low.isConstant() && *lower >= *low.asConstant();
  std::optional<int64_t> slack = (high - value).lowerBound();
  Dim limited = slack && *slack >= 0 ? value : value.min(high);
  return aboveLow ? limited : limited.max(low);
}

/// What Slice reads along one axis: ONNX clamps the ends into the axis, one before it for a negative step.
static Range rangeOf(Node &node, Dim start, Dim end, int64_t step, Dim extent) {
  Dim zero = node.dim(0), last = step > 0 ? extent : extent - 1;
  bool openBackwards = step < 0 && end.isConstant() && *end.asConstant() <= -kUnlimited;
  Dim from = clamped(fromFront(node, start, extent), zero, last);
  Dim to = openBackwards ? node.dim(-1) : clamped(fromFront(node, end, extent), step > 0 ? zero : node.dim(-1), last);
  Dim length = step > 0 ? (to - from).ceilDiv(step) : (from - to).ceilDiv(-step);
  std::optional<int64_t> lower = length.lowerBound();
  return {from, lower && *lower >= 0 ? length : length.max(zero)};
}

static std::optional<SmallVector<Dim>> dimsFrom(Node &node, StringRef attribute, size_t input) {
  if (node.opset >= 10)
    return node.knownDims(input);
  std::optional<SmallVector<int64_t>> values = node.integers(attribute);
  if (!values) {
    node.invalid(attribute + " is missing");
    return std::nullopt;
  }
  return llvm::map_to_vector(*values, [&](int64_t value) { return node.dim(value); });
}

static void slice(Node &node) {
  if (node.opset >= 10 && (!node.in(1) || !node.in(2)))
    return node.invalid("starts and ends must be given");
  for (size_t i = 1; i < node.inputCount(); ++i)
    if (node.in(i) && !node.isKnown(i))
      return sliceAsComputed(node);
  std::optional<SmallVector<Dim>> starts = dimsFrom(node, "starts", 1), ends = dimsFrom(node, "ends", 2);
  std::optional<SmallVector<int64_t>> axes = node.integersFrom("axes", 3), steps;
  if (node.in(4))
    steps = node.knownIntegers(4);
  if (node.failed())
    return;
  size_t count = starts->size();
  if (!axes)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(count)));
  if (!steps)
    steps = SmallVector<int64_t>(count, 1);
  if (ends->size() != count || axes->size() != count || steps->size() != count)
    return node.invalid("starts, ends, axes and steps differ in length");
  SmallVector<int64_t> counted = node.axesOf(*axes, node.rank(0)), strides(node.rank(0), 1);
  if (node.failed())
    return;
  SmallVector<Dim> sizes = node.dims(0), from(sizes.size(), node.dim(0));
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = counted[i], step = std::clamp<int64_t>((*steps)[i], -INT32_MAX, INT32_MAX);
    if (step == 0)
      return node.invalid("a step is 0");
    Range range = rangeOf(node, (*starts)[i], (*ends)[i], step, sizes[axis]);
    from[axis] = range.start;
    sizes[axis] = range.size;
    strides[axis] = step;
  }
  node.result(node.make<nn::SliceOp>(node.in(0), node.dimsAttr(from), node.dimsAttr(sizes), node.i64s(strides)));
}

/// Sizes of the parts: listed, or ceil(extent / parts) with the rest in the last one.
static SmallVector<Dim> partSizes(Node &node, Dim extent) {
  size_t parts = node.proto.output_size();
  if (node.in(1) || node.attribute("split")) {
    std::optional<SmallVector<Dim>> listed;
    node.takeLength(1, int64_t(parts));
    if (node.in(1))
      listed = node.sizes(1);
    else if (std::optional<SmallVector<int64_t>> values = node.integers("split"))
      listed = llvm::map_to_vector(*values, [&](int64_t value) { return node.dim(value); });
    if (!listed)
      return {};
    Dim sum = node.dim(0);
    for (Dim size : *listed)
      sum = sum + size;
    if (listed->size() != parts)
      node.invalid("there are " + Twine(listed->size()) + " sizes for " + Twine(parts) + " results");
    else if (!node.isKnown(1))
      node.require(sum, extent, "the sum of the parts' sizes");
    else if (sum.isConstant() && extent.isConstant() && sum != extent)
      node.invalid("the parts add up to " + sum.str() + ", the axis has " + extent.str());
    return *listed;
  }
  if (int64_t declared = node.integer("num_outputs", int64_t(parts)); declared != int64_t(parts))
    node.invalid("num_outputs is " + Twine(declared) + ", but there are " + Twine(parts) + " results");
  Dim part = extent.ceilDiv(int64_t(parts)), rest = extent - part * (int64_t(parts) - 1);
  if (rest != part && node.opset < 18 && extent.isConstant())
    node.invalid(extent.str() + " elements cannot be split into " + Twine(parts) + " equal parts");
  SmallVector<Dim> sizes(parts, part);
  sizes.back() = rest;
  return sizes;
}

static void split(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  if (node.failed() || node.proto.output_size() == 0)
    return;
  SmallVector<Dim> sizes = partSizes(node, node.dims(0)[axis]);
  Dim start = node.dim(0);
  for (size_t i = 0; i < sizes.size() && !node.failed(); ++i) {
    if (sizes[i].isConstant() && *sizes[i].asConstant() < 0)
      return node.invalid("part " + Twine(i) + " has the size " + sizes[i].str());
    node.result(i, node.slice(node.in(0), axis, start, sizes[i]));
    start = start + sizes[i];
  }
}

static std::optional<nn::PadMode> padMode(Node &node) {
  StringRef text = node.text("mode", "constant");
  if (text == "constant")
    return nn::PadMode::Constant;
  if (text == "reflect")
    return nn::PadMode::Reflect;
  if (text == "edge")
    return nn::PadMode::Edge;
  if (text == "wrap")
    return nn::PadMode::Wrap;
  node.invalid("mode is '" + text + "'");
  return std::nullopt;
}

/// The fill value as a scalar; null for zero.
static Value padValue(Node &node) {
  if (node.opset < 11) {
    double value = node.real("value", 0.0);
    return value == 0.0 ? Value() : node.scalar(value, node.element(0));
  }
  if (!node.in(2))
    return {};
  node.takeOne(2);
  if (node.element(2) != node.element(0) || !nn::numElements(node.in(2).getType()).isConstant(1)) {
    node.invalid("the fill value must be one element of the input's type");
    return {};
  }
  return node.rank(2) == 0 ? node.in(2) : node.reshape(node.in(2), {});
}

static void pad(Node &node) {
  bool isComputed = node.opset >= 11 && ((node.in(1) && !node.isKnown(1)) || (node.in(3) && !node.isKnown(3)));
  std::optional<nn::PadMode> mode = padMode(node);
  std::optional<SmallVector<Dim>> pads;
  if (isComputed)
    pads = computedPads(node);
  else if (node.opset >= 11)
    pads = node.knownDims(1);
  else if (std::optional<SmallVector<int64_t>> values = node.integers("pads"))
    pads = llvm::map_to_vector(*values, [&](int64_t value) { return node.dim(value); });
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
  if (node.in(3) && !isComputed)
    axes = node.axesOf(node.knownIntegers(3).value_or(axes), node.rank(0));
  if (node.failed())
    return;
  if (!pads || pads->size() != 2 * axes.size())
    return node.invalid("pads must have two entries for each axis");
  SmallVector<Dim> low(node.rank(0), node.dim(0)), high = low;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = (*pads)[i];
    high[axis] = (*pads)[axes.size() + i];
  }
  Value fill = *mode == nn::PadMode::Constant ? padValue(node) : Value();
  node.result(node.make<nn::PadOp>(node.in(0), fill, node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, *mode)));
}

/// Half of what is missing or too much goes on each side, rounded towards the front.
static void centerCropPad(Node &node) {
  SmallVector<int64_t> axes = node.integers("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0))));
  axes = node.axesOf(axes, node.rank(0));
  node.takeLength(1, int64_t(axes.size()));
  std::optional<SmallVector<Dim>> wanted = node.sizes(1);
  if (!wanted || node.failed())
    return;
  if (wanted->size() != axes.size())
    return node.invalid("there are " + Twine(wanted->size()) + " sizes for " + Twine(axes.size()) + " axes");
  SmallVector<Dim> dims = node.dims(0), low(dims.size(), node.dim(0)), high = low;
  for (auto [axis, size] : llvm::zip_equal(axes, *wanted)) {
    Dim zero = node.dim(0), missing = size - dims[axis];
    low[axis] = missing.max(zero).floorDiv(2) - (zero - missing).max(zero).floorDiv(2);
    high[axis] = missing - low[axis];
  }
  node.result(
      node.make<nn::PadOp>(node.in(0), Value(), node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant)));
}

static void depthToSpace(Node &node) {
  StringRef mode = node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return node.invalid("mode is '" + mode + "'; DCR or CRD was expected");
  node.result(node.make<nn::DepthToSpaceOp>(node.in(0), node.i64(node.integer("blocksize", 0)), node.unit(mode == "CRD"),
                                            nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst)));
}

static void spaceToDepth(Node &node) {
  StringRef mode = node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return node.invalid("mode is '" + mode + "'; DCR or CRD was expected");
  int64_t block = node.integer("blocksize", 0);
  Value blocks = node.make<nn::SpaceToDepthOp>(node.in(0), node.i64(block), nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
  if (mode == "DCR" || node.failed())
    return node.result(blocks);
  // [block * block, channels] becomes [channels, block * block].
  SmallVector<Dim> dims = nn::dimsOf(blocks.getType()), split{dims[0], node.dim(block * block), node.dims(0)[1], dims[2], dims[3]};
  node.result(node.reshape(node.transpose(node.reshape(blocks, split), {0, 2, 1, 3, 4}), dims));
}

void registerSlicing(OperatorTable &table) {
  table.add("Slice", 1, 1, 5, slice);
  table.add("Split", 2, 1, 2, split);
  table.add("Pad", 2, 1, 4, pad);
  table.add("CenterCropPad", 18, 2, 2, centerCropPad);
  table.add("DepthToSpace", 1, 1, 1, depthToSpace);
  table.add("SpaceToDepth", 1, 1, 1, spaceToDepth);
}

} // namespace tenon::importer
