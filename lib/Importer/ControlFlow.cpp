// Branches and loops. A branch whose way is known is imported in place, everything else is a call of functions.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Parts.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Symbols that a function defines itself: its caller cannot know them.
static llvm::StringSet<> ownSymbols(func::FuncOp func) {
  llvm::StringSet<> names;
  for (Operation &op : func.getBody().front())
    for (StringRef name : nn::definedSymbols(&op))
      names.insert(name);
  return names;
}

static bool uses(Dim dim, const llvm::StringSet<> &names) {
  SmallVector<StringRef> used;
  dim.collectSymbols(used);
  return llvm::any_of(used, [&](StringRef name) { return names.contains(name); });
}

/// Whether a result is of an unsupported node.
static bool isUnknown(const GraphImporter::Body &body) {
  return llvm::any_of(body.results, [](Value value) { return !value; });
}

/// The tensors of a result within a body, in a form that joins its own.
static SmallVector<Value> partsWithin(Node &node, GraphImporter::Body &body, Value value, const Form &form) {
  OpBuilder::InsertionGuard guard(node.builder);
  node.builder.setInsertionPointToEnd(&body.func.getBody().front());
  return partsOf(node, value, form);
}

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// A boolean of one element, or null after a report.
static Value conditionOf(Node &node, size_t i) {
  if (isNumeric(node.in(i)))
    node.takeOne(i);
  if (isNumeric(node.in(i)) && node.element(i).isInteger(1) && nn::numElements(node.in(i).getType()).isConstant(1))
    return node.in(i);
  node.invalid("the condition must be one boolean");
  return {};
}

//===-- If --------------------------------------------------------------------------------------------------------===//

/// What both branches give: sizes that they do not share become symbols. The types have one element type and one rank.
static RankedTensorType joinTypes(Node &node, RankedTensorType first, RankedTensorType second, const llvm::StringSet<> &inner, size_t result,
                                  SmallVectorImpl<StringRef> &symbols) {
  SmallVector<Dim> dims = nn::dimsOf(first), others = nn::dimsOf(second);
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (dim == others[axis] && !uses(dim, inner))
      continue;
    dim = node.importer.freshSize(nodeName(node.location) + ".out" + Twine(result) + ".dim" + Twine(axis));
    symbols.push_back(*dim.asSymbol());
  }
  return nn::tensorOf(dims, first.getElementType());
}

static const onnx::GraphProto *graphOf(Node &node, StringRef name) {
  const onnx::AttributeProto *graph = node.attribute(name);
  if (graph && graph->has_g())
    return &graph->g();
  node.invalid("the attribute '" + name + "' holds no graph");
  return nullptr;
}

/// A branch of an If, which gives as many values as the node; null after a report.
static const onnx::GraphProto *branchOf(Node &node, StringRef name) {
  const onnx::GraphProto *graph = graphOf(node, name);
  if (!graph || graph->output_size() == node.proto.output_size())
    return graph;
  node.invalid("the number of outputs of '" + name + "': found " + Twine(graph->output_size()) + ", expected " + Twine(node.proto.output_size()) + ", which the node has");
  return nullptr;
}

static void inlineOne(Node &node, const onnx::GraphProto &graph) {
  SmallVector<Value> results;
  if (mlir::failed(node.importer.inlineBranch(graph, node.scope, results)))
    return node.stop();
  for (auto [i, value] : llvm::enumerate(results)) {
    if (!value)
      return node.unsupported("an operator within the branch");
    node.result(i, value);
  }
}

namespace {
/// A branch as a function, or why it cannot be one.
struct Branch {
  const onnx::GraphProto *graph;
  std::optional<GraphImporter::Body> body;
  std::string problem;
};
} // namespace

