// Ensembles of decision trees.
//
// All trees of all rows step down together: the node that a row has reached in a tree is an index, and what a node holds are
// tables. A leaf leads to itself, so after as many steps as the deepest tree has levels every index is that of a leaf.
#include "lib/Importer/MachineLearning.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
enum class Mode { AtMost, Less, AtLeast, Greater, Equal, NotEqual };
constexpr StringRef kModeNames[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};

struct TreeNode {
  int64_t feature = 0, whenTrue = 0, whenFalse = 0; // a leaf leads to itself
  Mode mode = Mode::AtMost;
  double split = 0;
  bool missingIsTrue = false;
  SmallVector<std::pair<int64_t, double>, 1> votes; // of a leaf: target and weight
  bool isLeaf(int64_t self) const { return whenTrue == self && whenFalse == self; }
};

enum class Aggregate { Sum, Average, Min, Max };

struct Forest {
  std::vector<TreeNode> nodes;
  SmallVector<int64_t> roots;
  int64_t targets = 1;
  Aggregate aggregate = Aggregate::Sum;
};
constexpr size_t kMostNodes = 1 << 24;
} // namespace

/// The number of steps to the deepest leaf; none where a path leads nowhere or in a circle.
static std::optional<int64_t> depthOf(const Forest &forest) {
  int64_t count = int64_t(forest.nodes.size());
  std::vector<int64_t> reached(count, -1); // the last level that a node is on
  SmallVector<int64_t> level(forest.roots), next;
  for (int64_t depth = 0; depth <= count; ++depth) {
    bool inner = false;
    for (int64_t i : level) {
      if (i < 0 || i >= count)
        return std::nullopt;
      const TreeNode &node = forest.nodes[i];
      if (reached[i] == depth || node.isLeaf(i))
        continue;
      reached[i] = depth;
      inner = true;
      next.append({node.whenTrue, node.whenFalse});
    }
    if (!inner)
      return depth;
    level = std::move(next);
    next.clear();
  }
  return std::nullopt;
}

namespace {
class Descent {
public:
  Descent(Node &node, const Forest &forest, int64_t depth) : node(node), f(node), forest(forest), depth(depth), real(realType(node, 0)) {}

  Value run() {
    Value x = node.cast(node.in(0), real);
    int64_t trees = int64_t(forest.roots.size());
    Dim rows = node.dims(0)[0];
    Value at = f.expand(integerTensor(node, forest.roots, {1, trees}), {rows, node.dim(trees)});
    for (int64_t step = 0; step < depth && !node.failed(); ++step) {
      Value feature = node.make<nn::GatherElementsOp>(x, lookup(integers([](const TreeNode &n) { return n.feature; }), at), node.i64(1));
      Value yes = holds(feature, at);
      at = f.select(yes, lookup(integers([](const TreeNode &n) { return n.whenTrue; }), at),
                    lookup(integers([](const TreeNode &n) { return n.whenFalse; }), at));
    }
    return votes(at);
  }

private:
  template <typename Field> Value integers(Field field) {
    SmallVector<int64_t> values;
    for (const TreeNode &n : forest.nodes)
      values.push_back(int64_t(field(n)));
    return integerTensor(node, values, {int64_t(values.size())});
  }
  Value lookup(Value table, Value at) { return node.make<nn::GatherOp>(table, at, node.i64(0)); }

  Value compared(Mode mode, Value x, Value split) {
    switch (mode) {
    case Mode::AtMost:
      return f.atMost(x, split);
    case Mode::Less:
      return f.less(x, split);
    case Mode::AtLeast:
      return f.atMost(split, x);
    case Mode::Greater:
      return f.less(split, x);
    case Mode::Equal:
      return f.equal(x, split);
    case Mode::NotEqual:
      return node.make<nn::NotOp>(f.equal(x, split));
    }
    return {};
  }

  Value holds(Value x, Value at) {
    SmallVector<double> splits;
    bool used[6] = {}, missing = false;
    for (auto [i, n] : llvm::enumerate(forest.nodes)) {
      splits.push_back(n.split);
      used[int(n.mode)] |= !n.isLeaf(int64_t(i));
      missing |= n.missingIsTrue;
    }
    Value split = lookup(realTensor(node, splits, {int64_t(splits.size())}, real), at), result, mode;
    for (int m = 0; m < 6; ++m) {
      if (!used[m])
        continue;
      Value here = compared(Mode(m), x, split);
      if (result && !mode)
        mode = lookup(integers([](const TreeNode &n) { return int(n.mode); }), at);
      result = result ? f.select(f.equal(mode, f.number(m, mode)), here, result) : here;
    }
    if (!missing)
      return result;
    Value tracks = node.cast(lookup(integers([](const TreeNode &n) { return n.missingIsTrue; }), at), node.builder.getI1Type());
    return node.make<nn::OrOp>(result, f.both(node.make<nn::IsNanOp>(x), tracks));
  }

