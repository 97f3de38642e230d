#include "lib/Importer/Strings.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;
using nn::ReduceKind;

Type stringType(MLIRContext *context) {
  return OpaqueType::get(StringAttr::get(context, nn::NNDialect::getDialectNamespace()), "string");
}

bool isString(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType() == stringType(value.getContext());
}

Strings stringsOf(Value value) {
  auto parts = value.getDefiningOp<UnrealizedConversionCastOp>().getInputs();
  return {parts[0], parts[1], parts[2]};
}

Value stringsValue(Node &node, const Strings &strings) {
  if (node.failed())
    return {};
  Type type = nn::tensorOf(nn::dimsOf(strings.starts.getType()), stringType(node.context));
  return UnrealizedConversionCastOp::create(node.builder, node.location, type, ValueRange{strings.bytes, strings.starts, strings.lengths}).getResult(0);
}

static Value integers(Node &node, ArrayRef<int64_t> values, ArrayRef<int64_t> shape) {
  return node.constant(DenseElementsAttr::get(RankedTensorType::get(shape, node.builder.getI64Type()), values));
}

Value stringConstant(Node &node, ArrayRef<std::string> texts, ArrayRef<int64_t> shape) {
  SmallVector<uint8_t> bytes;
  SmallVector<int64_t> starts, lengths;
  for (const std::string &text : texts) {
    starts.push_back(int64_t(bytes.size()));
    lengths.push_back(int64_t(text.size()));
    bytes.append(text.begin(), text.end());
  }
  auto type = RankedTensorType::get({int64_t(bytes.size())}, IntegerType::get(node.context, 8, IntegerType::Unsigned));
  return stringsValue(node, {node.constant(DenseElementsAttr::get(type, ArrayRef<uint8_t>(bytes))), integers(node, starts, shape), integers(node, lengths, shape)});
}

//===-- Where strings lie -----------------------------------------------------------------------------------------===//

static Dim sizeOf(Value vector) { return nn::dimsOf(vector.getType())[0]; }
static Value number(Node &node, int64_t value) { return node.scalar(double(value), node.builder.getI64Type()); }
static Value flat(Node &node, Value value) { return node.failed() ? Value() : node.reshape(value, {nn::numElements(value.getType())}); }