/// Tries a branch; what is wrong with it is kept, since the other one may be all that is ever needed.
static Branch importBranch(Node &node, const onnx::GraphProto &graph) {
  GraphImporter &importer = node.importer;
  Branch branch{&graph, std::nullopt, ""};
  UnsupportedNodes before = importer.unsupportedNodes();
  FailureOr<GraphImporter::Body> body = failure();
  {
    ScopedDiagnosticHandler handler(node.context, [&](Diagnostic &diagnostic) {
      branch.problem = describe(diagnostic.getLocation()) + diagnostic.str();
      return success();
    });
    body = importer.importBodyGraph(graph, node.scope, {});
  }
  if (mlir::failed(body))
    return branch;
  if (isUnknown(*body))
    branch.problem = "an operator within it is not supported";
  if (branch.problem.empty()) {
    branch.body = std::move(*body);
    return branch;
  }
  importer.dropBody(*body);
  importer.unsupportedNodes() = before;
  return branch;
}

/// Only one branch can be compiled: it is, and the run fails where the other one would be taken.
static void insistOn(Node &node, Value condition, const onnx::GraphProto &graph, bool isThen, const Twine &why) {
  SmallVector<Dim> read = node.readSizes(node.cast(condition, node.builder.getI64Type()), "condition");
  if (node.failed())
    return;
  node.require(read.front(), node.dim(isThen), "the condition, of whose branches only one is compiled (" + why + ")");
  inlineOne(node, graph);
}

/// "a tensor of f32", "an optional sequence of i64"
static std::string formText(const Form &form) {
  std::string text = form.isOptional ? "an optional " : "a ";
  llvm::raw_string_ostream stream(text);
  stream << (form.isSequence ? "sequence of " : "tensor of ");
  if (form.isString)
    stream << "strings";
  else if (form.element)
    stream << form.element;
  else
    stream << "nothing";
  return text;
}

/// Results in the form that those of both branches can have; none after a report.
static std::optional<SmallVector<Form>> joinResults(Node &node, GraphImporter::Body &thenBody, GraphImporter::Body &elseBody) {
  SmallVector<Form> forms;
  SmallVector<Value> thenParts, elseParts;
  for (auto [i, results] : llvm::enumerate(llvm::zip_equal(thenBody.results, elseBody.results))) {
    auto [first, second] = results;
    std::optional<Form> form = join(formOf(first), formOf(second));
    if (!form)
      node.invalid("output " + Twine(i) + " of 'else_branch': found " + formText(formOf(second)) + ", expected " + formText(formOf(first)) +
                   ", which 'then_branch' gives");
    if (node.failed())
      return std::nullopt;
    llvm::append_range(thenParts, partsWithin(node, thenBody, first, *form));
    llvm::append_range(elseParts, partsWithin(node, elseBody, second, *form));
    forms.push_back(*form);
  }
  if (node.failed())
    return std::nullopt;
  thenBody.results = thenParts;
  elseBody.results = elseParts;
  return forms;
}

/// `insist` is called where only one of them can be what the model's author meant.
static void callOneOf(Node &node, Value condition, GraphImporter::Body &thenBody, GraphImporter::Body &elseBody,
                      llvm::function_ref<void(bool isThen, const Twine &why)> insist) {
  GraphImporter &importer = node.importer;
  std::optional<SmallVector<Form>> forms = joinResults(node, thenBody, elseBody);
  if (!forms)
    return;
  int64_t thenRanks = 0, elseRanks = 0;
  for (auto [first, second] : llvm::zip_equal(thenBody.results, elseBody.results)) {
    thenRanks += typeOf(first).getRank();
    elseRanks += typeOf(second).getRank();
  }
  // `if the size is 1: squeeze` says what the model's author meant: a tensor that has been squeezed.
  if (thenRanks != elseRanks)
    return insist(thenRanks < elseRanks, "they give tensors of different ranks");
  llvm::StringSet<> inner = ownSymbols(thenBody.func);
  for (const auto &name : ownSymbols(elseBody.func))
    inner.insert(name.getKey());
  SmallVector<Type> types;
  SmallVector<StringRef> symbols;
  for (auto [i, results] : llvm::enumerate(llvm::zip_equal(thenBody.results, elseBody.results))) {
    RankedTensorType first = typeOf(std::get<0>(results)), second = typeOf(std::get<1>(results));
    if (first.getRank() != second.getRank())
      return node.unsupported("branches that give tensors of different ranks");
    types.push_back(joinTypes(node, first, second, inner, i, symbols));
  }
  importer.finishBody(thenBody, thenBody.results);
  importer.finishBody(elseBody, elseBody.results);
  auto op = nn::IfOp::create(node.builder, node.location, types, condition, FlatSymbolRefAttr::get(thenBody.func), thenBody.captured,
                             FlatSymbolRefAttr::get(elseBody.func), elseBody.captured, node.builder.getStrArrayAttr(symbols));
  SmallVector<Value> parts(op.getResults());
  size_t at = 0;
  for (auto [i, form] : llvm::enumerate(*forms)) {
    node.result(i, compose(node, form, ArrayRef(parts).slice(at, partCount(form))));
    at += partCount(form);
  }
}

