// Operators on strings. All of them are compositions of ops on the tensors behind (Strings.h).
#include "lib/Importer/Formula.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/RegularExpression.h"
#include "lib/Importer/StringMaps.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;
using nn::ReduceKind;

static Value number(Node &node, int64_t value) { return node.scalar(double(value), node.builder.getI64Type()); }
static Value asIntegers(Node &node, Value mask) { return node.cast(mask, node.builder.getI64Type()); }
static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// The strings of input i; none after a report.
static std::optional<Strings> strings(Node &node, size_t i) {
  if (node.in(i) && isString(node.in(i)))
    return stringsOf(node.in(i));
  node.invalid("input " + Twine(i) + " must be strings");
  return std::nullopt;
}

//===-- Moving ----------------------------------------------------------------------------------------------------===//

/// Whether the inputs that an operator moves are strings, and no others.
static bool areMoved(Node &node) {
  StringRef op = node.proto.op_type();
  for (size_t i = 0; i < node.inputCount(); ++i) {
    bool isMoved = op == "Concat" || (op == "Where" ? i > 0 : i == 0);
    if (node.in(i) && isString(node.in(i)) != isMoved) {
      node.invalid("input " + Twine(i) + (isMoved ? " holds numbers, another one strings" : " holds strings"));
      return false;
    }
  }
  return true;
}

/// An operator that moves elements moves where strings start, and in the same way how long they are.
static void moveStrings(Node &node) {
  if (!areMoved(node))
    return;
  const Operator &op = *OperatorTable::get().lookup("", node.proto.op_type());
  SmallVector<Strings> given;
  SmallVector<size_t> places;
  for (size_t i = 0; i < node.inputCount(); ++i)
    if (node.in(i) && isString(node.in(i))) {
      given.push_back(stringsOf(node.in(i)));
      places.push_back(i);
    }
  given = inOnePool(node, given);
  auto moved = [&](Value Strings::*part) {
    SmallVector<Value> inputs;
    for (size_t i = 0; i < node.inputCount(); ++i)
      inputs.push_back(node.in(i));
    for (auto [i, each] : llvm::zip_equal(places, given))
      inputs[i] = each.*part;
    Node reading(node.importer, node.scope, node.proto, node.opset, node.location, inputs);
    op.handler(reading);
    if (!node.failed())
      node.failAs(reading);
    SmallVector<Value> results;
    for (int i = 0; i < node.proto.output_size(); ++i)
      results.push_back(reading.resultAt(i));
    return results;
  };
  SmallVector<Value> starts = moved(&Strings::starts);
  if (node.failed())
    return;
  SmallVector<Value> lengths = moved(&Strings::lengths);
  for (auto [i, start] : llvm::enumerate(starts)) {
    if (node.failed() || !start)
      continue;
    if (!lengths[i] || start.getType() != lengths[i].getType())
      return node.unsupported("strings, moved to a shape that only the run knows");
    node.result(i, stringsValue(node, {given[0].bytes, start, lengths[i]}));
  }
}

/// An operator that reads shapes alone.
static void readShape(Node &node) {
  Node reading(node.importer, node.scope, node.proto, node.opset, node.location, {stringsOf(node.in(0)).starts});
  OperatorTable::get().lookup("", node.proto.op_type())->handler(reading);
  node.failAs(reading);
  node.result(reading.resultAt(0));
}

//===-- Comparing and joining -------------------------------------------------------------------------------------===//

static void equal(Node &node) {
  std::optional<Strings> a = strings(node, 0), b = strings(node, 1);
  if (a && b)
    node.result(stringsEqual(node, *a, *b));
}

static void concat(Node &node) {
  std::optional<Strings> a = strings(node, 0), b = strings(node, 1);
  if (!a || !b)
    return;
  Formula f(node);
  SmallVector<Strings> both = inOnePool(node, {*a, *b});
  Value lengths = f.add(both[0].lengths, both[1].lengths); // of the result's shape
  if (node.failed())
    return;
  int64_t rank = rankOf(lengths);
  SmallVector<Dim> dims = nn::dimsOf(lengths.getType());
  auto pairs = [&](Value first, Value second) { return f.concat({f.unsqueeze(f.expand(first, dims), rank), f.unsqueeze(f.expand(second, dims), rank)}, rank); };
  Strings parts{both[0].bytes, pairs(both[0].starts, both[1].starts), pairs(both[0].lengths, both[1].lengths)};
  Strings joined = packed(node, parts);
  if (node.failed())
    return;
  // A pair lies in one piece: it starts where its first half does.
  Value starts = node.reshape(node.slice(joined.starts, rank, node.dim(0), node.dim(1)), dims);
  node.result(stringsValue(node, {joined.bytes, starts, lengths}));
}

