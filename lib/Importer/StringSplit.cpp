// StringSplit: on the bytes of all strings one behind the other, each followed by a place that ends it.
#include "lib/Importer/StringSplit.h"
#include "lib/Importer/Formula.h"
#include "lib/Importer/StringScan.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;
using nn::ReduceKind;

constexpr int64_t kEnd = -1; // of a string

namespace {
/// Where parts begin and end, for every place: i64, 0 or 1.
struct PartMarks {
  Value begins; ///< a part begins here
  Value ends;   ///< the part that began last ends before here
};
} // namespace

static Value number(Node &node, int64_t value) { return node.scalar(double(value), node.builder.getI64Type()); }
static Value asIntegers(Node &node, Value mask) { return node.cast(mask, node.builder.getI64Type()); }

/// A vector shifted: entry i is what was entry i + `by`, `behind` where there was none.
static Value shifted(Node &node, Value vector, int64_t by, int64_t behind) {
  Dim before = node.dim(std::max<int64_t>(-by, 0)), after = node.dim(std::max<int64_t>(by, 0));
  Value longer = node.make<nn::PadOp>(vector, number(node, behind), node.dimsAttr({before}), node.dimsAttr({after}), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
  return node.failed() ? Value() : node.slice(longer, 0, after, nn::dimsOf(vector.getType())[0]);
}

/// Which bytes belong to white space, as ONNX's reference has it: that of Unicode. Behind the end is white space too.
static Value isWhiteSpace(Node &node, Value characters) {
  Formula f(node);
  auto isFrom = [&](Value code, int64_t first, int64_t last) { return f.both(f.atMost(number(node, first), code), f.atMost(code, number(node, last))); };
  auto anyOf = [&](Value code, ArrayRef<std::pair<int64_t, int64_t>> ranges) {
    Value any;
    for (auto [first, last] : ranges) {
      Value is = isFrom(code, first, last);
      any = any ? node.make<nn::OrOp>(any, is) : is;
    }
    return asIntegers(node, any);
  };
  // In UTF-8: U+0085, U+00A0; U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.
  Value next = shifted(node, characters, 1, -1), pair = f.add(f.mul(characters, 256.0), next);
  Value triple = f.add(f.mul(pair, 256.0), shifted(node, characters, 2, -1));
  Value one = anyOf(characters, {{-1, -1}, {'\t', '\r'}, {0x1C, ' '}}), two = anyOf(pair, {{0xC285, 0xC285}, {0xC2A0, 0xC2A0}});
  Value three = anyOf(triple, {{0xE19A80, 0xE19A80}, {0xE28080, 0xE2808A}, {0xE280A8, 0xE280A9}, {0xE280AF, 0xE280AF}, {0xE2819F, 0xE2819F}, {0xE38080, 0xE38080}});
  Value twoOrMore = f.add(two, three), starts = f.add(one, twoOrMore);
  return f.add(f.add(starts, shifted(node, twoOrMore, -1, 0)), shifted(node, three, -2, 0));
}

/// Parts are runs of characters that are no white space.
static PartMarks whiteSpaceMarks(Node &node, Value characters) {
  Formula f(node);
  Value isSpace = isWhiteSpace(node, characters), before = shifted(node, isSpace, -1, 1), one = number(node, 1);
  return {f.mul(f.sub(one, isSpace), before), f.mul(isSpace, f.sub(one, before))};
}

/// Whether the delimiter is at a place, for every place; overlapping ones included.
static Value matches(Node &node, Value characters, StringRef delimiter) {
  Formula f(node);
  Value all;
  for (auto [i, byte] : llvm::enumerate(delimiter)) {
    Value is = f.equal(i == 0 ? characters : shifted(node, characters, int64_t(i), kEnd), number(node, uint8_t(byte)));
    all = all ? f.both(all, is) : is;
  }
  return asIntegers(node, all);
}

/// Whether a string has a beginning that is an end of it too: it may then overlap itself.
static bool overlapsItself(StringRef text) {
  for (size_t shift = 1; shift < text.size(); ++shift)
    if (text.drop_front(shift) == text.drop_back(shift))
      return true;
  return false;
}

/// Of matches that overlap the first ones from the left, by a Scan that counts down after each. None reaches into the next string.
static Value leftmost(Node &node, Value matched, int64_t size) {
  onnx::GraphProto &graph = node.importer.newGraph();
  onnx::NodeProto &scan = addNode(graph, "Scan", {"StringSplit.zero", "StringSplit.matched"}, "StringSplit.rest");
  scan.set_name(node.proto.name());
  scan.add_output("StringSplit.chosen");
  onnx::GraphProto &step = bodyOf(scan);
  step.add_input()->set_name("blocked"); // how many places belong to the last match
  step.add_input()->set_name("matched");
  addNode(step, "Min", {"blocked", "StringSplit.one"}, "isBlocked");
  addNode(step, "Sub", {"StringSplit.one", "isBlocked"}, "isFree");
  addNode(step, "Mul", {"matched", "isFree"}, "chosen");
  addNode(step, "Mul", {"chosen", "StringSplit.size"}, "new");
  addNode(step, "Add", {"blocked", "new"}, "total");
  addNode(step, "Sub", {"total", "StringSplit.one"}, "less");
  addNode(step, "Max", {"less", "StringSplit.zero"}, "next");
  step.add_output()->set_name("next");
  step.add_output()->set_name("chosen");
  graph.add_output()->set_name("StringSplit.chosen");
  SmallVector<std::pair<StringRef, Value>> bindings{
      {"StringSplit.matched", matched}, {"StringSplit.zero", number(node, 0)}, {"StringSplit.one", number(node, 1)}, {"StringSplit.size", number(node, size)}};
  return onlyResult(node, graph, bindings);
}

/// Separators of `delimiter`, and what lies between them. A string of no characters is one part.
static PartMarks delimiterMarks(Node &node, const StringText &text, StringRef delimiter) {
  Formula f(node);
  int64_t size = int64_t(delimiter.size());
  Value separators = matches(node, text.characters, delimiter);
  if (overlapsItself(delimiter) && !node.failed())
    separators = leftmost(node, separators, size);
  Value isFirst = asIntegers(node, f.equal(text.places.within, number(node, 0))), isEnd = asIntegers(node, f.equal(text.characters, number(node, kEnd)));
  // A part begins at the front and behind a separator, and ends at a separator and at the end.
  return {f.add(shifted(node, separators, -size, 0), isFirst), f.add(separators, isEnd)};
}

namespace {
/// The parts of `strings` strings, `columns` or less of each.
struct PartTable {
  Dim strings, columns;

  /// Which byte of its string is marked, for each part: [strings, columns]; 0 where there is no such part. `index`: of the part that a place is in.
  Value marked(Node &node, const StringPlaces &places, Value flags, Value index) const {
    Formula f(node);
    // What is no mark, or one of parts that are not split off, goes to a column behind the table.
    Value behind = f.sizeValue(columns);
    Value column = f.select(f.equal(flags, number(node, 0)), behind, node.make<nn::MinOp>(index, behind));
    Value at = f.add(f.mul(places.owner, f.sizeValue(columns + 1)), column);
    Value none = f.expand(number(node, 0), {strings * (columns + 1)});
    Value all = node.make<nn::ScatterElementsOp>(none, at, places.within, node.i64(0), nn::ReduceKindAttr::get(node.context, ReduceKind::Max));
    return node.failed() ? Value() : node.slice(node.reshape(all, {strings, columns + 1}), 1, node.dim(0), columns);
  }
};
} // namespace

void splitStrings(Node &node, const Strings &given) {
  Formula f(node);
  StringRef delimiter = node.text("delimiter", "");
  constexpr int64_t kUnlimited = int64_t(1) << 40; // more than a string has characters
  int64_t most = node.attribute("maxsplit") ? node.integer("maxsplit", 0) : kUnlimited;
  most = most < 0 ? kUnlimited : std::min(most, kUnlimited);
  SmallVector<Dim> dims = nn::dimsOf(given.starts.getType());
  Dim count = nn::product(node.context, dims);
  StringText text = textOf(node, given, kEnd);
  PartMarks marks = delimiter.empty() ? whiteSpaceMarks(node, text.characters) : delimiterMarks(node, text, delimiter);
  Value parts = sumByOwner(node, text.places, marks.begins, count), counts = node.make<nn::MinOp>(parts, number(node, most + 1));
  auto counted = [&](Value values, bool exclusive) { return node.make<nn::CumSumOp>(values, node.i64(0), node.unit(exclusive), UnitAttr()); };
  Value partsBefore = entriesAt(node, counted(parts, true), text.places.owner);
  Value index = f.sub(f.sub(counted(marks.begins, false), partsBefore), number(node, 1));
  SmallVector<Dim> read = node.readSizes(f.reduce(ReduceKind::Max, f.concat({counts, node.reshape(number(node, 0), {node.dim(1)})}, 0), {0}), "parts");
  if (node.failed())
    return;
  PartTable table{count, read[0]};
  Value begin = table.marked(node, text.places, marks.begins, index), end = table.marked(node, text.places, marks.ends, index);
  auto column = [&](Value value) { return node.reshape(value, {count, node.dim(1)}); };
  // The last part that is allowed goes on to the end of the string.
  Value place = f.positions(read[0], 1, 2), isPart = f.less(place, column(counts)), isLast = f.equal(place, number(node, most));
  end = f.select(f.both(isLast, isPart), column(given.lengths), end);
  Value starts = f.select(isPart, f.add(begin, column(given.starts)), number(node, 0)), lengths = f.select(isPart, f.sub(end, begin), number(node, 0));
  if (node.failed())
    return;
  node.result(1, node.reshape(counts, dims));
  dims.push_back(read[0]);
  node.result(0, stringsValue(node, {given.bytes, node.reshape(starts, dims), node.reshape(lengths, dims)}));
}

} // namespace tenon::importer