static void branchAtRunTime(Node &node, Value condition) {
  GraphImporter &importer = node.importer;
  const onnx::GraphProto *graphs[] = {branchOf(node, "then_branch"), branchOf(node, "else_branch")};
  if (!graphs[0] || !graphs[1])
    return;
  Branch branches[] = {importBranch(node, *graphs[0]), importBranch(node, *graphs[1])};
  auto drop = [&] {
    for (Branch &branch : branches)
      if (branch.body)
        importer.dropBody(*branch.body);
  };
  for (int i : {0, 1})
    if (!branches[i].body) {
      drop();
      if (branches[1 - i].problem.empty())
        return insistOn(node, condition, *graphs[1 - i], i == 1, branches[i].problem);
      return node.unsupported("neither branch can be compiled: " + branches[0].problem + "; " + branches[1].problem);
    }
  callOneOf(node, condition, *branches[0].body, *branches[1].body, [&](bool isThen, const Twine &why) {
    drop();
    insistOn(node, condition, *graphs[isThen ? 0 : 1], isThen, why);
  });
}

/// A condition that follows from shapes selects a branch now; that is how exporters write "squeeze if the size is 1".
static void branch(Node &node) {
  if (!node.in(0).getDefiningOp<nn::ConstantOp>()) {
    if (Value condition = conditionOf(node, 0))
      branchAtRunTime(node, condition);
    return;
  }
  std::optional<SmallVector<double>> condition = node.knownReals(0);
  if (!condition)
    return;
  if (condition->size() != 1)
    return node.invalid("the condition must be one boolean");
  if (const onnx::GraphProto *chosen = branchOf(node, condition->front() != 0 ? "then_branch" : "else_branch"))
    inlineOne(node, *chosen);
}

//===-- Loop and Scan ---------------------------------------------------------------------------------------------===//

namespace {
/// A loop in the making: what Loop and Scan have in common.
class LoopImport {
public:
  LoopImport(Node &node, const onnx::GraphProto &graph) : node(node), importer(node.importer), graph(graph) {}

  SmallVector<Value> carried, scanned;
  Value trips, condition; // null where there is none
  bool isScan = false;    // neither the number of the iteration nor a condition is the body's
  size_t stacked = 0;

  /// The results, carried ones first; empty after a failure.
  SmallVector<Value> run() {
    for (auto [i, value] : llvm::enumerate(carried))
      forms.push_back(firstForm(value, i));
    passInitial();
    // Each attempt frees sizes that the body changes, or knows less of a value: both end.
    UnsupportedNodes before = importer.unsupportedNodes();
    while (!node.failed()) {
      importer.unsupportedNodes() = before;
      if (!importBody())
        return {};
      if (!widenForms() && !node.failed() && takeParts() && !freeChangedSizes())
        return finish();
      importer.dropBody(body);
    }
    return {};
  }

private:
  size_t firstOutput() const { return isScan ? 0 : 1; }

  /// What a carried value is at first: an empty sequence has the type that the body declares.
  Form firstForm(Value value, size_t i) {
    Form form = formOf(value);
    int input = int(i) + (isScan ? 0 : 2);
    if (form.isNumeric() || form.element || input >= graph.input_size())
      return form;
    Form declared = formOf(node.context, graph.input(input).type());
    declared.dims.reset(); // declared loosely, by many
    return join(form, declared).value_or(form);
  }

  /// The tensors of the values that go into the first iteration, and their sizes.
  void passInitial() {
    initial.clear();
    carriedDims.clear();
    for (auto [value, form] : llvm::zip_equal(carried, forms))
      llvm::append_range(initial, partsOf(node, value, form));
    for (Value part : initial)
      carriedDims.push_back(node.failed() ? SmallVector<Dim>() : nn::dimsOf(part.getType()));
  }