  /// What the leaves say, [rows, targets].
  Value votes(Value at) {
    double none = forest.aggregate == Aggregate::Min ? (real.isF64() ? std::numeric_limits<double>::max() : double(std::numeric_limits<float>::max()))
                  : forest.aggregate == Aggregate::Max
                      ? (real.isF64() ? std::numeric_limits<double>::lowest() : double(std::numeric_limits<float>::lowest()))
                      : 0.0;
    SmallVector<double> table(forest.nodes.size() * forest.targets, none);
    for (auto [i, n] : llvm::enumerate(forest.nodes))
      for (auto [target, weight] : n.votes) {
        double &entry = table[i * forest.targets + target];
        entry = forest.aggregate == Aggregate::Min   ? std::min(entry, weight)
                : forest.aggregate == Aggregate::Max ? std::max(entry, weight)
                                                     : entry + weight;
      }
    Value said = lookup(realTensor(node, table, {int64_t(forest.nodes.size()), forest.targets}, real), at);
    switch (forest.aggregate) {
    case Aggregate::Sum:
      return f.reduce(nn::ReduceKind::Sum, said, {1}, false);
    case Aggregate::Average:
      return f.div(f.reduce(nn::ReduceKind::Sum, said, {1}, false), double(forest.roots.size()));
    case Aggregate::Min:
      return f.reduce(nn::ReduceKind::Min, said, {1}, false);
    case Aggregate::Max:
      return f.reduce(nn::ReduceKind::Max, said, {1}, false);
    }
    return {};
  }

  Node &node;
  Formula f;
  const Forest &forest;
  int64_t depth;
  Type real;
};
} // namespace

/// [rows, targets], or null after a report.
static Value evaluate(Node &node, const Forest &forest) {
  if (node.failed())
    return {};
  if (node.rank(0) != 2) {
    node.invalid("the input has rank " + Twine(node.rank(0)) + "; 2 was expected");
    return {};
  }
  std::optional<int64_t> depth = depthOf(forest), features = node.dims(0)[1].asConstant();
  if (!depth || forest.roots.empty() || forest.targets < 1 || forest.nodes.size() > kMostNodes / size_t(forest.targets)) {
    node.invalid("the nodes are no trees");
    return {};
  }
  for (const TreeNode &n : forest.nodes) {
    bool good = n.feature >= 0 && (!features || n.feature < *features);
    for (auto [target, weight] : n.votes)
      good &= target >= 0 && target < forest.targets;
    if (!good) {
      node.invalid("a tree names a feature or a target that there is not");
      return {};
    }
  }
  return Descent(node, forest, *depth).run();
}

//===-- TreeEnsemble (ai.onnx.ml 5) -------------------------------------------------------------------------------===//

/// Members of a set become a chain of nodes that compare with one member each.
static void addMembership(std::vector<TreeNode> &nodes, int64_t first, ArrayRef<double> members) {
  nodes[first].mode = Mode::Equal;
  if (members.empty()) { // in no set: NaN equals nothing
    nodes[first].split = NAN;
    return;
  }
  int64_t at = first;
  for (auto [i, member] : llvm::enumerate(members)) {
    nodes[at].split = member;
    if (i + 1 == members.size())
      return;
    TreeNode next = nodes[at];
    nodes[at].whenFalse = int64_t(nodes.size());
    at = int64_t(nodes.size());
    nodes.push_back(next);
  }
}

