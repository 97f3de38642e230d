// Normalization layers.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Results beside the first are statistics that only training updates.
static void batchNorm(Node &node) {
  if (node.integer("training_mode", 0) != 0 || (node.opset < 7 && node.integer("is_test", 0) == 0))
    return node.unsupported("training mode");
  if (node.integer("spatial", 1) == 0)
    return node.unsupported("spatial = 0: statistics for each pixel");
  if (node.rank(0) < 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 2 was expected");
  node.result(node.make<nn::BatchNormOp>(node.in(0), node.in(1), node.in(2), node.in(3), node.in(4), node.f64(node.real("epsilon", 1e-5))));
}

template <typename Op> static void normalizeFrom(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  node.result(node.make<Op>(node.in(0), node.in(1), node.in(2), node.i64(axis), node.f64(node.real("epsilon", 1e-5))));
}

static Value reduced(Node &node, Value value, nn::ReduceKind kind, ArrayRef<int64_t> axes) {
  return node.make<nn::ReduceOp>(value, nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), node.unit(true));
}

/// The statistics are results too; what nothing reads is erased again.
static void layerNorm(Node &node) {
  normalizeFrom<nn::LayerNormOp>(node);
  if (node.failed() || !(node.wants(1) || node.wants(2)))
    return;
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq(axis, node.rank(0)));
  Value x = node.cast(node.in(0), node.builder.getF32Type());
  Value mean = reduced(node, x, nn::ReduceKind::Mean, axes);
  Value centred = node.make<nn::SubOp>(x, mean);
  Value variance = reduced(node, node.make<nn::MulOp>(centred, centred), nn::ReduceKind::Mean, axes);
  Value shifted = node.make<nn::AddOp>(variance, node.scalar(node.real("epsilon", 1e-5), node.builder.getF32Type()));
  node.result(1, mean);
  node.result(2, node.make<nn::ReciprocalOp>(node.make<nn::SqrtOp>(shifted)));
}

static std::optional<int64_t> channelsOf(Node &node) {
  if (node.rank(0) < 3) {
    node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 3 was expected");
    return std::nullopt;
  }
  std::optional<int64_t> channels = node.dims(0)[1].asConstant();
  if (!channels)
    node.unsupported("a free number of channels");
  return channels;
}

/// Scale and bias have one entry a group up to opset 20, one a channel afterwards: nn has the latter.
static void groupNorm(Node &node) {
  std::optional<int64_t> channels = channelsOf(node);
  if (!channels)
    return;
  int64_t groups = node.integer("num_groups", 0);
  if (groups < 1 || *channels % groups != 0)
    return node.invalid("num_groups is " + Twine(groups) + ", which does not divide the " + Twine(*channels) + " channels");
  auto forChannels = [&](size_t i) {
    if (node.opset >= 21)
      return node.in(i);
    if (node.rank(i) != 1 || !node.dims(i)[0].isConstant(groups)) {
      node.invalid("input " + Twine(i) + " must have one entry for each group");
      return Value();
    }
    Value column = node.reshape(node.in(i), {node.dim(groups), node.dim(1)});
    Value wide = node.make<nn::ExpandOp>(column, node.dimsAttr({node.dim(groups), node.dim(*channels / groups)}));
    return node.reshape(wide, {node.dim(*channels)});
  };
  Value scale = forChannels(1), bias = forChannels(2);
  node.result(node.make<nn::GroupNormOp>(node.in(0), scale, bias, node.i64(groups), node.f64(node.real("epsilon", 1e-5))));
}

static void instanceNorm(Node &node) {
  if (std::optional<int64_t> channels = channelsOf(node))
    node.result(node.make<nn::GroupNormOp>(node.in(0), node.in(1), node.in(2), node.i64(*channels), node.f64(node.real("epsilon", 1e-5))));
}

static void lrn(Node &node) {
  int64_t size = node.integer("size", 0);
  if (size < 1)
    return node.invalid("size must be at least 1");
  if (node.rank(0) < 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 2 was expected");
  node.result(node.make<nn::LRNOp>(node.in(0), node.i64(size), node.f64(node.real("alpha", 1e-4)), node.f64(node.real("beta", 0.75)),
                                   node.f64(node.real("bias", 1.0))));
}

static void lpNorm(Node &node) {
  int64_t p = node.integer("p", 2), axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  if (p != 1 && p != 2)
    return node.invalid("p is " + Twine(p) + "; 1 or 2 was expected");
  Value norm = reduced(node, node.in(0), p == 1 ? nn::ReduceKind::L1 : nn::ReduceKind::L2, {axis});
  // A row of zeros stays one.
  Value zero = node.scalar(0, node.element(0)), one = node.scalar(1, node.element(0));
  Value divisor = node.make<nn::SelectOp>(node.make<nn::EqualOp>(norm, zero), one, norm);
  node.result(node.make<nn::DivOp>(node.in(0), divisor));
}

/// (x - mean) / (sqrt(mean of squares - square of mean) + 1e-9), as ONNX's function body has it.
static void meanVarianceNorm(Node &node) {
  SmallVector<int64_t> axes = node.axesOf(node.integers("axes").value_or(SmallVector<int64_t>{0, 2, 3}), node.rank(0));
  Value x = node.in(0);
  Value mean = reduced(node, x, nn::ReduceKind::Mean, axes);
  Value squares = reduced(node, node.make<nn::MulOp>(x, x), nn::ReduceKind::Mean, axes);
  Value variance = node.make<nn::SubOp>(squares, node.make<nn::MulOp>(mean, mean));
  Value deviation = node.make<nn::AddOp>(node.make<nn::SqrtOp>(variance), node.scalar(1e-9, node.element(0)));
  node.result(node.make<nn::DivOp>(node.make<nn::SubOp>(x, mean), deviation));
}

void registerNormalization(OperatorTable &table) {
  table.add("BatchNormalization", 6, 5, 5, batchNorm);
  table.add("LayerNormalization", 17, 2, 3, layerNorm);
  table.add("RMSNormalization", 23, 2, 2, normalizeFrom<nn::RMSNormOp>);
  table.add("GroupNormalization", 18, 3, 3, groupNorm);
  table.add("InstanceNormalization", 6, 3, 3, instanceNorm);
  table.add("LRN", 1, 1, 1, lrn);
  table.add("LpNormalization", 1, 1, 1, lpNorm);
  table.add("MeanVarianceNormalization", 9, 1, 1, meanVarianceNorm);
}

} // namespace tenon::importer