//===-- StringNormalizer ------------------------------------------------------------------------------------------===//

/// ASCII letters of the other case become those of this one. Other letters need tables that differ by language: the run fails at them.
static Strings inCase(Node &node, const Strings &given, bool upper) {
  if (node.failed())
    return given;
  Formula f(node);
  Type byte = IntegerType::get(node.context, 8, IntegerType::Unsigned);
  auto constant = [&](int64_t value) { return node.scalar(double(value), byte); };
  Value padded = f.concat({given.bytes, node.reshape(constant(0), {node.dim(1)})}, 0); // there may be none
  SmallVector<Dim> most = node.readSizes(asIntegers(node, f.reduce(ReduceKind::Max, node.cast(padded, node.builder.getI32Type()), {0})), "byte");
  if (node.failed())
    return given;
  node.requireAtMost(most[0], node.dim(127), "the largest byte of strings whose case is changed, which must be ASCII");
  int64_t first = upper ? 'a' : 'A';
  Value isOther = f.both(f.atMost(constant(first), given.bytes), f.atMost(given.bytes, constant(first + 25)));
  Value changed = upper ? f.sub(given.bytes, constant(32)) : node.make<nn::AddOp>(given.bytes, constant(32));
  return {f.select(isOther, changed, given.bytes), given.starts, given.lengths};
}

/// The strings of a vector where `keeps` holds, or one that is empty where there are none.
static Strings kept(Node &node, const Strings &given, Value keeps) {
  if (node.failed())
    return given;
  Formula f(node);
  SmallVector<Dim> count = node.readSizes(f.reduce(ReduceKind::Sum, asIntegers(node, keeps), {0}), "count");
  if (node.failed())
    return given;
  Dim made = count[0].max(node.dim(1)), total = nn::dimsOf(keeps.getType())[0];
  Value places = node.reshape(node.make<nn::NonZeroOp>(keeps, count[0].attr()), {count[0]});
  // The place behind the last string has an empty one.
  places = node.slice(f.concat({places, node.reshape(f.sizeValue(total), {node.dim(1)})}, 0), 0, node.dim(0), made);
  Value none = node.reshape(number(node, 0), {node.dim(1)});
  auto at = [&](Value from) { return node.make<nn::GatherOp>(f.concat({from, none}, 0), places, node.i64(0)); };
  return {given.bytes, at(given.starts), at(given.lengths)};
}

