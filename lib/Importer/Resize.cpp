// Interpolation.
#include "lib/Importer/CropAndResize.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/SizeMath.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// The result's sizes, and for each axis the factor that coordinates use; 0 where it is the quotient of the sizes.
struct Target {
  SmallVector<Dim> sizes;
  SmallVector<double> scales;
  nn::DimsAttr scaleBits; // of scales that only a run knows; null otherwise
};
} // namespace

/// floor(size * scale); a free size needs a scale that is a fraction of small integers.
static std::optional<Dim> scaledSize(Node &node, Dim size, double scale) {
  if (!(scale > 0) || !(scale < INT32_MAX)) {
    node.invalid("a scale is " + Twine(std::to_string(scale)));
    return std::nullopt;
  }
  if (std::optional<int64_t> known = size.asConstant()) {
    float product = float(*known) * float(scale); // in the precision of the scales, as ONNX Runtime has it
    if (product < float(INT32_MAX))
      return node.dim(int64_t(std::floor(product)));
    node.invalid("the result's size overflows");
    return std::nullopt;
  }
  constexpr int kLargestDivisor = 64;
  for (int divisor = 1; divisor <= kLargestDivisor; ++divisor) {
    double dividend = scale * divisor;
    if (std::abs(dividend - std::round(dividend)) < 1e-6 * divisor)
      return (size * int64_t(std::round(dividend))).floorDiv(divisor);
  }
  node.unsupported("the free size " + size.str() + " scaled by " + Twine(std::to_string(scale)));
  return std::nullopt;
}

static std::optional<Target> byScales(Node &node, ArrayRef<double> scales, ArrayRef<int64_t> axes) {
  Target target{node.dims(0), SmallVector<double>(node.rank(0), 1.0), {}};
  if (scales.size() != axes.size()) {
    node.invalid("there are " + Twine(scales.size()) + " scales for " + Twine(axes.size()) + " axes");
    return std::nullopt;
  }
  for (auto [axis, scale] : llvm::zip_equal(axes, scales)) {
    std::optional<Dim> size = scaledSize(node, target.sizes[axis], scale);
    if (!size)
      return std::nullopt;
    target.sizes[axis] = *size;
    target.scales[axis] = scale;
  }
  return target;
}

/// One scale for all axes, the smallest or the largest that the wanted sizes ask for.
static bool keepAspectRatio(Node &node, Target &target, ArrayRef<Dim> sizes, ArrayRef<int64_t> axes, bool notLarger) {
  SmallVector<Dim> input = node.dims(0);
  std::optional<double> scale;
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    if (!size.isConstant() || !input[axis].isConstant() || input[axis].isConstant(0)) {
      node.unsupported("keep_aspect_ratio_policy with free sizes");
      return false;
    }
    double own = double(*size.asConstant()) / double(*input[axis].asConstant());
    scale = !scale ? own : notLarger ? std::min(*scale, own) : std::max(*scale, own);
  }
  for (int64_t axis : axes) {
    double size = std::floor(*scale * double(*input[axis].asConstant()) + 0.5);
    if (!(size >= 0 && size < INT32_MAX)) {
      node.invalid("the result's size overflows");
      return false;
    }
    target.sizes[axis] = node.dim(int64_t(size));
    target.scales[axis] = *scale;
  }
  return true;
}

static std::optional<Target> bySizes(Node &node, ArrayRef<Dim> sizes, ArrayRef<int64_t> axes) {
  Target target{node.dims(0), SmallVector<double>(node.rank(0), 1.0), {}};
  if (sizes.size() != axes.size()) {
    node.invalid("there are " + Twine(sizes.size()) + " sizes for " + Twine(axes.size()) + " axes");
    return std::nullopt;
  }
  StringRef policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch") {
    bool good = keepAspectRatio(node, target, sizes, axes, policy == "not_larger");
    return good ? std::optional(target) : std::nullopt;
  }
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    if (size.isConstant() && *size.asConstant() < 0) {
      node.invalid("a size is " + size.str());
      return std::nullopt;
    }
    target.scales[axis] = size == target.sizes[axis] ? 1.0 : 0.0;
    target.sizes[axis] = size;
  }
  return target;
}

template <typename Kind, size_t n>
static Kind named(Node &node, StringRef attribute, StringRef otherwise, const std::pair<StringRef, Kind> (&kinds)[n]) {
  StringRef text = node.text(attribute, otherwise);
  for (const auto &[name, kind] : kinds)
    if (name == text)
      return kind;
  node.unsupported(attribute + " '" + text + "'");
  return kinds[0].second;
}

