#include "lib/Importer/GraphOrder.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace tenon::importer {
using llvm::SmallVector;
using llvm::StringRef;

/// Every name that the node's branches read from the graphs around them.
static void collectCaptures(const onnx::NodeProto &node, llvm::StringSet<> &captured);

static void collectCaptures(const onnx::GraphProto &graph, llvm::StringSet<> &captured) {
  llvm::StringSet<> used, defined;
  for (const onnx::ValueInfoProto &input : graph.input())
    defined.insert(input.name());
  for (const onnx::TensorProto &tensor : graph.initializer())
    defined.insert(tensor.name());
  for (const onnx::NodeProto &node : graph.node()) {
    for (const std::string &name : node.input())
      used.insert(name);
    collectCaptures(node, used);
    for (const std::string &name : node.output())
      defined.insert(name);
  }
  for (const onnx::ValueInfoProto &output : graph.output())
    used.insert(output.name());
  for (const auto &name : used)
    if (!defined.contains(name.getKey()))
      captured.insert(name.getKey());
}

static void collectCaptures(const onnx::NodeProto &node, llvm::StringSet<> &captured) {
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      collectCaptures(attribute.g(), captured);
    for (const onnx::GraphProto &graph : attribute.graphs())
      collectCaptures(graph, captured);
  }
}

namespace {
class Sorter {
public:
  Sorter(const NodeList &nodes, std::string &error) : nodes(nodes), error(error), states(nodes.size(), State::New) {}

  bool run() {
    for (int i = 0; i < nodes.size(); ++i)
      for (const std::string &name : nodes[i].output())
        if (!name.empty() && !define(name, i))
          return fail("'" + name + "' is produced by two nodes: " + describe(producers.lookup(name)) + " and " + describe(i));
    for (int i = 0; i < nodes.size(); ++i)
      if (states[i] == State::New && !visit(i))
        return false;
    return true;
  }

  SmallVector<int> order;

private:
  /// Of two constants of one name the latter is meant: some exporters write such models, and ONNX Runtime reads them so.
  bool define(StringRef name, int node) {
    auto [producer, isNew] = producers.try_emplace(name, node);
    if (isNew)
      return true;
    if (nodes[producer->second].op_type() != "Constant" || nodes[node].op_type() != "Constant")
      return false;
    states[producer->second] = State::Done;
    producer->second = node;
    return true;
  }

  enum class State : uint8_t { New, Open, Done };
  struct Frame {
    int node;
    SmallVector<int> dependencies;
    size_t next = 0;
  };

  bool fail(const std::string &what) {
    error = what;
    return false;
  }
  std::string describe(int i) const {
    const onnx::NodeProto &node = nodes[i];
    return "'" + (node.name().empty() && node.output_size() ? node.output(0) : node.name()) + "' (" + node.op_type() + ")";
  }

  SmallVector<int> dependenciesOf(int i) const {
    SmallVector<int> out;
    auto add = [&](StringRef name) {
      auto producer = producers.find(name);
      if (!name.empty() && producer != producers.end())
        out.push_back(producer->second);
    };
    for (const std::string &name : nodes[i].input())
      add(name);
    llvm::StringSet<> captured;
    collectCaptures(nodes[i], captured);
    for (const auto &name : captured)
      add(name.getKey());
    llvm::sort(out); // a StringSet has no order of its own
    return out;
  }

  /// Depth first with a stack of our own: graphs are deeper than a thread's stack.
  bool visit(int root) {
    SmallVector<Frame> stack;
    auto open = [&](int i) {
      states[i] = State::Open;
      stack.push_back({i, dependenciesOf(i)});
    };
    open(root);
    while (!stack.empty()) {
      Frame &top = stack.back();
      if (top.next == top.dependencies.size()) {
        states[top.node] = State::Done;
        order.push_back(top.node);
        stack.pop_back();
        continue;
      }
      int dependency = top.dependencies[top.next++];
      if (states[dependency] == State::Open)
        return reportCycle(stack, dependency);
      if (states[dependency] == State::New)
        open(dependency);
    }
    return true;
  }

  bool reportCycle(llvm::ArrayRef<Frame> stack, int start) {
    while (stack.front().node != start)
      stack = stack.drop_front();
    constexpr size_t kShown = 8;
    std::string text = "the graph has a cycle of " + std::to_string(stack.size()) + " nodes: ";
    for (const Frame &frame : stack.take_front(kShown))
      text += describe(frame.node) + " needs ";
    return fail(text + (stack.size() > kShown ? "... needs " : "") + describe(start));
  }

  const NodeList &nodes;
  std::string &error;
  llvm::StringMap<int> producers;
  std::vector<State> states;
};
} // namespace

std::optional<SmallVector<int>> importOrder(const NodeList &nodes, std::string &error) {
  Sorter sorter(nodes, error);
  if (!sorter.run())
    return std::nullopt;
  return std::move(sorter.order);
}

} // namespace tenon::importer