static void normalize(Node &node) {
  std::optional<Strings> given = strings(node, 0);
  if (!given)
    return;
  SmallVector<Dim> dims = node.dims(0);
  if (dims.size() > 2 || dims.empty() || (dims.size() == 2 && dims[0].isConstant() && !dims[0].isConstant(1)))
    return node.invalid("a vector of strings or a matrix of one row was expected");
  if (dims.size() == 2)
    node.require(dims[0], node.dim(1), "the rows of the strings");
  StringRef action = node.text("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    return node.invalid("case_change_action is '" + action + "'; NONE, LOWER or UPPER was expected");
  bool caseSensitive = node.integer("is_case_sensitive", 0) != 0;
  std::vector<std::string> stopWords = node.texts("stopwords");
  Formula f(node);
  auto row = [&](Value value) { return node.reshape(dims.size() == 2 ? node.slice(value, 0, node.dim(0), node.dim(1)) : value, {dims.back()}); };
  Strings flat{given->bytes, row(given->starts), row(given->lengths)};
  if (!stopWords.empty()) {
    Value words = stringConstant(node, stopWords, {int64_t(stopWords.size())});
    if (node.failed())
      return;
    Strings listed = stringsOf(words), column = flat;
    column.starts = f.unsqueeze(column.starts, 1);
    column.lengths = f.unsqueeze(column.lengths, 1);
    if (!caseSensitive) {
      listed = inCase(node, listed, false);
      column = inCase(node, column, false);
    }
    Value hits = f.reduce(ReduceKind::Sum, asIntegers(node, stringsEqual(node, column, listed)), {1}, false);
    flat = kept(node, flat, f.equal(hits, number(node, 0)));
  }
  if (action != "NONE")
    flat = inCase(node, flat, action == "UPPER");
  if (node.failed())
    return;
  Dim count = nn::dimsOf(flat.starts.getType())[0];
  SmallVector<Dim> shape = dims.size() == 2 ? SmallVector<Dim>{node.dim(1), count} : SmallVector<Dim>{count};
  node.result(stringsValue(node, {flat.bytes, node.reshape(flat.starts, shape), node.reshape(flat.lengths, shape)}));
}

//===-- StringSplit -----------------------------------------------------------------------------------------------===//

namespace {
/// Where parts begin and end, for every character of every string and the place behind the last: i64, 0 or 1.
struct PartMarks {
  Value begins;     ///< a part begins here
  Value ends;       ///< the part that began last ends before here
};
} // namespace

/// `value` with its last axis moved: entry i is what was entry i + `by`, `behind` where there was none.
static Value moved(Node &node, Value value, int64_t by, int64_t behind) {
  if (node.failed())
    return {};
  int64_t rank = rankOf(value);
  SmallVector<Dim> low(rank, node.dim(0)), high(rank, node.dim(0));
  (by < 0 ? low : high).back() = node.dim(std::abs(by));
  Value longer = node.make<nn::PadOp>(value, number(node, behind), node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
  return node.slice(longer, rank - 1, node.dim(std::max<int64_t>(by, 0)), nn::dimsOf(value.getType()).back());
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
  Value next = moved(node, characters, 1, -1), pair = f.add(f.mul(characters, 256.0), next);
  Value triple = f.add(f.mul(pair, 256.0), moved(node, characters, 2, -1));
  Value one = anyOf(characters, {{-1, -1}, {'\t', '\r'}, {0x1C, ' '}}), two = anyOf(pair, {{0xC285, 0xC285}, {0xC2A0, 0xC2A0}});
  Value three = anyOf(triple, {{0xE19A80, 0xE19A80}, {0xE28080, 0xE2808A}, {0xE280A8, 0xE280A9}, {0xE280AF, 0xE280AF}, {0xE2819F, 0xE2819F}, {0xE38080, 0xE38080}});
  Value twoOrMore = f.add(two, three), starts = f.add(one, twoOrMore);
  return f.add(f.add(starts, moved(node, twoOrMore, -1, 0)), moved(node, three, -2, 0));
}

/// Parts are runs of characters that are no white space.
static PartMarks whiteSpaceMarks(Node &node, Value characters) {
  Formula f(node);
  Value isSpace = isWhiteSpace(node, characters), before = moved(node, isSpace, -1, 1);
  Value one = number(node, 1);
  return {f.mul(f.sub(one, isSpace), before), f.mul(isSpace, f.sub(one, before))};
}

/// Whether the delimiter is at a place, for every place; overlapping ones included.
static Value matches(Node &node, Value characters, StringRef delimiter) {
  Formula f(node);
  Value all;
  for (auto [i, byte] : llvm::enumerate(delimiter)) {
    Value is = f.equal(i == 0 ? characters : moved(node, characters, int64_t(i), -1), number(node, uint8_t(byte)));
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

static onnx::NodeProto &addNode(onnx::GraphProto &graph, StringRef op, std::initializer_list<const char *> inputs, const char *output) {
  onnx::NodeProto &made = *graph.add_node();
  made.set_op_type(op.str());
  for (const char *input : inputs)
    made.add_input(input);
  made.add_output(output);
  return made;
}

/// The result of a graph that stands for a step of the operator.
static Value onlyResult(Node &node, const onnx::GraphProto &graph, ArrayRef<std::pair<StringRef, Value>> bindings) {
  SmallVector<Value> results;
  if (node.failed())
    return {};
  if (mlir::failed(node.importer.inlineBranch(graph, node.scope, results, bindings)))
    node.stop();
  else if (!results[0])
    node.unsupported("a Scan over its characters");
  return node.failed() ? Value() : results[0];
}

/// The empty body of a Scan over one input.
static onnx::GraphProto &bodyOf(onnx::NodeProto &scan) {
  onnx::AttributeProto &count = *scan.add_attribute(), &body = *scan.add_attribute();
  count.set_name("num_scan_inputs");
  count.set_type(onnx::AttributeProto::INT);
  count.set_i(1);
  body.set_name("body");
  body.set_type(onnx::AttributeProto::GRAPH);
  return *body.mutable_g();
}

/// Of matches that overlap the first ones from the left: [length, n] to [length, n], by a Scan that counts down after each.
static Value leftmost(Node &node, Value matched, int64_t size) {
  onnx::GraphProto &graph = node.importer.newGraph();
  onnx::NodeProto &scan = addNode(graph, "Scan", {"StringSplit.none", "StringSplit.matched"}, "StringSplit.rest");
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
  SmallVector<Dim> dims = nn::dimsOf(matched.getType());
  Value none = Formula(node).expand(number(node, 0), ArrayRef(dims).drop_front());
  SmallVector<std::pair<StringRef, Value>> bindings{{"StringSplit.none", none},
                                                    {"StringSplit.matched", matched},
                                                    {"StringSplit.zero", number(node, 0)},
                                                    {"StringSplit.one", number(node, 1)},
                                                    {"StringSplit.size", number(node, size)}};
  return onlyResult(node, graph, bindings);
}

/// Separators of `delimiter`, and what lies between them. A string of no characters is one part.
static PartMarks delimiterMarks(Node &node, Value characters, Value lengths, StringRef delimiter) {
  Formula f(node);
  int64_t rank = rankOf(characters), size = int64_t(delimiter.size());
  Value separators = matches(node, characters, delimiter);
  if (node.failed())
    return {};
  if (overlapsItself(delimiter)) {
    Dim length = nn::dimsOf(characters.getType()).back();
    SmallVector<Dim> dims = nn::dimsOf(characters.getType());
    Value rows = node.reshape(separators, {nn::product(node.context, ArrayRef(dims).drop_back()), length});
    Value chosen = leftmost(node, node.transpose(rows, {1, 0}), size);
    if (node.failed())
      return {};
    separators = node.reshape(node.transpose(chosen, {1, 0}), dims);
  }
  Value place = f.positions(nn::dimsOf(characters.getType()).back(), rank - 1, rank);
  Value isFirst = asIntegers(node, f.equal(place, number(node, 0))), isEnd = asIntegers(node, f.equal(place, f.unsqueeze(lengths, rank - 1)));
  // A part begins at the front and behind a separator, and ends at a separator and at the end.
  return {node.make<nn::AddOp>(moved(node, separators, -size, 0), isFirst), node.make<nn::AddOp>(separators, isEnd)};
}

static void split(Node &node) {
  std::optional<Strings> given = strings(node, 0);
  if (!given)
    return;
  Formula f(node);
  StringRef delimiter = node.text("delimiter", "");
  constexpr int64_t kUnlimited = int64_t(1) << 40; // more than a string has characters
  int64_t most = node.attribute("maxsplit") ? node.integer("maxsplit", 0) : kUnlimited;
  most = most < 0 ? kUnlimited : std::min(most, kUnlimited);
  int64_t rank = rankOf(given->starts);
  // One character more than there are: the place behind the last.
  Dim width = longest(node, *given) + 1;
  Value text = characters(node, *given, width, -1);
  if (node.failed())
    return;
  PartMarks marks = delimiter.empty() ? whiteSpaceMarks(node, text) : delimiterMarks(node, text, given->lengths, delimiter);
  auto counted = [&](Value flags) { return node.make<nn::CumSumOp>(flags, node.i64(rank), UnitAttr(), UnitAttr()); };
  Value index = f.sub(counted(marks.begins), number(node, 1)); // of the part that a place is in
  Value counts = node.make<nn::MinOp>(f.reduce(ReduceKind::Sum, marks.begins, {rank}, false), number(node, most + 1));
  SmallVector<Dim> elements = node.failed() ? SmallVector<Dim>() : nn::dimsOf(counts.getType());
  if (node.failed())
    return;
  Value none = node.reshape(number(node, 0), {node.dim(1)});
  Value flatCounts = f.concat({node.reshape(counts, {nn::product(node.context, elements)}), none}, 0);
  SmallVector<Dim> read = node.readSizes(f.reduce(ReduceKind::Max, flatCounts, {0}), "parts");
  if (node.failed())
    return;
  Value place = f.positions(width, rank, rank + 1);
  // What is no mark, or one of parts that are not split off, goes to a column behind the table.
  auto scattered = [&](Value flags, Value column) {
    Value behind = f.sizeValue(read[0]);
    Value at = f.select(f.equal(flags, number(node, 0)), behind, node.make<nn::MinOp>(column, behind));
    SmallVector<Dim> all(elements), room(elements);
    all.push_back(width);
    room.push_back(read[0] + 1);
    Value marked = node.make<nn::ScatterElementsOp>(f.expand(number(node, 0), room), at, f.expand(place, all), node.i64(rank),
                                                    nn::ReduceKindAttr::get(node.context, ReduceKind::Max));
    return node.slice(marked, rank, node.dim(0), read[0]);
  };
  Value begin = scattered(marks.begins, index);
  Value end = scattered(marks.ends, index);
  // The last part that is allowed goes on to the end of the string.
  Value isLast = f.equal(f.positions(read[0], rank, rank + 1), number(node, most));
  Value isPart = f.less(f.positions(read[0], rank, rank + 1), f.unsqueeze(counts, rank));
  end = f.select(f.both(isLast, isPart), f.unsqueeze(given->lengths, rank), end);
  Value starts = f.select(isPart, node.make<nn::AddOp>(begin, f.unsqueeze(given->starts, rank)), number(node, 0));
  Value lengths = f.select(isPart, f.sub(end, begin), number(node, 0));
  node.result(0, stringsValue(node, {given->bytes, starts, lengths}));
  node.result(1, counts);
}

//===-- RegexFullMatch --------------------------------------------------------------------------------------------===//

/// A Scan over the characters whose state is that of the automaton: [n, length] to the last state [n].
static Value lastState(Node &node, const Automaton &automaton, Value rows) {
  onnx::GraphProto &graph = node.importer.newGraph();
  onnx::NodeProto &scan = addNode(graph, "Scan", {"RegexFullMatch.first", "RegexFullMatch.characters"}, "RegexFullMatch.last");
  scan.set_name(node.proto.name());
  onnx::GraphProto &step = bodyOf(scan);
  step.add_input()->set_name("state");
  step.add_input()->set_name("character");
  addNode(step, "Mul", {"state", "RegexFullMatch.columns"}, "row");
  addNode(step, "Add", {"row", "character"}, "entry");
  addNode(step, "Gather", {"RegexFullMatch.table", "entry"}, "next");
  step.add_output()->set_name("next");
  graph.add_output()->set_name("RegexFullMatch.last");
  SmallVector<Dim> dims = nn::dimsOf(rows.getType());
  auto tableType = RankedTensorType::get({int64_t(automaton.next.size())}, node.builder.getI64Type());
  SmallVector<std::pair<StringRef, Value>> bindings{
      {"RegexFullMatch.first", Formula(node).expand(number(node, automaton.first), {dims[0]})},
      {"RegexFullMatch.characters", node.transpose(rows, {1, 0})},
      {"RegexFullMatch.columns", number(node, Automaton::kColumns)},
      {"RegexFullMatch.table", node.constant(DenseElementsAttr::get(tableType, ArrayRef<int64_t>(automaton.next)))}};
  return onlyResult(node, graph, bindings);
}

static void regexFullMatch(Node &node) {
  std::optional<Strings> given = strings(node, 0);
  if (!given)
    return;
  PatternProblem problem;
  std::optional<Automaton> automaton = compileRegularExpression(node.text("pattern", ""), problem);
  if (!automaton)
    return problem.isIllFormed ? node.invalid("the pattern " + problem.text) : node.unsupported("the pattern " + problem.text);
  // The place behind the last character is the end.
  SmallVector<Dim> dims = node.dims(0);
  Dim count = nn::product(node.context, dims);
  Dim width = longest(node, *given) + 1;
  Value text = characters(node, *given, width, Automaton::kEnd);
  if (node.failed())
    return;
  Value last = lastState(node, *automaton, node.reshape(text, {count, width}));
  if (node.failed())
    return;
  auto accepting = node.constant(DenseElementsAttr::get(RankedTensorType::get({int64_t(automaton->isAccepting.size())}, node.builder.getI1Type()), ArrayRef<bool>(automaton->isAccepting)));
  node.result(node.reshape(node.make<nn::GatherOp>(accepting, last, node.i64(0)), dims));
}

/// Where a handler needs strings and is given numbers.
static void needsStrings(Node &node) { node.invalid("input 0 must be strings"); }

void registerStrings(OperatorTable &table) {
  const std::tuple<StringRef, int, int, int, Handler> operators[] = {
      {"StringConcat", 20, 2, 2, concat}, {"StringNormalizer", 10, 1, 1, normalize}, {"StringSplit", 20, 1, 1, split}, {"RegexFullMatch", 20, 1, 1, regexFullMatch}};
  for (auto [name, since, least, most, handler] : operators) {
    table.add(name, since, least, most, needsStrings);
    table.addForStrings("", name, handler);
  }
  table.addForStrings("", "Equal", equal);
  for (StringRef name : {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Gather", "GatherElements", "GatherND", "Slice", "Concat", "Split", "Tile", "Where", "ReverseSequence"})
    table.addForStrings("", name, moveStrings);
  table.addForStrings("", "Shape", readShape);
  table.addForStrings("", "Size", readShape);
  registerStringMaps(table);
}

} // namespace tenon::importer