static nn::ResizeModeAttr modeOf(Node &node) {
  static const std::pair<StringRef, nn::ResizeMode> kinds[] = {{"nearest", nn::ResizeMode::Nearest},
                                                               {"linear", nn::ResizeMode::Linear},
                                                               {"bilinear", nn::ResizeMode::Linear},
                                                               {"cubic", nn::ResizeMode::Cubic}};
  return nn::ResizeModeAttr::get(node.context, named(node, "mode", "nearest", kinds));
}

static nn::CoordinateMode coordinatesOf(Node &node) {
  static const std::pair<StringRef, nn::CoordinateMode> kinds[] = {
      {"half_pixel", nn::CoordinateMode::HalfPixel},
      {"half_pixel_symmetric", nn::CoordinateMode::HalfPixelSymmetric},
      {"pytorch_half_pixel", nn::CoordinateMode::PytorchHalfPixel},
      {"align_corners", nn::CoordinateMode::AlignCorners},
      {"asymmetric", nn::CoordinateMode::Asymmetric},
      {"tf_half_pixel_for_nn", nn::CoordinateMode::TfHalfPixelForNN},
      {"tf_crop_and_resize", nn::CoordinateMode::TfCropAndResize}};
  // Opset 10 has no such attribute: it is asymmetric.
  return named(node, "coordinate_transformation_mode", node.opset < 11 ? "asymmetric" : "half_pixel", kinds);
}

static nn::NearestModeAttr nearestOf(Node &node) {
  static const std::pair<StringRef, nn::NearestMode> kinds[] = {{"round_prefer_floor", nn::NearestMode::RoundPreferFloor},
                                                                {"round_prefer_ceil", nn::NearestMode::RoundPreferCeil},
                                                                {"floor", nn::NearestMode::Floor},
                                                                {"ceil", nn::NearestMode::Ceil}};
  StringRef otherwise = node.opset < 11 ? "floor" : "round_prefer_floor";
  return nn::NearestModeAttr::get(node.context, named(node, "nearest_mode", otherwise, kinds));
}

/// Start and end of every axis, as fractions; axes that are not listed are whole.
static DenseF64ArrayAttr roiOf(Node &node, ArrayRef<int64_t> axes) {
  std::optional<SmallVector<double>> given = node.knownReals(1);
  if (!given)
    return {};
  if (given->size() != 2 * axes.size()) {
    node.invalid("roi must have two entries for each axis");
    return {};
  }
  size_t rank = node.rank(0);
  SmallVector<double> roi(2 * rank, 0.0);
  std::fill(roi.begin() + rank, roi.end(), 1.0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    roi[axis] = (*given)[i];
    roi[rank + axis] = (*given)[axes.size() + i];
  }
  return node.f64s(roi);
}

static Value resized(Node &node, Value input, const Target &target, DenseF64ArrayAttr roi) {
  auto coordinates = nn::CoordinateModeAttr::get(node.context, coordinatesOf(node));
  bool outside = node.integer("exclude_outside", 0) != 0, antialias = node.integer("antialias", 0) != 0;
  return node.make<nn::ResizeOp>(input, node.dimsAttr(target.sizes), node.f64s(target.scales), modeOf(node), coordinates, nearestOf(node),
                                 node.f64(node.real("cubic_coeff_a", -0.75)), node.unit(outside), node.unit(antialias),
                                 node.f64(node.real("extrapolation_value", 0.0)), roi, nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst),
                                 target.scaleBits);
}

/// The axes that `target` may change.
static SmallVector<int64_t> changedAxes(Node &node, const Target &target) {
  SmallVector<int64_t> axes;
  for (auto [axis, size] : llvm::enumerate(node.dims(0))) {
    bool hasOwnScale = target.scaleBits && !target.scaleBits.dims()[axis].isConstant(0);
    if (target.sizes[axis] != size || target.scales[axis] != 1.0 || hasOwnScale)
      axes.push_back(int64_t(axis));
  }
  return axes;
}

/// `target` along some axes, everything else as it is in `input`.
static Target along(Node &node, Value input, const Target &target, ArrayRef<int64_t> axes) {
  SmallVector<Dim> sizes = nn::dimsOf(input.getType()), bits(sizes.size(), node.dim(0));
  Target part{sizes, SmallVector<double>(sizes.size(), 1.0), {}};
  for (int64_t axis : axes) {
    part.sizes[axis] = target.sizes[axis];
    part.scales[axis] = target.scales[axis];
    if (target.scaleBits)
      bits[axis] = target.scaleBits.dims()[axis];
  }
  part.scaleBits = target.scaleBits ? node.dimsAttr(bits) : nn::DimsAttr();
  return part;
}

