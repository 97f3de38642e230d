// Tensors that come from attributes and from shapes.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

template <typename T> static Value vectorOf(Node &node, ArrayRef<T> values, Type element) {
  return node.constant(DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, element), values));
}

static void constant(Node &node) {
  Type f32 = node.builder.getF32Type(), i64 = node.builder.getI64Type();
  for (const onnx::AttributeProto &attribute : node.proto.attribute()) {
    StringRef name = attribute.name();
    if (name == "value") {
      if (!attribute.has_t())
        return node.invalid("attribute 'value' holds no tensor");
      Value value = node.importer.constant(attribute.t(), node.location, node.proto.output_size() ? node.proto.output(0) : "");
      return value ? node.result(value) : node.stop();
    }
    if (name == "value_float")
      return node.result(node.scalar(attribute.f(), f32));
    if (name == "value_int")
      return node.result(node.constant(DenseElementsAttr::get(RankedTensorType::get({}, i64), attribute.i())));
    if (name == "value_floats")
      return node.result(vectorOf<float>(node, SmallVector<float>(attribute.floats().begin(), attribute.floats().end()), f32));
    if (name == "value_ints")
      return node.result(vectorOf<int64_t>(node, SmallVector<int64_t>(attribute.ints().begin(), attribute.ints().end()), i64));
    if (name == "value_string")
      return node.result(stringConstant(node, {attribute.s()}, {}));
    if (name == "value_strings")
      return node.result(stringConstant(node, std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()), {attribute.strings_size()}));
    if (name == "sparse_value")
      return node.unsupported("attribute '" + name + "'");
  }
  node.invalid("the constant has no value");
}

/// Small and fixed: a constant, so that shape arithmetic on it folds. Otherwise one element, broadcast.
static void constantOfShape(Node &node) {
  if (std::optional<int64_t> rank = node.declaredRank())
    node.takeLength(0, *rank);
  std::optional<SmallVector<Dim>> dims = node.sizes(0);
  if (!dims)
    return;
  for (Dim dim : *dims)
    if (dim.isConstant() && *dim.asConstant() < 0)
      return node.invalid("the shape has the entry " + dim.str());
  Value value;
  if (const onnx::AttributeProto *attribute = node.attribute("value")) {
    value = node.importer.constant(attribute->t(), node.location, "value");
    if (!value)
      return node.stop();
  } else {
    value = node.scalar(0, node.builder.getF32Type());
  }
  if (isString(value))
    return node.unsupported("a value that is a string");
  auto dense = dyn_cast<DenseElementsAttr>(value.getDefiningOp<nn::ConstantOp>().getValue());
  if (!dense || dense.getNumElements() != 1)
    return node.invalid("value must be one element");
  constexpr int64_t kMostElements = 4096; // what nn::constantDims reads
  std::optional<int64_t> elements = nn::product(node.context, *dims).asConstant();
  auto element = [&](ArrayRef<int64_t> shape) {
    return node.constant(DenseElementsAttr::get(RankedTensorType::get(shape, dense.getElementType()), dense.getValues<Attribute>()[0]));
  };
  if (elements && *elements <= kMostElements && llvm::all_of(*dims, [](Dim dim) { return dim.isConstant(); }))
    return node.result(element(llvm::map_to_vector(*dims, [](Dim dim) { return *dim.asConstant(); })));
  node.result(node.make<nn::ExpandOp>(element({}), node.dimsAttr(*dims)));
}

/// 0, 1, ... `size` - 1 as 64-bit integers along the last axis of `dims`.
static Value countUp(Node &node, Dim size, ArrayRef<Dim> dims) {
  Type i64 = node.builder.getI64Type();
  Value count = node.make<nn::RangeOp>(node.scalar(0, i64), node.scalar(1, i64), node.dimsAttr({size}));
  return node.reshape(count, dims);
}

/// The number of elements where the run computes it: ceil((limit - start) / delta), in the precision of doubles.
static std::optional<Dim> computedRangeSize(Node &node) {
  Type real = node.builder.getF64Type();
  auto scalar = [&](size_t i) { return node.cast(node.reshape(node.in(i), {}), real); };
  Value extent = node.make<nn::SubOp>(scalar(1), scalar(0));
  Value count = node.make<nn::CeilOp>(node.make<nn::DivOp>(extent, scalar(2)));
  SmallVector<Dim> size = node.readSizes(node.cast(node.make<nn::MaxOp>(count, node.scalar(0, real)), node.builder.getI64Type()));
  return size.empty() ? std::nullopt : std::optional(size.front());
}

