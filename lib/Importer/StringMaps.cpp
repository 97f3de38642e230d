#include "lib/Importer/StringMaps.h"
#include "lib/Importer/Formula.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/MachineLearning.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::ReduceKind;

namespace {
/// A list of an operator: a vector, of numbers or strings.
struct List {
  Value values;
  int64_t size = 0;
};
} // namespace

static std::optional<List> listOf(Node &node, Value values) {
  if (!values) {
    node.stop();
    return std::nullopt;
  }
  std::optional<int64_t> size = nn::numElements(values.getType()).asConstant();
  if (size && cast<RankedTensorType>(values.getType()).getRank() <= 1)
    return List{values, *size};
  node.invalid("a list of it is no vector");
  return std::nullopt;
}

/// `name`_tensor, _strings, _int64s or _floats; none where there is none of them.
static std::optional<List> list(Node &node, const std::string &name) {
  if (const onnx::AttributeProto *tensor = node.attribute(name + "_tensor")) {
    if (tensor->has_t())
      return listOf(node, node.importer.constant(tensor->t(), node.location, name));
    node.invalid("attribute '" + name + "_tensor' holds no tensor");
    return std::nullopt;
  }
  if (node.attribute(name + "_strings")) {
    std::vector<std::string> texts = node.texts(name + "_strings");
    return listOf(node, stringConstant(node, texts, {int64_t(texts.size())}));
  }
  if (std::optional<SmallVector<int64_t>> integers = node.integers(name + "_int64s"))
    return listOf(node, integerTensor(node, *integers, {int64_t(integers->size())}));
  if (std::optional<SmallVector<double>> reals = node.reals(name + "_floats"))
    return listOf(node, realTensor(node, *reals, {int64_t(reals->size())}, node.builder.getF32Type()));
  return std::nullopt;
}

/// What a key that is in no list becomes: a vector of one of the values' type.
static Value defaultFor(Node &node, Value values) {
  Type element = getElementTypeOrSelf(values.getType());
  if (const onnx::AttributeProto *tensor = node.attribute("default_tensor"); tensor && tensor->has_t())
    return node.importer.constant(tensor->t(), node.location, "default_tensor");
  if (isString(values))
    return stringConstant(node, {node.text("default_string", "_Unused").str()}, {1});
  if (element.isInteger(64))
    return integerTensor(node, {node.integer("default_int64", -1)}, {1});
  if (element.isF32())
    return realTensor(node, {node.real("default_float", -0.0)}, {1}, element);
  return node.reshape(node.scalar(isa<FloatType>(element) ? -0.0 : -1, element), {node.dim(1)});
}

/// bool [shape..., keys]: which key each element is. NaN is a key as well.
static Value hits(Node &node, Value keys) {
  Formula f(node);
  int64_t rank = node.rank(0);
  if (isString(keys)) {
    Strings given = stringsOf(node.in(0));
    return stringsEqual(node, {given.bytes, f.unsqueeze(given.starts, rank), f.unsqueeze(given.lengths, rank)}, stringsOf(keys));
  }
  Value x = f.unsqueeze(node.in(0), rank), same = f.equal(x, keys);
  if (!isa<FloatType>(getElementTypeOrSelf(keys.getType())))
    return same;
  return node.make<nn::OrOp>(same, f.both(node.make<nn::IsNanOp>(x), node.make<nn::IsNanOp>(keys)));
}

/// Entry i of `values` where the element is key i, and the entry of `otherwise` where it is none: the first of equal keys counts.
static void mapValues(Node &node, const List &keys, const List &values, Value otherwise) {
  if (node.failed() || !otherwise)
    return node.stop();
  if (keys.size != values.size)
    return node.invalid("there are " + Twine(keys.size) + " keys and " + Twine(values.size) + " values");
  if (getElementTypeOrSelf(node.in(0).getType()) != getElementTypeOrSelf(keys.values.getType()))
    return node.invalid("the keys have another type than the input");
  if (getElementTypeOrSelf(otherwise.getType()) != getElementTypeOrSelf(values.values.getType()) || !nn::numElements(otherwise.getType()).isConstant(1))
    return node.invalid("the default must be one value of the values' type");
  Formula f(node);
  int64_t rank = node.rank(0);
  auto vector = [&](Value value, int64_t size) { return node.reshape(value, {node.dim(size)}); };
  // The last column is the default's: always a hit, and the first hit is taken.
  SmallVector<nn::Dim> column = node.dims(0);
  column.push_back(node.dim(1));
  Value all = node.cast(hits(node, keys.values), node.builder.getI32Type());
  Value last = f.expand(node.scalar(1, node.builder.getI32Type()), column);
  Value chosen = node.make<nn::ArgReduceOp>(f.concat({all, last}, rank), node.i64(rank), UnitAttr(), UnitAttr(), UnitAttr());
  auto pick = [&](Value from, Value behind) { return node.make<nn::GatherOp>(f.concat({vector(from, keys.size), vector(behind, 1)}, 0), chosen, node.i64(0)); };
  if (!isString(values.values))
    return node.result(pick(values.values, otherwise));
  SmallVector<Strings> pool = inOnePool(node, {stringsOf(values.values), stringsOf(otherwise)});
  node.result(stringsValue(node, {pool[0].bytes, pick(pool[0].starts, pool[1].starts), pick(pool[0].lengths, pool[1].lengths)}));
}

static void labelEncoder(Node &node) {
  std::optional<List> keys = list(node, "keys"), values = list(node, "values");
  if (node.failed())
    return;
  if (!keys || !values)
    return node.invalid("keys and values are missing");
  if (keys->size == 0)
    return node.invalid("there are no keys");
  mapValues(node, *keys, *values, defaultFor(node, values->values));
}

/// Strings to integers, or the other way.
static void categoryMapper(Node &node) {
  std::vector<std::string> texts = node.texts("cats_strings");
  SmallVector<int64_t> numbers = node.integers("cats_int64s").value_or(SmallVector<int64_t>());
  if (texts.size() != numbers.size() || texts.empty())
    return node.invalid("cats_strings and cats_int64s must be two lists of equal length");
  std::optional<List> strings = listOf(node, stringConstant(node, texts, {int64_t(texts.size())}));
  std::optional<List> integers = listOf(node, integerTensor(node, numbers, {int64_t(numbers.size())}));
  if (!strings || !integers)
    return;
  bool isText = isString(node.in(0));
  mapValues(node, isText ? *strings : *integers, isText ? *integers : *strings, defaultFor(node, isText ? integers->values : strings->values));
}

void registerStringMaps(OperatorTable &table) {
  for (auto [name, handler] : {std::pair<StringRef, Handler>{"LabelEncoder", labelEncoder}, {"CategoryMapper", categoryMapper}}) {
    table.addTo(kMachineLearningDomain, name, 1, 1, handler);
    table.addForStrings(kMachineLearningDomain, name, handler);
  }
}

} // namespace tenon::importer