/// An element of the result is a sum over the neighbours along every axis, which are code: many axes go one after the other.
static void build(Node &node, const Target &target, DenseF64ArrayAttr roi) {
  nn::ResizeMode mode = modeOf(node).getValue();
  SmallVector<int64_t> axes = changedAxes(node, target);
  size_t most = mode == nn::ResizeMode::Cubic ? 2 : mode == nn::ResizeMode::Linear ? 3 : axes.size();
  if (roi || axes.size() <= most || node.failed())
    return node.result(resized(node, node.in(0), target, roi));
  Value out = node.in(0);
  for (ArrayRef<int64_t> rest = axes; !rest.empty() && !node.failed(); rest = rest.drop_front(std::min(most, rest.size())))
    out = resized(node, out, along(node, out, target, rest.take_front(std::min(most, rest.size()))), {});
  node.result(out);
}

/// An input that is there and not empty: exporters write an empty tensor for "not given".
static bool isGiven(Node &node, size_t i) { return node.in(i) && !nn::numElements(node.in(i).getType()).isConstant(0); }

static bool isComputed(Node &node, size_t i) {
  return !node.in(i).getDefiningOp<nn::ConstantOp>();
}

/// floor(size * scale) as the run computes it; the kernels take the scales' bits.
static std::optional<Target> byComputedScales(Node &node, size_t i, ArrayRef<int64_t> axes) {
  if (node.rank(i) != 1 || !node.dims(i)[0].isConstant(axes.size()) || !node.element(i).isF32()) {
    node.invalid("the scales must be a vector of f32 with one entry for each axis");
    return std::nullopt;
  }
  Target target{node.dims(0), SmallVector<double>(node.rank(0), 1.0), {}};
  SizeMath math(node);
  Value isAbove = node.make<nn::LessOp>(node.scalar(0, node.element(i)), node.in(i)); // NaN is not
  Value isFinite = node.make<nn::LessOp>(node.in(i), node.scalar(INFINITY, node.element(i)));
  Value isScale = node.cast(node.make<nn::AndOp>(isAbove, isFinite), node.builder.getI64Type());
  SmallVector<Dim> good = node.readSizes(math.sum(isScale), "scales");
  if (node.failed())
    return std::nullopt;
  node.require(good[0], node.dim(int64_t(axes.size())), "how many of the scales, input " + Twine(i) + ", are finite and above 0");
  Value extents = math.vector(llvm::map_to_vector(axes, [&](int64_t axis) { return target.sizes[axis]; }));
  Value scaled = node.make<nn::FloorOp>(node.make<nn::MulOp>(node.cast(extents, node.element(i)), node.in(i)));
  SmallVector<Dim> sizes = node.readSizes(node.cast(scaled, node.builder.getI64Type())), bits = node.readSizes(node.in(i), "scale");
  if (node.failed())
    return std::nullopt;
  SmallVector<Dim> scaleBits(node.rank(0), node.dim(0));
  for (auto [entry, axis] : llvm::enumerate(axes)) {
    target.sizes[axis] = sizes[entry];
    target.scales[axis] = 0.0;
    scaleBits[axis] = bits[entry];
  }
  target.scaleBits = node.dimsAttr(scaleBits);
  return target;
}