  bool importBody() {
    size_t own = isScan ? 0 : 2;
    if (size_t(graph.input_size()) != own + carried.size() + scanned.size() ||
        size_t(graph.output_size()) != firstOutput() + carried.size() + stacked) {
      node.invalid("the body has " + Twine(graph.input_size()) + " inputs and " + Twine(graph.output_size()) + " outputs; " +
                   Twine(own + carried.size() + scanned.size()) + " and " + Twine(firstOutput() + carried.size() + stacked) + " were expected");
      return false;
    }
    Type index = node.builder.getI64Type();
    SmallVector<std::pair<StringRef, Type>> values{{isScan ? StringRef() : StringRef(graph.input(0).name()), RankedTensorType::get({}, index)}};
    int input = int(own);
    size_t part = 0;
    for (const Form &form : forms) {
      StringRef name = form.isNumeric() ? StringRef(graph.input(input).name()) : StringRef(); // others: see bindCompounds
      for (size_t end = part + partCount(form); part < end; ++part)
        values.emplace_back(name, nn::tensorOf(carriedDims[part], typeOf(initial[part]).getElementType()));
      ++input;
    }
    for (Value value : scanned) {
      SmallVector<Dim> dims = nn::dimsOf(value.getType());
      values.emplace_back(graph.input(input++).name(), nn::tensorOf(ArrayRef(dims).drop_front(), typeOf(value).getElementType()));
    }
    // The body runs only where the condition holds: within, it is true.
    SmallVector<std::pair<StringRef, ElementsAttr>> constants;
    if (!isScan)
      constants.emplace_back(graph.input(1).name(), DenseElementsAttr::get(RankedTensorType::get({}, node.builder.getI1Type()), true));
    FailureOr<GraphImporter::Body> made =
        importer.importBodyGraph(graph, node.scope, values, constants, [&](ArrayRef<Value> arguments, Scope &scope) { bindCompounds(arguments, scope); });
    if (mlir::failed(made)) {
      node.stop();
      return false;
    }
    body = std::move(*made);
    if (isUnknown(body))
      node.unsupported("an operator within the body");
    return !node.failed();
  }

  /// Carried values that are no tensors, of the body's arguments.
  void bindCompounds(ArrayRef<Value> arguments, Scope &scope) {
    size_t part = 1; // behind the iteration
    int input = isScan ? 0 : 2;
    for (const Form &form : forms) {
      const std::string &name = graph.input(input++).name();
      if (!form.isNumeric() && !name.empty())
        scope.values[name] = compose(node, form, arguments.slice(part, partCount(form)));
      part += partCount(form);
    }
  }

  /// Whether the body gives something that the forms do not hold: the next attempt passes what both have in common.
  bool widenForms() {
    bool anyWidened = false;
    for (auto [i, form] : llvm::enumerate(forms)) {
      Value result = body.results[firstOutput() + i];
      if (form.isNumeric() && isNumeric(result))
        continue; // sizes are symbols
      std::optional<Form> joined = join(form, formOf(result));
      if (!joined) {
        node.invalid("carried value " + Twine(i) + " changes what it is: a tensor, a sequence, or its element type");
        return false;
      }
      anyWidened |= !(*joined == form);
      form = *joined;
    }
    if (anyWidened)
      passInitial();
    return anyWidened;
  }

  /// The results become the tensors they consist of.
  bool takeParts() {
    size_t first = firstOutput();
    SmallVector<Value> results(ArrayRef(body.results).take_front(first));
    for (auto [i, form] : llvm::enumerate(forms))
      llvm::append_range(results, form.isNumeric() ? SmallVector<Value>{body.results[first + i]} : partsWithin(node, body, body.results[first + i], form));
    for (Value value : ArrayRef(body.results).drop_front(first + carried.size())) {
      if (!isNumeric(value))
        node.unsupported("results of iterations, to be stacked, that are no tensors of numbers");
      results.push_back(value);
    }
    if (first && !isNumeric(results[0]))
      node.invalid("the body's condition must be one boolean");
    body.results = results;
    return !node.failed();
  }

