// Normalization layers.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// A value with one entry a channel, as one that broadcasts over [batch, channels, ...].
static Value perChannel(Node &node, Value value) {
  SmallVector<Dim> dims(node.rank(0), node.dim(1));
  dims[1] = node.dims(0)[1];
  return node.reshape(value, dims);
}

/// In training the statistics are those of the batch, and the running ones move towards them.
static void trainedBatchNorm(Node &node) {
  Formula f(node);
  Type element = node.element(0), statistics = node.element(3);
  SmallVector<int64_t> axes{0};
  for (int64_t axis = 2; axis < node.rank(0); ++axis)
    axes.push_back(axis);
  Value x = node.cast(node.in(0), statistics), mean = f.reduce(nn::ReduceKind::Mean, x, axes), centred = f.sub(x, mean);
  Value variance = f.reduce(nn::ReduceKind::Mean, f.mul(centred, centred), axes);
  Value deviation = node.make<nn::SqrtOp>(f.add(variance, node.real("epsilon", 1e-5)));
  Value scale = perChannel(node, node.cast(node.in(1), statistics)), bias = perChannel(node, node.cast(node.in(2), statistics));
  node.result(0, node.cast(f.add(f.mul(f.div(centred, deviation), scale), bias), element));
  double momentum = node.real("momentum", 0.9);
  auto running = [&](size_t i, Value own) { return f.add(f.mul(node.in(i), momentum), f.mul(node.reshape(own, {node.dims(0)[1]}), 1 - momentum)); };
  node.result(1, running(3, mean));
  node.result(2, running(4, variance));
}

static void batchNorm(Node &node) {
  if (node.opset < 7 && node.integer("is_test", 0) == 0)
    return node.unsupported("training mode before opset 7");
  if (node.integer("spatial", 1) == 0)
    return node.unsupported("spatial = 0: statistics for each pixel");
  if (node.rank(0) < 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 2 was expected");
  if (node.integer("training_mode", 0) != 0)
    return trainedBatchNorm(node);
  // Scale and statistics may be of types of their own.
  auto own = [&](size_t i) { return node.cast(node.in(i), node.element(0)); };
  node.result(node.make<nn::BatchNormOp>(node.in(0), own(1), own(2), own(3), own(4), node.f64(node.real("epsilon", 1e-5))));
}

template <typename Op> static void normalizeFrom(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  node.result(node.make<Op>(node.in(0), node.in(1), node.in(2), node.i64(axis), node.f64(node.real("epsilon", 1e-5))));
}

/// The statistics are results too; what nothing reads is erased again.
static void layerNorm(Node &node) {
  normalizeFrom<nn::LayerNormOp>(node);
  if (node.failed() || !(node.wants(1) || node.wants(2)))
    return;
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq(axis, node.rank(0)));
  Formula f(node);
  Value x = node.cast(node.in(0), node.element(0).isF64() ? node.element(0) : Type(node.builder.getF32Type()));
  Value mean = f.reduce(nn::ReduceKind::Mean, x, axes);
  Value centred = node.make<nn::SubOp>(x, mean);
  Value variance = f.reduce(nn::ReduceKind::Mean, f.mul(centred, centred), axes);
  Value shifted = node.make<nn::AddOp>(variance, f.number(node.real("epsilon", 1e-5), variance));
  node.result(1, mean);
  node.result(2, node.make<nn::ReciprocalOp>(node.make<nn::SqrtOp>(shifted)));
}

static bool hasPixels(Node &node) {
  if (node.rank(0) < 3)
    node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 3 was expected");
  return !node.failed();
}

/// Groups of a free number of channels: [batch, groups, channels a group, ...] is normalized over all but the first two axes.
static Value normalizedGroups(Node &node, Dim groups, Value scale, Value bias) {
  Formula f(node);
  SmallVector<Dim> dims = node.dims(0), split{dims[0], groups, dims[1].floorDiv(groups)};
  split.append(dims.begin() + 2, dims.end());
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(2, split.size()));
  Value x = node.reshape(node.in(0), split), centred = f.sub(x, f.reduce(nn::ReduceKind::Mean, x, axes));
  Value variance = f.reduce(nn::ReduceKind::Mean, f.mul(centred, centred), axes);
  Value normal = f.div(centred, node.make<nn::SqrtOp>(f.add(variance, node.real("epsilon", 1e-5))));
  return f.add(f.mul(node.reshape(normal, dims), perChannel(node, scale)), perChannel(node, bias));
}

/// Scale and bias have one entry a group up to opset 20, one a channel afterwards: nn has the latter.
static void groupNorm(Node &node) {
  if (!hasPixels(node))
    return;
  std::optional<int64_t> channels = node.dims(0)[1].asConstant();
  int64_t groups = node.integer("num_groups", 0);
  if (groups < 1 || (channels && *channels % groups != 0))
    return node.invalid("num_groups is " + Twine(groups) + ", which does not divide the " + node.dims(0)[1].str() + " channels");
  Dim members = node.dims(0)[1].floorDiv(groups);
  auto forChannels = [&](size_t i) {
    if (node.opset >= 21)
      return node.in(i);
    if (node.rank(i) != 1 || (node.dims(i)[0].isConstant() && !node.dims(i)[0].isConstant(groups))) {
      node.invalid("input " + Twine(i) + " must have one entry for each group");
      return Value();
    }
    Value column = node.reshape(node.in(i), {node.dim(groups), node.dim(1)});
    Value wide = node.make<nn::ExpandOp>(column, node.dimsAttr({node.dim(groups), members}));
    return node.reshape(wide, {node.dims(0)[1]});
  };
  Value scale = forChannels(1), bias = forChannels(2);
  if (!channels && !node.failed())
    return node.result(normalizedGroups(node, node.dim(groups), scale, bias));
  node.result(node.make<nn::GroupNormOp>(node.in(0), scale, bias, node.i64(groups), node.f64(node.real("epsilon", 1e-5))));
}

static void instanceNorm(Node &node) {
  if (!hasPixels(node))
    return;
  Dim channels = node.dims(0)[1];
  if (!channels.isConstant())
    return node.result(normalizedGroups(node, channels, node.in(1), node.in(2)));
  node.result(node.make<nn::GroupNormOp>(node.in(0), node.in(1), node.in(2), node.i64(*channels.asConstant()), node.f64(node.real("epsilon", 1e-5))));
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
  Formula f(node);
  Value norm = f.reduce(p == 1 ? nn::ReduceKind::L1 : nn::ReduceKind::L2, node.in(0), {axis}), zero = f.number(0, node.in(0));
  node.result(f.select(f.equal(norm, zero), zero, f.div(node.in(0), norm))); // a vector of zeros stays as it is
}

/// (x - mean) / (sqrt(mean of squares - square of mean) + 1e-9), as ONNX's function body has it.
static void meanVarianceNorm(Node &node) {
  SmallVector<int64_t> axes = node.axesOf(node.integers("axes").value_or(SmallVector<int64_t>{0, 2, 3}), node.rank(0));
  Formula f(node);
  Value x = node.in(0);
  Value mean = f.reduce(nn::ReduceKind::Mean, x, axes);
  Value squares = f.reduce(nn::ReduceKind::Mean, f.mul(x, x), axes);
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
