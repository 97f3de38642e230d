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

Strings stringsFrom(Node &node, Value bytes, Value ends) {
  SmallVector<Dim> dims = nn::dimsOf(ends.getType());
  Value last = Formula(node).sizeValue(sizeOf(bytes));
  Value inside = node.make<nn::MinOp>(node.make<nn::MaxOp>(flat(node, ends), number(node, 0)), last);
  Value starts = startsFor(node, inside);
  Value lengths = node.make<nn::MaxOp>(node.make<nn::SubOp>(inside, starts), number(node, 0));
  return {bytes, node.failed() ? Value() : node.reshape(starts, dims), node.failed() ? Value() : node.reshape(lengths, dims)};
}

Strings packed(Node &node, const Strings &strings) {
  if (node.failed())
    return strings;
  Formula f(node);
  SmallVector<Dim> dims = nn::dimsOf(strings.lengths.getType());
  Value from = flat(node, strings.starts), lengths = flat(node, strings.lengths);
  Value ends = node.make<nn::CumSumOp>(lengths, node.i64(0), UnitAttr(), UnitAttr());
  Value starts = node.make<nn::SubOp>(ends, lengths);
  SmallVector<Dim> total = node.readSizes(f.reduce(ReduceKind::Sum, lengths, {0}), "bytes");
  if (node.failed())
    return strings;
  // Byte j is of the string before which as many end as do at or before j. There is a place for those that end behind the last byte.
  Value none = f.expand(number(node, 0), {total[0] + 1}), ones = f.expand(number(node, 1), {sizeOf(ends)});
  Value marks = node.make<nn::ScatterElementsOp>(none, ends, ones, node.i64(0), nn::ReduceKindAttr::get(node.context, ReduceKind::Sum));
  Value owner = node.slice(node.make<nn::CumSumOp>(marks, node.i64(0), UnitAttr(), UnitAttr()), 0, node.dim(0), total[0]);
  Value offset = node.make<nn::SubOp>(padded(node, from, node.dim(0), node.dim(1)), padded(node, starts, node.dim(0), node.dim(1)));
  Value at = f.add(node.make<nn::GatherOp>(offset, owner, node.i64(0)), f.positions(total[0], 0, 1));
  Value bytes = node.make<nn::GatherOp>(padded(node, strings.bytes, node.dim(0), node.dim(1)), at, node.i64(0));
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

//===-- Characters ------------------------------------------------------------------------------------------------===//

Dim longest(Node &node, const Strings &strings) {
  Formula f(node);
  // One that is empty joins them: there may be none.
  Value lengths = padded(node, flat(node, strings.lengths), node.dim(0), node.dim(1));
  SmallVector<Dim> read = node.readSizes(f.reduce(ReduceKind::Max, lengths, {0}), "length");
  return node.failed() ? node.dim(0) : read[0];
}

Value characters(Node &node, const Strings &strings, Dim count, int64_t behind) {
  if (node.failed())
    return {};
  Formula f(node);
  int64_t rank = cast<RankedTensorType>(strings.starts.getType()).getRank();
  Value place = f.positions(count, rank, rank + 1);
  Value isInside = f.less(place, f.unsqueeze(strings.lengths, rank));
  Value at = f.add(f.unsqueeze(strings.starts, rank), place);
  // Every position reads something: the pool has a byte more.
  Value read = node.make<nn::GatherOp>(padded(node, strings.bytes, node.dim(0), node.dim(1)), at, node.i64(0));
  return f.select(isInside, node.cast(read, node.builder.getI64Type()), number(node, behind));
}

Value stringsEqual(Node &node, const Strings &a, const Strings &b) {
  if (node.failed())
    return {};
  Formula f(node);
  Dim count = longest(node, a); // a longer one differs in its length
  Value same = f.equal(characters(node, a, count, -1), characters(node, b, count, -1));
  if (node.failed())
    return {};
  int64_t rank = cast<RankedTensorType>(same.getType()).getRank();
  Value differing = f.reduce(ReduceKind::Sum, node.cast(node.make<nn::NotOp>(same), node.builder.getI64Type()), {rank - 1}, false);
  return f.both(f.equal(a.lengths, b.lengths), f.equal(differing, number(node, 0)));
}

} // namespace tenon::importer