static void treeEnsemble(Node &node) {
  auto list = [&](StringRef name) { return node.integers(name).value_or(SmallVector<int64_t>()); };
  SmallVector<int64_t> features = list("nodes_featureids"), trueIds = list("nodes_truenodeids"), falseIds = list("nodes_falsenodeids"),
                       trueLeafs = list("nodes_trueleafs"), falseLeafs = list("nodes_falseleafs"), missing = list("nodes_missing_value_tracks_true"),
                       leafTargets = list("leaf_targetids"), roots = list("tree_roots");
  std::optional<SmallVector<double>> splits = tensorNumbers(node, "nodes_splits"), modes = tensorNumbers(node, "nodes_modes"),
                                     weights = tensorNumbers(node, "leaf_weights"), members = tensorNumbers(node, "membership_values");
  if (node.failed())
    return;
  size_t inner = features.size(), leaves = leafTargets.size();
  if (!splits || !modes || !weights || splits->size() != inner || modes->size() != inner || weights->size() != leaves || trueIds.size() != inner ||
      falseIds.size() != inner || trueLeafs.size() != inner || falseLeafs.size() != inner || (!missing.empty() && missing.size() != inner))
    return node.invalid("the lists of the nodes differ in length");
  Forest forest;
  forest.targets = node.integer("n_targets", 1);
  int64_t aggregate = node.integer("aggregate_function", 1);
  constexpr Aggregate kAggregates[] = {Aggregate::Average, Aggregate::Sum, Aggregate::Min, Aggregate::Max};
  if (aggregate < 0 || aggregate > 3)
    return node.invalid("aggregate_function is " + Twine(aggregate));
  if (int64_t transform = node.integer("post_transform", 0))
    return node.unsupported("post_transform " + Twine(transform));
  forest.aggregate = kAggregates[aggregate];
  // Inner nodes first, then leaves; a root that leads to one leaf both ways is that leaf.
  forest.nodes.resize(inner + leaves);
  for (size_t i = 0; i < leaves; ++i) {
    int64_t self = int64_t(inner + i);
    forest.nodes[self].whenTrue = forest.nodes[self].whenFalse = self;
    forest.nodes[self].votes.push_back({leafTargets[i], (*weights)[i]});
  }
  size_t nextMember = 0;
  for (size_t i = 0; i < inner; ++i) {
    TreeNode &n = forest.nodes[i];
    n.feature = features[i];
    n.split = (*splits)[i];
    n.whenTrue = trueLeafs[i] ? int64_t(inner) + trueIds[i] : trueIds[i];
    n.whenFalse = falseLeafs[i] ? int64_t(inner) + falseIds[i] : falseIds[i];
    n.missingIsTrue = !missing.empty() && missing[i];
    constexpr int kMember = 6;
    int mode = int((*modes)[i]);
    if (mode < 0 || mode > kMember)
      return node.invalid("a node has the mode " + Twine(mode));
    if (mode < kMember) {
      n.mode = Mode(mode);
      continue;
    }
    SmallVector<double> set;
    while (members && nextMember < members->size() && !std::isnan((*members)[nextMember]))
      set.push_back((*members)[nextMember++]);
    ++nextMember;
    addMembership(forest.nodes, int64_t(i), set);
  }
  for (int64_t root : roots) {
    bool isLeaf = root >= 0 && root < int64_t(inner) && trueLeafs[root] && falseLeafs[root] && trueIds[root] == falseIds[root];
    forest.roots.push_back(isLeaf ? int64_t(inner) + trueIds[root] : root);
  }
  node.result(evaluate(node, forest));
}

//===-- TreeEnsembleRegressor and -Classifier (ai.onnx.ml 1 to 3) --------------------------------------------------===//

/// The trees of the older operators: nodes are named by (tree, node). `votes` is the prefix of the attributes of leaves.
static std::optional<Forest> olderForest(Node &node, StringRef votes, StringRef ids) {
  auto list = [&](const Twine &name) { return node.integers(name.str()).value_or(SmallVector<int64_t>()); };
  SmallVector<int64_t> trees = list("nodes_treeids"), numbers = list("nodes_nodeids"), features = list("nodes_featureids"),
                       trueIds = list("nodes_truenodeids"), falseIds = list("nodes_falsenodeids"), missing = list("nodes_missing_value_tracks_true");
  SmallVector<int64_t> voteTrees = list(votes + "_treeids"), voteNodes = list(votes + "_nodeids"), targets = list(ids);
  std::vector<std::string> modes = node.texts("nodes_modes");
  SmallVector<double> splits = realsOrTensor(node, "nodes_values").value_or(SmallVector<double>());
  SmallVector<double> weights = realsOrTensor(node, (votes + "_weights").str()).value_or(SmallVector<double>());
  size_t count = trees.size();
  if (node.failed())
    return std::nullopt;
  if (numbers.size() != count || features.size() != count || trueIds.size() != count || falseIds.size() != count || modes.size() != count ||
      splits.size() != count || (!missing.empty() && missing.size() != count) || voteNodes.size() != voteTrees.size() ||
      targets.size() != voteTrees.size() || weights.size() != voteTrees.size()) {
    node.invalid("the lists of the nodes differ in length");
    return std::nullopt;
  }
  std::map<std::pair<int64_t, int64_t>, int64_t> index;
  Forest forest;
  std::set<int64_t> rooted;
  for (size_t i = 0; i < count; ++i) {
    index[{trees[i], numbers[i]}] = int64_t(i);
    if (rooted.insert(trees[i]).second)
      forest.roots.push_back(int64_t(i));
  }
  forest.nodes.resize(count);
  for (size_t i = 0; i < count; ++i) {
    TreeNode &n = forest.nodes[i];
    n.whenTrue = n.whenFalse = int64_t(i);
    if (modes[i] == "LEAF")
      continue;
    auto mode = llvm::find(kModeNames, StringRef(modes[i]));
    auto yes = index.find({trees[i], trueIds[i]}), no = index.find({trees[i], falseIds[i]});
    if (mode == std::end(kModeNames) || yes == index.end() || no == index.end()) {
      node.invalid("node " + Twine(numbers[i]) + " of tree " + Twine(trees[i]) + " has the mode '" + Twine(modes[i]) + "' or leads nowhere");
      return std::nullopt;
    }
    n.mode = Mode(mode - std::begin(kModeNames));
    n.feature = features[i];
    n.split = splits[i];
    n.whenTrue = yes->second;
    n.whenFalse = no->second;
    n.missingIsTrue = !missing.empty() && missing[i];
  }
  for (size_t i = 0; i < voteTrees.size(); ++i) {
    auto leaf = index.find({voteTrees[i], voteNodes[i]});
    if (leaf == index.end()) {
      node.invalid("a weight belongs to a node that there is not");
      return std::nullopt;
    }
    forest.nodes[leaf->second].votes.push_back({targets[i], weights[i]});
  }
  return forest;
}