  /// A size that the body does not give back as it was is a symbol of the body's argument. Whether there was a new one.
  bool freeChangedSizes() {
    bool anyFreed = false;
    for (auto [i, dims] : llvm::enumerate(carriedDims)) {
      RankedTensorType result = typeOf(body.results[firstOutput() + i]);
      if (result.getElementType() != typeOf(initial[i]).getElementType()) {
        node.invalid("carried value " + Twine(i) + " changes its element type");
        return false;
      }
      if (result.getRank() != int64_t(dims.size())) {
        node.unsupported("a carried value whose rank changes");
        return false;
      }
      for (auto [axis, next] : llvm::enumerate(nn::dimsOf(result))) {
        Dim &dim = dims[axis];
        if (next == dim || uses(dim, freed))
          continue;
        dim = importer.freshSize(nodeName(node.location) + ".carried" + Twine(i) + ".dim" + Twine(axis));
        freed.insert(*dim.asSymbol());
        anyFreed = true;
      }
    }
    return anyFreed;
  }

  /// The loop goes on until its trips are over: its own condition never fails.
  bool counts() const {
    if (isScan)
      return true;
    if (!trips || condition)
      return false;
    auto constant = body.results[0].getDefiningOp<nn::ConstantOp>();
    auto value = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    return value && value.getNumElements() == 1 && *value.getValues<bool>().begin();
  }

  SmallVector<Value> finish() {
    if (node.failed())
      return {};
    bool isCounted = counts();
    Value goesOn = isScan ? Value() : body.results[0];
    if (goesOn && (!typeOf(goesOn).getElementType().isInteger(1) || !nn::numElements(goesOn.getType()).isConstant(1))) {
      node.invalid("the body's condition must be one boolean");
      return {};
    }
    llvm::StringSet<> inner = ownSymbols(body.func);
    for (const auto &name : freed)
      inner.insert(name.getKey());
    SmallVector<Type> types;
    for (auto [i, dims] : llvm::enumerate(carriedDims))
      types.push_back(outerType(dims, typeOf(initial[i]).getElementType(), inner, i));
    for (size_t i = 0; i < stacked; ++i) {
      RankedTensorType slice = typeOf(body.results[firstOutput() + initial.size() + i]);
      SmallVector<Dim> dims = nn::dimsOf(slice);
      dims.insert(dims.begin(), isCounted ? numberOfTrips() : Dim());
      types.push_back(outerType(dims, slice.getElementType(), inner, initial.size() + i));
    }
    ArrayRef<Value> results = body.results;
    importer.finishBody(body, isCounted ? results.drop_front(firstOutput()) : results);
    auto op = nn::LoopOp::create(node.builder, node.location, types, trips, condition, initial, scanned, body.captured,
                                 FlatSymbolRefAttr::get(body.func), node.i64(stacked), node.unit(isCounted), node.builder.getStrArrayAttr(symbols));
    SmallVector<Value> parts(op.getResults()), values;
    size_t at = 0;
    for (const Form &form : forms) {
      values.push_back(compose(node, form, ArrayRef(parts).slice(at, partCount(form))));
      at += partCount(form);
    }
    llvm::append_range(values, ArrayRef(parts).drop_front(at));
    return values;
  }

  /// The number of iterations where shapes tell it; null otherwise.
  Dim numberOfTrips() const {
    std::optional<SmallVector<Dim>> known = nn::constantDims(trips);
    if (!known || known->size() != 1)
      return {};
    std::optional<int64_t> least = known->front().lowerBound();
    return least && *least >= 0 ? known->front() : known->front().max(node.dim(0));
  }

  /// A result's type in the caller's symbols; sizes that only the run knows become new ones.
  Type outerType(ArrayRef<Dim> dims, Type element, const llvm::StringSet<> &inner, size_t result) {
    SmallVector<Dim> outer(dims);
    for (auto [axis, dim] : llvm::enumerate(outer)) {
      if (dim && !uses(dim, inner))
        continue;
      dim = importer.freshSize(nodeName(node.location) + ".out" + Twine(result) + ".dim" + Twine(axis));
      symbols.push_back(*dim.asSymbol());
    }
    return nn::tensorOf(outer, element);
  }