static bool isConstantScalar(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  return constant && isa<DenseElementsAttr, DenseResourceElementsAttr>(constant.getValue());
}

static std::optional<Dim> rangeSize(Node &node) {
  bool isReal = isa<FloatType>(node.element(0));
  for (size_t i = 0; i < 3; ++i)
    if (isReal ? !isConstantScalar(node.in(i)) : !node.isKnown(i))
      return computedRangeSize(node);
  if (!isReal && !nn::constantDims(node.in(2))->front().isConstant())
    return computedRangeSize(node);
  if (isa<FloatType>(node.element(0))) {
    std::optional<SmallVector<double>> start = node.knownReals(0), limit = node.knownReals(1), delta = node.knownReals(2);
    if (node.failed())
      return std::nullopt;
    double count = delta->front() == 0 ? NAN : std::ceil((limit->front() - start->front()) / delta->front());
    if (!(std::abs(count) < INT32_MAX)) {
      node.invalid("the number of elements is not finite");
      return std::nullopt;
    }
    return node.dim(std::max<int64_t>(0, int64_t(count)));
  }
  std::optional<SmallVector<Dim>> start = node.knownDims(0), limit = node.knownDims(1);
  std::optional<SmallVector<int64_t>> delta = node.knownIntegers(2);
  if (node.failed())
    return std::nullopt;
  int64_t step = delta->front();
  if (step == 0 || step == INT64_MIN) {
    node.invalid("the step is " + Twine(step));
    return std::nullopt;
  }
  Dim count = step > 0 ? (limit->front() - start->front()).ceilDiv(step) : (start->front() - limit->front()).ceilDiv(-step);
  std::optional<int64_t> lower = count.lowerBound();
  return lower && *lower >= 0 ? count : count.max(node.dim(0));
}

static void range(Node &node) {
  SmallVector<Value> scalars;
  for (size_t i = 0; i < 3; ++i) {
    node.takeOne(i);
    if (!nn::numElements(node.in(i).getType()).isConstant(1) || node.element(i) != node.element(0))
      return node.invalid("start, limit and delta must be scalars of one type");
    scalars.push_back(node.rank(i) == 0 ? node.in(i) : node.reshape(node.in(i), {}));
  }
  if (std::optional<Dim> size = rangeSize(node))
    node.result(node.make<nn::RangeOp>(scalars[0], scalars[2], node.dimsAttr({*size})));
}

/// Row and column numbers of the last two axes, to compare.
static std::pair<Value, Value> coordinates(Node &node) {
  SmallVector<Dim> dims = node.dims(0);
  Dim rows = dims[dims.size() - 2], columns = dims.back();
  return {countUp(node, rows, {rows, node.dim(1)}), countUp(node, columns, {node.dim(1), columns})};
}

static void eyeLike(Node &node) {
  if (node.rank(0) != 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; 2 was expected");
  int64_t type = node.integer("dtype", 0);
  Type element = type ? elementType(node.context, int32_t(type)) : node.element(0);
  if (!element)
    return node.unsupported("elements of type " + dataTypeName(int32_t(type)));
  auto [row, column] = coordinates(node);
  Value diagonal = node.make<nn::AddOp>(row, node.scalar(double(node.integer("k", 0)), node.builder.getI64Type()));
  Value eye = node.make<nn::EqualOp>(diagonal, column);
  node.result(node.cast(eye, element));
}

/// Keeps column - row >= k of the last two axes (<= k for the lower part), zero elsewhere.
static void trilu(Node &node) {
  if (node.rank(0) < 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 2 was expected");
  Type index = node.builder.getI64Type();
  node.takeOne(1);
  if (node.in(1) && !nn::numElements(node.in(1).getType()).isConstant(1))
    return node.invalid("k must be one number");
  Value k = node.in(1) ? node.cast(node.reshape(node.in(1), {}), index) : node.scalar(0, index);
  auto [row, column] = coordinates(node);
  Value limit = node.make<nn::AddOp>(row, k);
  Value kept = node.integer("upper", 1) != 0 ? node.make<nn::GreaterOrEqualOp>(column, limit) : node.make<nn::LessOrEqualOp>(column, limit);
  node.result(node.make<nn::SelectOp>(kept, node.in(0), node.scalar(0, node.element(0))));
}

void registerConstants(OperatorTable &table) {
  table.add("Constant", 1, 0, 0, constant);
  table.add("ConstantOfShape", 9, 1, 1, constantOfShape);
  table.add("Range", 11, 3, 3, range);
  table.add("EyeLike", 9, 1, 1, eyeLike);
  table.add("Trilu", 14, 1, 2, trilu);
}

} // namespace tenon::importer