/// One scale for all axes, the smallest or the largest that the sizes ask for, as the run computes it.
static std::optional<Target> byComputedRatio(Node &node, ArrayRef<int64_t> axes) {
  Target target{node.dims(0), SmallVector<double>(node.rank(0), 1.0), {}};
  if (node.rank(3) != 1 || !node.dims(3)[0].isConstant(axes.size())) {
    node.invalid("the sizes must be a vector with one entry for each axis");
    return std::nullopt;
  }
  SizeMath math(node);
  Type real = node.builder.getF32Type();
  Value extents = node.cast(math.vector(llvm::map_to_vector(axes, [&](int64_t axis) { return target.sizes[axis]; })), real);
  Value ratios = node.make<nn::DivOp>(node.cast(node.in(3), real), extents);
  bool isSmallest = node.text("keep_aspect_ratio_policy", "") == "not_larger";
  auto kind = nn::ReduceKindAttr::get(node.context, isSmallest ? nn::ReduceKind::Min : nn::ReduceKind::Max);
  Value scale = node.make<nn::ReduceOp>(ratios, kind, node.i64s({0}), node.unit(true));
  Value rounded = node.make<nn::FloorOp>(node.make<nn::AddOp>(node.make<nn::MulOp>(extents, scale), node.scalar(0.5, real)));
  SmallVector<Dim> sizes = node.readSizes(node.cast(rounded, node.builder.getI64Type())), bits = node.readSizes(scale, "scale");
  if (node.failed())
    return std::nullopt;
  SmallVector<Dim> scaleBits(node.rank(0), node.dim(0));
  for (auto [entry, axis] : llvm::enumerate(axes)) {
    target.sizes[axis] = sizes[entry];
    target.scales[axis] = 0.0;
    scaleBits[axis] = bits[0];
  }
  target.scaleBits = node.dimsAttr(scaleBits);
  return target;
}

static void cropComputed(Node &node, const Target &target, ArrayRef<int64_t> axes) {
  node.takeLength(1, 2 * int64_t(axes.size()));
  if (node.rank(1) != 1 || !node.dims(1)[0].isConstant(2 * int64_t(axes.size())))
    return node.invalid("roi must have two entries for each axis");
  nn::ResizeMode mode = modeOf(node).getValue();
  if (mode == nn::ResizeMode::Cubic || node.integer("antialias", 0) != 0 || node.integer("exclude_outside", 0) != 0)
    return node.unsupported("a region that only a run knows, with cubic, antialias or exclude_outside");
  node.result(cropAndResize(node, node.in(1), axes, target.sizes, mode == nn::ResizeMode::Nearest ? nearestOf(node) : nn::NearestModeAttr(),
                            node.real("extrapolation_value", 0.0)));
}

static void resize(Node &node) {
  bool old = node.opset < 11;
  size_t scalesAt = old ? 1 : 2;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
  if (std::optional<SmallVector<int64_t>> listed = node.integers("axes"))
    axes = node.axesOf(*listed, node.rank(0));
  if (node.failed())
    return;
  for (size_t i = scalesAt; i < (old ? 2 : 4); ++i)
    if (node.in(i) && !(i == 2 && isGiven(node, 3))) // scales beside sizes are empty
      node.takeLength(i, int64_t(axes.size()));
  std::optional<Target> target;
  if (!old && isGiven(node, 3) && isComputed(node, 3) && node.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    target = byComputedRatio(node, axes);
  } else if (!old && isGiven(node, 3)) {
    if (std::optional<SmallVector<Dim>> sizes = node.sizes(3))
      target = bySizes(node, *sizes, axes);
  } else if (isGiven(node, scalesAt) && isComputed(node, scalesAt)) {
    target = byComputedScales(node, scalesAt, axes);
  } else if (isGiven(node, scalesAt)) {
    if (std::optional<SmallVector<double>> scales = node.knownReals(scalesAt))
      target = byScales(node, *scales, axes);
  } else {
    node.invalid("neither scales nor sizes are given");
  }
  if (!target)
    return;
  bool crops = coordinatesOf(node) == nn::CoordinateMode::TfCropAndResize;
  if (crops && !isGiven(node, 3)) // of which the sizes of the region are a factor, to some
    return node.unsupported("tf_crop_and_resize by scales; sizes are supported");
  if (crops && node.in(1) && isComputed(node, 1))
    return cropComputed(node, *target, axes);
  build(node, *target, crops ? roiOf(node, axes) : DenseF64ArrayAttr());
}

/// Upsample is the Resize of opset 10 under another name.
static void upsample(Node &node) {
  if (node.opset >= 9)
    node.takeLength(1, node.rank(0));
  if (node.opset >= 9 && isComputed(node, 1)) {
    SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
    if (std::optional<Target> target = byComputedScales(node, 1, all))
      build(node, *target, {});
    return;
  }
  std::optional<SmallVector<double>> scales = node.opset < 9 ? node.reals("scales") : node.knownReals(1);
  if (node.failed())
    return;
  if (!scales)
    return node.invalid("scales are missing");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
  if (std::optional<Target> target = byScales(node, *scales, axes))
    build(node, *target, {});
}

void registerResize(OperatorTable &table) {
  table.add("Resize", 10, 1, 4, resize);
  table.add("Upsample", 7, 1, 2, upsample, 9);
}

} // namespace tenon::importer