static Value withBase(Node &node, Value scores) {
  std::optional<SmallVector<double>> base = realsOrTensor(node, "base_values");
  if (!base || base->empty() || node.failed())
    return scores;
  return Formula(node).add(scores, realTensor(node, *base, {int64_t(base->size())}, getElementTypeOrSelf(scores.getType())));
}

static void treeRegressor(Node &node) {
  std::optional<Forest> forest = olderForest(node, "target", "target_ids");
  if (!forest)
    return;
  forest->targets = node.integer("n_targets", 1);
  StringRef aggregate = node.text("aggregate_function", "SUM");
  std::optional<Aggregate> kind = aggregate == "SUM"       ? std::optional(Aggregate::Sum)
                                  : aggregate == "AVERAGE" ? std::optional(Aggregate::Average)
                                  : aggregate == "MIN"     ? std::optional(Aggregate::Min)
                                  : aggregate == "MAX"     ? std::optional(Aggregate::Max)
                                                           : std::nullopt;
  if (!kind)
    return node.invalid("aggregate_function is '" + aggregate + "'");
  forest->aggregate = *kind;
  Value scores = withBase(node, evaluate(node, *forest));
  if (!node.failed())
    node.result(node.cast(transformedScores(node, scores), node.builder.getF32Type()));
}

static void treeClassifier(Node &node) {
  if (node.attribute("classlabels_strings"))
    return node.unsupported("labels that are strings");
  std::optional<Forest> forest = olderForest(node, "class", "class_ids");
  SmallVector<int64_t> labels = node.integers("classlabels_int64s").value_or(SmallVector<int64_t>()),
                       ids = node.integers("class_ids").value_or(SmallVector<int64_t>());
  if (!forest)
    return;
  bool oneScore = !ids.empty() && llvm::all_equal(ids);
  if (labels.size() < 2 || (oneScore && labels.size() != 2))
    return node.unsupported("a classifier with one score for " + Twine(labels.size()) + " labels");
  forest->targets = int64_t(labels.size());
  Formula f(node);
  Value scores = withBase(node, evaluate(node, *forest));
  if (node.failed())
    return;
  if (oneScore) {
    // One score for two classes: the other one's is its complement, or its opposite where a function follows.
    Value only = node.slice(scores, 1, node.dim(ids.front() == 1 ? 1 : 0), node.dim(1));
    StringRef transform = node.text("post_transform", "NONE");
    Value other = transform == "NONE" || transform == "PROBIT" ? f.sub(f.number(1, only), only) : node.make<nn::NegOp>(only);
    scores = f.concat({other, only}, 1);
  }
  scores = transformedScores(node, scores);
  Value best = node.make<nn::ArgReduceOp>(scores, node.i64(1), UnitAttr(), UnitAttr(), UnitAttr());
  node.result(0, node.make<nn::GatherOp>(integerTensor(node, labels, {int64_t(labels.size())}), best, node.i64(0)));
  node.result(1, node.cast(scores, node.builder.getF32Type()));
}

void registerTrees(OperatorTable &table) {
  table.addTo(kMachineLearningDomain, "TreeEnsemble", 1, 1, treeEnsemble);
  table.addTo(kMachineLearningDomain, "TreeEnsembleRegressor", 1, 1, treeRegressor);
  table.addTo(kMachineLearningDomain, "TreeEnsembleClassifier", 1, 1, treeClassifier);
}

} // namespace tenon::importer