  Node &node;
  GraphImporter &importer;
  const onnx::GraphProto &graph;
  GraphImporter::Body body;
  SmallVector<Form> forms;                  // of the carried values
  SmallVector<Value> initial;               // their tensors at first
  SmallVector<SmallVector<Dim>> carriedDims; // of those, in the body
  llvm::StringSet<> freed;
  SmallVector<StringRef> symbols;
};
} // namespace

static void loop(Node &node) {
  const onnx::GraphProto *graph = graphOf(node, "body");
  if (!graph)
    return;
  LoopImport import(node, *graph);
  if (node.in(0)) {
    if (isNumeric(node.in(0)))
      node.takeOne(0);
    if (!isNumeric(node.in(0)) || !isa<IntegerType>(node.element(0)) || !nn::numElements(node.in(0).getType()).isConstant(1))
      return node.invalid("the number of trips must be one integer");
    import.trips = node.cast(node.in(0), node.builder.getI64Type());
  }
  if (node.in(1)) {
    import.condition = conditionOf(node, 1);
    auto constant = node.in(1).getDefiningOp<nn::ConstantOp>();
    auto value = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    if (!node.failed() && value && *value.getValues<bool>().begin())
      import.condition = Value(); // always true: as if it were not there
  }
  for (size_t i = 2; i < node.inputCount(); ++i) {
    if (!node.in(i))
      return node.invalid("input " + Twine(i) + " is missing");
    import.carried.push_back(node.in(i));
  }
  if (size_t(node.proto.output_size()) < import.carried.size())
    return node.invalid("there are " + Twine(import.carried.size()) + " carried values and " + Twine(node.proto.output_size()) + " results");
  import.stacked = node.proto.output_size() - import.carried.size();
  if (node.failed())
    return;
  for (auto [i, value] : llvm::enumerate(import.run()))
    node.result(i, value);
}

/// `value` with its first axis walked backwards.
static Value reversed(Node &node, Value value) {
  if (node.failed())
    return {};
  SmallVector<Dim> sizes = nn::dimsOf(value.getType()), starts(sizes.size(), node.dim(0));
  SmallVector<int64_t> steps(sizes.size(), 1);
  starts[0] = sizes[0] - 1;
  steps[0] = -1;
  return node.make<nn::SliceOp>(value, node.dimsAttr(starts), node.dimsAttr(sizes), node.i64s(steps));
}

/// `value` with axis `from` in the place of axis `to`, the others in their order.
static Value moveAxis(Node &node, Value value, int64_t from, int64_t to) {
  if (node.failed() || from == to)
    return value;
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(value).getRank()));
  order.erase(order.begin() + from);
  order.insert(order.begin() + to, from);
  return node.transpose(value, order);
}

/// As many as what it scans is long.
static void setTrips(Node &node, LoopImport &import) {
  if (node.failed())
    return;
  Dim trips = nn::dimsOf(import.scanned[0].getType())[0];
  for (Value value : import.scanned)
    node.require(nn::dimsOf(value.getType())[0], trips, "the lengths of what it scans");
  import.trips = node.constant({trips}, RankedTensorType::get({}, node.builder.getI64Type()));
}

