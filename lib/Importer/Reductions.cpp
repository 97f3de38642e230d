// Reductions along axes, softmax, running sums.
#include "lib/Importer/Operators.h"
#include "lib/Importer/RunTimeShapes.h"
#include "lib/Importer/Softmax.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Whether reducing no axis leaves the elements as they are.
static constexpr bool keepsElements(nn::ReduceKind kind) {
  return kind == nn::ReduceKind::Sum || kind == nn::ReduceKind::Mean || kind == nn::ReduceKind::Max || kind == nn::ReduceKind::Min ||
         kind == nn::ReduceKind::Prod;
}

/// Whether the results of integers are made of floats.
static constexpr bool isOfFloats(nn::ReduceKind kind) {
  return kind == nn::ReduceKind::L2 || kind == nn::ReduceKind::LogSum || kind == nn::ReduceKind::LogSumExp;
}

/// Axes are an attribute up to opset 17 (12 for ReduceSum), an input afterwards. None at all means every axis, or no
/// axis where the node says so.
template <nn::ReduceKind kind> static void reduce(Node &node) {
  bool keepsAll = node.integer("noop_with_empty_axes", 0) != 0, isCast = isOfFloats(kind) && isa<IntegerType>(node.element(0));
  if (node.in(1) && !node.isKnown(1)) {
    if (isCast)
      return node.unsupported("integers, along axes that only a run knows");
    Dim count = nn::numElements(node.in(1).getType());
    if (keepsAll && !keepsElements(kind)) // whether the elements change is not agreed upon
      node.requireAtMost(node.dim(1), count, "noop_with_empty_axes is not supported here; the number of axes");
    return reduceComputedAxes(node, kind, keepsAll);
  }
  std::optional<SmallVector<int64_t>> given = node.integersFrom("axes", 1);
  if (node.failed())
    return;
  SmallVector<int64_t> axes = node.axesOf(given.value_or(SmallVector<int64_t>()), node.rank(0));
  if (axes.empty() && keepsAll)
    return keepsElements(kind) ? node.result(node.in(0)) : node.unsupported("noop_with_empty_axes");
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
  llvm::sort(axes);
  bool keep = node.integer("keepdims", 1) != 0;
  Value x = isCast ? node.cast(node.in(0), node.builder.getF64Type()) : node.in(0);
  Value result = node.make<nn::ReduceOp>(x, nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), node.unit(keep));
  node.result(isCast ? node.cast(result, node.element(0)) : result);
}

template <bool minimum> static void argReduce(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  bool keep = node.integer("keepdims", 1) != 0, last = node.integer("select_last_index", 0) != 0;
  node.result(node.make<nn::ArgReduceOp>(node.in(0), node.i64(axis), node.unit(minimum), node.unit(keep), node.unit(last)));
}

static Value softmaxAlong(Node &node, Value value, int64_t axis, bool logarithm) {
  return node.make<nn::SoftmaxOp>(value, node.i64(axis), node.unit(logarithm));
}
static Value logarithmAlong(Node &node, Value value, int64_t axis) { return softmaxAlong(node, value, axis, true); }
static Value plainAlong(Node &node, Value value, int64_t axis) { return softmaxAlong(node, value, axis, false); }

/// One at the first largest element, zero elsewhere.
static Value hardmaxAlong(Node &node, Value value, int64_t axis) {
  if (node.failed())
    return {};
  Value largest = node.make<nn::ArgReduceOp>(value, node.i64(axis), UnitAttr(), UnitAttr(), UnitAttr());
  auto pair = RankedTensorType::get({2}, node.element(0));
  Attribute off = node.builder.getFloatAttr(node.element(0), 0.0), on = node.builder.getFloatAttr(node.element(0), 1.0);
  Dim depth = nn::dimOf(value.getType(), axis);
  return node.make<nn::OneHotOp>(largest, node.constant(DenseElementsAttr::get(pair, {off, on})), node.dimsAttr({depth}), node.i64(axis));
}

