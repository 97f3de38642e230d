// Operators on strings. All of them are compositions of ops on the tensors behind (Strings.h).
#include "lib/Importer/Formula.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/RegularExpression.h"
#include "lib/Importer/StringMaps.h"
#include "lib/Importer/StringScan.h"
#include "lib/Importer/StringSplit.h"
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

static void split(Node &node) {
  if (std::optional<Strings> given = strings(node, 0))
    splitStrings(node, *given);
}

//===-- RegexFullMatch --------------------------------------------------------------------------------------------===//

/// A Scan over the characters whose state is that of the automaton: which one each place finds. The end of a string leads to the first one again.
static Value statesAt(Node &node, const Automaton &automaton, Value characters) {
  onnx::GraphProto &graph = node.importer.newGraph();
  onnx::NodeProto &scan = addNode(graph, "Scan", {"RegexFullMatch.first", "RegexFullMatch.characters"}, "RegexFullMatch.last");
  scan.set_name(node.proto.name());
  scan.add_output("RegexFullMatch.states");
  onnx::GraphProto &step = bodyOf(scan);
  step.add_input()->set_name("state");
  step.add_input()->set_name("character");
  addNode(step, "Mul", {"state", "RegexFullMatch.columns"}, "row");
  addNode(step, "Add", {"row", "character"}, "entry");
  addNode(step, "Gather", {"RegexFullMatch.table", "entry"}, "next");
  addNode(step, "Identity", {"state"}, "found");
  step.add_output()->set_name("next");
  step.add_output()->set_name("found");
  graph.add_output()->set_name("RegexFullMatch.states");
  SmallVector<int64_t> table(automaton.next);
  for (size_t end = Automaton::kEnd; end < table.size(); end += Automaton::kColumns)
    table[end] = automaton.first;
  auto tableType = RankedTensorType::get({int64_t(table.size())}, node.builder.getI64Type());
  SmallVector<std::pair<StringRef, Value>> bindings{{"RegexFullMatch.first", number(node, automaton.first)},
                                                    {"RegexFullMatch.characters", characters},
                                                    {"RegexFullMatch.columns", number(node, Automaton::kColumns)},
                                                    {"RegexFullMatch.table", node.constant(DenseElementsAttr::get(tableType, ArrayRef<int64_t>(table)))}};
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
  StringText text = textOf(node, *given, Automaton::kEnd);
  Value states = node.failed() ? Value() : statesAt(node, *automaton, text.characters);
  if (node.failed())
    return;
  SmallVector<bool> matchesAtEnd; // for each state
  for (size_t end = Automaton::kEnd; end < automaton->next.size(); end += Automaton::kColumns)
    matchesAtEnd.push_back(automaton->isAccepting[size_t(automaton->next[end])]);
  auto table = node.constant(DenseElementsAttr::get(RankedTensorType::get({int64_t(matchesAtEnd.size())}, node.builder.getI1Type()), ArrayRef<bool>(matchesAtEnd)));
  Value last = entriesAt(node, states, Formula(node).sub(text.ends, number(node, 1)));
  Value matches = node.make<nn::GatherOp>(table, last, node.i64(0));
  node.result(node.failed() ? Value() : node.reshape(matches, node.dims(0)));
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