/// Opset 8: input 0 holds lengths, and everything else has a batch in front, of which each is scanned by itself. One is supported.
static void scanOfBatch(Node &node) {
  const onnx::GraphProto *graph = graphOf(node, "body");
  if (!graph)
    return;
  size_t scanned = size_t(std::max<int64_t>(0, node.integer("num_scan_inputs", 0)));
  if (node.in(0))
    return node.unsupported("lengths of the sequences");
  if (scanned == 0 || scanned >= node.inputCount())
    return node.invalid("num_scan_inputs is " + Twine(scanned) + " of " + Twine(node.inputCount() - 1) + " inputs");
  size_t states = node.inputCount() - 1 - scanned;
  if (size_t(node.proto.output_size()) < states)
    return node.invalid("there are " + Twine(states) + " states and " + Twine(node.proto.output_size()) + " results");
  SmallVector<int64_t> directions = node.integers("directions").value_or(SmallVector<int64_t>(scanned, 0));
  if (directions.size() != scanned)
    return node.invalid("directions has " + Twine(directions.size()) + " entries; " + Twine(scanned) + " were expected");
  LoopImport import(node, *graph);
  import.isScan = true;
  import.stacked = node.proto.output_size() - states;
  for (size_t i = 1; i < node.inputCount(); ++i) {
    bool isState = i <= states;
    if (!node.in(i) || node.rank(i) < (isState ? 1 : 2))
      return node.invalid("input " + Twine(i) + " must have a batch" + (isState ? "" : " and a sequence"));
    node.takeSize(i, 0, 1);
    if (node.failed())
      return;
    SmallVector<Dim> dims = node.dims(i);
    if (!dims[0].isConstant(1))
      return node.unsupported("a batch of " + dims[0].str() + "; 1 is supported before opset 9");
    Value value = node.reshape(node.in(i), ArrayRef(dims).drop_front());
    if (isState)
      import.carried.push_back(value);
    else
      import.scanned.push_back(directions[i - states - 1] ? reversed(node, value) : value);
  }
  setTrips(node, import);
  for (auto [i, value] : llvm::enumerate(import.run())) {
    SmallVector<Dim> dims = nn::dimsOf(value.getType());
    dims.insert(dims.begin(), node.dim(1));
    node.result(i, node.reshape(value, dims));
  }
}

static void scan(Node &node) {
  if (node.opset < 9)
    return scanOfBatch(node);
  const onnx::GraphProto *graph = graphOf(node, "body");
  if (!graph)
    return;
  for (size_t i = 0; i < node.inputCount(); ++i)
    if (!node.in(i))
      return node.invalid("input " + Twine(i) + " is missing");
  size_t scanned = size_t(std::max<int64_t>(0, node.integer("num_scan_inputs", 0)));
  if (scanned == 0 || scanned > node.inputCount())
    return node.invalid("num_scan_inputs is " + Twine(scanned) + " of " + Twine(node.inputCount()) + " inputs");
  size_t states = node.inputCount() - scanned;
  if (size_t(node.proto.output_size()) < states)
    return node.invalid("there are " + Twine(states) + " states and " + Twine(node.proto.output_size()) + " results");
  size_t stacked = node.proto.output_size() - states;
  auto listed = [&](StringRef name, size_t count) {
    SmallVector<int64_t> values = node.integers(name).value_or(SmallVector<int64_t>(count, 0));
    if (values.size() != count)
      node.invalid(name + " has " + Twine(values.size()) + " entries; " + Twine(count) + " were expected");
    values.resize(count, 0);
    return values;
  };
  SmallVector<int64_t> axes = listed("scan_input_axes", scanned), directions = listed("scan_input_directions", scanned);
  SmallVector<int64_t> outAxes = listed("scan_output_axes", stacked), outDirections = listed("scan_output_directions", stacked);
  LoopImport import(node, *graph);
  import.isScan = true;
  import.stacked = stacked;
  for (size_t i = 0; i < states; ++i)
    import.carried.push_back(node.in(i));
  for (size_t i = 0; i < scanned && !node.failed(); ++i) {
    Value value = node.in(states + i);
    if (!isNumeric(value) || typeOf(value).getRank() == 0)
      return node.invalid("it scans what is no tensor of numbers of at least one axis");
    value = moveAxis(node, value, node.axisOf(axes[i], typeOf(value).getRank()), 0);
    import.scanned.push_back(directions[i] ? reversed(node, value) : value);
  }
  setTrips(node, import);
  for (auto [i, value] : llvm::enumerate(import.run())) {
    if (i >= states && outDirections[i - states])
      value = reversed(node, value);
    if (i >= states && !node.failed())
      value = moveAxis(node, value, 0, node.axisOf(outAxes[i - states], typeOf(value).getRank()));
    node.result(i, value);
  }
}

void registerControlFlow(OperatorTable &table) {
  constexpr int kMostInputs = 1 << 16; // some of them may be left out, unlike those of a list
  table.addSequence("If", 1, 1, 1, branch);
  table.addSequence("Loop", 1, 0, kMostInputs, loop);
  table.addSequence("Scan", 8, 0, kMostInputs, scan);
}

} // namespace tenon::importer