/// Before opset 13 the axes from `axis` on count as one. That is a reshape, unless all but one of them have size 1.
static Value alongOrFlat(Node &node, Value value, int64_t opset, int64_t usualAxis, Value (*along)(Node &, Value, int64_t)) {
  bool flattens = opset < 13;
  int64_t axis = node.axisOf(node.integer("axis", usualAxis), node.rank(0));
  if (node.failed())
    return {};
  SmallVector<Dim> dims = node.dims(0);
  int64_t wide = axis, count = 0;
  for (int64_t i = axis; flattens && i < node.rank(0); ++i)
    if (!dims[i].isConstant(1)) {
      wide = i;
      ++count;
    }
  if (count <= 1)
    return along(node, value, wide);
  SmallVector<Dim> flat(dims.begin(), dims.begin() + axis);
  flat.push_back(nn::product(node.context, ArrayRef(dims).drop_front(axis)));
  return node.reshape(along(node, node.reshape(value, flat), axis), dims);
}

Value softmaxOf(Node &node, Value value, int64_t opset, int64_t usualAxis) { return alongOrFlat(node, value, opset, usualAxis, plainAlong); }

template <Value (*along)(Node &, Value, int64_t)> static void softmax(Node &node) {
  if (!isa<FloatType>(node.element(0)))
    return node.invalid("floating-point elements were expected");
  node.result(alongOrFlat(node, node.in(0), node.opset, node.opset < 13 ? 1 : -1, along));
}

template <bool product> static void cumulative(Node &node) {
  if (!node.isKnown(1))
    return cumulativeComputedAxis(node, product);
  std::optional<SmallVector<int64_t>> axis = node.knownIntegers(1);
  if (!axis)
    return;
  if (axis->size() != 1)
    return node.invalid("the axis must be one number");
  int64_t counted = node.axisOf(axis->front(), node.rank(0));
  bool exclusive = node.integer("exclusive", 0) != 0, reverse = node.integer("reverse", 0) != 0;
  node.result(node.make<nn::CumSumOp>(node.in(0), node.i64(counted), node.unit(exclusive), node.unit(reverse), node.unit(product)));
}

void registerReductions(OperatorTable &table) {
  table.add("ReduceSum", 1, 1, 2, reduce<nn::ReduceKind::Sum>);
  table.add("ReduceMean", 1, 1, 2, reduce<nn::ReduceKind::Mean>);
  table.add("ReduceMax", 1, 1, 2, reduce<nn::ReduceKind::Max>);
  table.add("ReduceMin", 1, 1, 2, reduce<nn::ReduceKind::Min>);
  table.add("ReduceProd", 1, 1, 2, reduce<nn::ReduceKind::Prod>);
  table.add("ReduceSumSquare", 1, 1, 2, reduce<nn::ReduceKind::SumSquare>);
  table.add("ReduceL1", 1, 1, 2, reduce<nn::ReduceKind::L1>);
  table.add("ReduceL2", 1, 1, 2, reduce<nn::ReduceKind::L2>);
  table.add("ReduceLogSum", 1, 1, 2, reduce<nn::ReduceKind::LogSum>);
  table.add("ReduceLogSumExp", 1, 1, 2, reduce<nn::ReduceKind::LogSumExp>);
  table.add("ArgMax", 1, 1, 1, argReduce<false>);
  table.add("ArgMin", 1, 1, 1, argReduce<true>);
  table.add("Softmax", 1, 1, 1, softmax<plainAlong>);
  table.add("LogSoftmax", 1, 1, 1, softmax<logarithmAlong>);
  table.add("Hardmax", 1, 1, 1, softmax<hardmaxAlong>);
  table.add("CumSum", 11, 2, 2, cumulative<false>);
  table.add("CumProd", 26, 2, 2, cumulative<true>);
}

} // namespace tenon::importer