static Value padded(Node &node, Value vector, Dim low, Dim high) {
  return node.make<nn::PadOp>(vector, Value(), node.dimsAttr({low}), node.dimsAttr({high}), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
}

/// The end of each string from that of the one before: a vector moved by one.
static Value startsFor(Node &node, Value ends) {
  if (node.failed())
    return {};
  return node.slice(padded(node, ends, node.dim(1), node.dim(0)), 0, node.dim(0), sizeOf(ends));
}

Value entriesAt(Node &node, Value vector, Value at) {
  return node.make<nn::GatherOp>(padded(node, vector, node.dim(0), node.dim(1)), at, node.i64(0));
}

Strings stringsFrom(Node &node, Value bytes, Value ends) {
  SmallVector<Dim> dims = nn::dimsOf(ends.getType());
  Value last = Formula(node).sizeValue(sizeOf(bytes));
  Value inside = node.make<nn::MinOp>(node.make<nn::MaxOp>(flat(node, ends), number(node, 0)), last);
  Value starts = startsFor(node, inside);
  Value lengths = node.make<nn::MaxOp>(node.make<nn::SubOp>(inside, starts), number(node, 0));
  return {bytes, node.failed() ? Value() : node.reshape(starts, dims), node.failed() ? Value() : node.reshape(lengths, dims)};
}

StringPlaces placesOf(Node &node, Value lengths, Value &ends) {
  Formula f(node);
  ends = node.make<nn::CumSumOp>(lengths, node.i64(0), UnitAttr(), UnitAttr());
  SmallVector<Dim> total = node.readSizes(f.reduce(ReduceKind::Sum, lengths, {0}), "bytes");
  if (node.failed())
    return {node.dim(0), {}, {}};
  // Place j is of the string before which as many end as do at or before j. There is a place for those that end behind the last one.
  Value none = f.expand(number(node, 0), {total[0] + 1}), ones = f.expand(number(node, 1), {sizeOf(ends)});
  Value marks = node.make<nn::ScatterElementsOp>(none, ends, ones, node.i64(0), nn::ReduceKindAttr::get(node.context, ReduceKind::Sum));
  Value owner = node.slice(node.make<nn::CumSumOp>(marks, node.i64(0), UnitAttr(), UnitAttr()), 0, node.dim(0), total[0]);
  return {total[0], owner, f.sub(f.positions(total[0], 0, 1), entriesAt(node, startsFor(node, ends), owner))};
}

Value sumByOwner(Node &node, const StringPlaces &places, Value values, Dim strings) {
  Formula f(node);
  Value none = f.expand(number(node, 0), {strings + 1}); // one more: there may be none
  Value sums = node.make<nn::ScatterElementsOp>(none, places.owner, values, node.i64(0), nn::ReduceKindAttr::get(node.context, ReduceKind::Sum));
  return node.slice(sums, 0, node.dim(0), strings);
}

Value bytesAt(Node &node, const StringPlaces &places, Value bytes, Value starts) {
  Value at = Formula(node).add(entriesAt(node, starts, places.owner), places.within);
  return node.cast(entriesAt(node, bytes, at), node.builder.getI64Type());
}

Strings packed(Node &node, const Strings &strings) {
  if (node.failed())
    return strings;
  SmallVector<Dim> dims = nn::dimsOf(strings.lengths.getType());
  Value ends, lengths = flat(node, strings.lengths);
  StringPlaces places = placesOf(node, lengths, ends);
  Value at = Formula(node).add(entriesAt(node, flat(node, strings.starts), places.owner), places.within);
  Value bytes = entriesAt(node, strings.bytes, at), starts = startsFor(node, ends);
  return {bytes, node.failed() ? Value() : node.reshape(starts, dims), strings.lengths};
}

SmallVector<Strings> inOnePool(Node &node, ArrayRef<Strings> all) {
  SmallVector<Strings> out(all);
  if (node.failed() || llvm::all_of(all, [&](const Strings &each) { return each.bytes == all[0].bytes; }))
    return out;
  Formula f(node);
  SmallVector<Value> pools;
  Dim before = node.dim(0);
  for (Strings &strings : out) {
    pools.push_back(strings.bytes);
    strings.starts = f.add(strings.starts, f.sizeValue(before));
    before = before + sizeOf(strings.bytes);
  }
  Value pool = f.concat(pools, 0);
  for (Strings &strings : out)
    strings.bytes = pool;
  return out;
}

Value moved(Node &node, Value tensor, function_ref<Value(Value)> move) {
  if (node.failed() || !isString(tensor))
    return node.failed() ? Value() : move(tensor);
  Strings strings = stringsOf(tensor);
  Value starts = move(strings.starts), lengths = move(strings.lengths);
  return stringsValue(node, {strings.bytes, starts, lengths});
}

Value joined(Node &node, ArrayRef<Value> tensors, int64_t axis) {
  if (node.failed() || tensors.size() == 1)
    return node.failed() ? Value() : tensors[0];
  Formula f(node);
  if (!isString(tensors[0]))
    return f.concat(SmallVector<Value>(tensors), axis);
  SmallVector<Value> starts, lengths;
  SmallVector<Strings> all = inOnePool(node, llvm::map_to_vector(tensors, stringsOf));
  for (const Strings &each : all) {
    starts.push_back(each.starts);
    lengths.push_back(each.lengths);
  }
  return stringsValue(node, {all[0].bytes, f.concat(starts, axis), f.concat(lengths, axis)});
}

//===-- Bytes -----------------------------------------------------------------------------------------------------===//

StringText textOf(Node &node, const Strings &strings, int64_t behind) {
  StringText text;
  if (node.failed())
    return text;
  Formula f(node);
  Value lengths = flat(node, strings.lengths);
  text.places = placesOf(node, f.add(lengths, 1.0), text.ends);
  Value isByte = f.less(text.places.within, entriesAt(node, lengths, text.places.owner));
  text.characters = f.select(isByte, bytesAt(node, text.places, strings.bytes, flat(node, strings.starts)), number(node, behind));
  return text;
}

Value stringsEqual(Node &node, const Strings &a, const Strings &b) {
  if (node.failed())
    return {};
  Formula f(node);
  // Only those of equal length are compared byte by byte.
  Value sameLength = f.equal(a.lengths, b.lengths);
  if (node.failed())
    return {};
  SmallVector<Dim> dims = nn::dimsOf(sameLength.getType());
  auto all = [&](Value value) { return flat(node, f.expand(value, dims)); };
  Value ends, lengths = f.select(flat(node, sameLength), all(a.lengths), number(node, 0));
  StringPlaces places = placesOf(node, lengths, ends);
  Value differs = node.make<nn::NotOp>(f.equal(bytesAt(node, places, a.bytes, all(a.starts)), bytesAt(node, places, b.bytes, all(b.starts))));
  Value differing = sumByOwner(node, places, node.cast(differs, node.builder.getI64Type()), nn::product(node.context, dims));
  return node.failed() ? Value() : f.both(sameLength, node.reshape(f.equal(differing, number(node, 0)), dims));
}

} // namespace tenon::importer
