// Nodes and what connects them.
#include "include/tenon/compiler.h"
#include "test/fuzz/Mutations.h"

namespace tenon::fuzz {
using onnx::GraphProto;
using onnx::NodeProto;

namespace {

struct Structure {
  onnx::ModelProto &model;
  ModelParts &parts;
  Draw &draw;

  std::string someName() { return parts.names.empty() || draw.oneIn(40) ? "" : draw.of(parts.names); }
  std::string freshName() { return "f" + std::to_string(parts.names.size()) + "_" + std::to_string(draw.below(1000)); }
  NodeProto &someNode() { return *draw.of(parts.nodes); }
  /// Nodes may be nested in each other: what is copied must not grow without end.
  bool isLarge(const google::protobuf::MessageLite &message) { return message.ByteSizeLong() > 8192; }

  void redirectInput();
  void changeInputs();
  void changeOutputs();
  void removeNode();
  void duplicateNode();
  void insertNode();
  void changeOperator();
  void swapNodes();
  void exposeValue();
  void changeInterface();
  void exchangeInputAndConstant();
  void branchAround();
  void exchangeSubgraphs();
};

void Structure::redirectInput() {
  NodeProto &node = someNode();
  if (node.input_size())
    node.set_input(int(draw.below(size_t(node.input_size()))), someName());
}

void Structure::changeInputs() {
  NodeProto &node = someNode();
  int count = node.input_size();
  switch (draw.below(count ? 4 : 1)) {
  case 0: node.add_input(someName()); break;
  case 1: node.mutable_input()->RemoveLast(); break;
  case 2: node.mutable_input()->SwapElements(int(draw.below(size_t(count))), int(draw.below(size_t(count)))); break;
  default: node.mutable_input(int(draw.below(size_t(count))))->clear();
  }
}

void Structure::changeOutputs() {
  NodeProto &node = someNode();
  int count = node.output_size();
  switch (draw.below(count ? 4 : 1)) {
  case 0: node.add_output(freshName()); break;
  case 1: node.mutable_output()->RemoveLast(); break;
  case 2: node.mutable_output(int(draw.below(size_t(count))))->clear(); break;
  default: node.set_output(int(draw.below(size_t(count))), someName());
  }
}

void Structure::removeNode() {
  NodeList &list = *draw.of(parts.lists);
  if (!list.empty())
    list.DeleteSubrange(int(draw.below(size_t(list.size()))), 1);
}

/// A chain: the copy reads what the node gave.
void Structure::duplicateNode() {
  NodeProto copy = someNode();
  if (isLarge(copy))
    return;
  std::string last = copy.output_size() ? copy.output(0) : "";
  for (std::string &name : *copy.mutable_output())
    name = freshName();
  if (copy.input_size() && draw.oneIn(2))
    copy.set_input(int(draw.below(size_t(copy.input_size()))), last);
  std::string name = copy.output_size() ? copy.output(0) : "";
  *draw.of(parts.lists)->Add() = copy;
  if (draw.oneIn(2) && !name.empty())
    model.mutable_graph()->add_output()->set_name(name);
}

const OperatorSupport &someOperator(Draw &draw) {
  static const std::vector<OperatorSupport> operators = supportedOperators();
  return draw.of(operators);
}

void Structure::insertNode() {
  const OperatorSupport &op = someOperator(draw);
  std::string name = freshName();
  NodeProto &node = *draw.of(parts.lists)->Add();
  node.set_op_type(op.name);
  node.set_domain(op.domain);
  for (size_t i = 0, count = draw.below(4) + !draw.oneIn(8); i < count; ++i)
    node.add_input(someName());
  node.add_output(name);
  if (draw.oneIn(3))
    node.add_output(name + "b");
  model.mutable_graph()->add_output()->set_name(name);
}

void Structure::changeOperator() {
  NodeProto &node = someNode();
  if (draw.oneIn(12))
    return node.set_domain(draw.oneIn(2) ? "ai.onnx.ml" : "acme");
  const OperatorSupport &op = someOperator(draw);
  node.set_op_type(op.name);
  node.set_domain(op.domain);
}

void Structure::swapNodes() {
  NodeList &list = *draw.of(parts.lists);
  if (list.size() > 1)
    list.SwapElements(int(draw.below(size_t(list.size()))), int(draw.below(size_t(list.size()))));
}

void Structure::exposeValue() {
  GraphProto &graph = *draw.of(parts.graphs);
  onnx::ValueInfoProto &output = *graph.add_output();
  output.set_name(someName());
  if (!parts.types.empty() && draw.oneIn(2))
    *output.mutable_type() = *draw.of(parts.types);
}

void Structure::changeInterface() {
  GraphProto &graph = *draw.of(parts.graphs);
  auto &list = draw.oneIn(2) ? *graph.mutable_input() : *graph.mutable_output();
  int count = list.size();
  switch (draw.below(count ? 4 : 1)) {
  case 0: {
    onnx::ValueInfoProto &value = *list.Add();
    value.set_name(freshName());
    if (!parts.types.empty())
      *value.mutable_type() = *draw.of(parts.types);
    break;
  }
  case 1: list.RemoveLast(); break;
  case 2: list.SwapElements(int(draw.below(size_t(count))), int(draw.below(size_t(count)))); break;
  default: list[int(draw.below(size_t(count)))].set_name(someName());
  }
}

void Structure::exchangeInputAndConstant() {
  GraphProto &graph = *model.mutable_graph();
  if (graph.initializer_size() && draw.oneIn(2)) {
    int i = int(draw.below(size_t(graph.initializer_size())));
    const onnx::TensorProto &tensor = graph.initializer(i);
    onnx::ValueInfoProto &input = *graph.add_input();
    input.set_name(tensor.name());
    onnx::TypeProto::Tensor &type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (int64_t size : tensor.dims())
      type.mutable_shape()->add_dim()->set_dim_value(size);
    if (!draw.oneIn(4)) // otherwise a default value
      graph.mutable_initializer()->DeleteSubrange(i, 1);
    return;
  }
  if (graph.input_size() == 0)
    return;
  int i = int(draw.below(size_t(graph.input_size())));
  const onnx::TypeProto::Tensor &type = graph.input(i).type().tensor_type();
  onnx::TensorProto &tensor = *graph.add_initializer();
  tensor.set_name(graph.input(i).name());
  tensor.set_data_type(type.elem_type());
  for (const onnx::TensorShapeProto::Dimension &dim : type.shape().dim())
    tensor.add_dims(dim.dim_value());
  fillTensor(tensor, draw);
  graph.mutable_input()->DeleteSubrange(i, 1);
}

/// The node in both branches of an If, or in one.
void Structure::branchAround() {
  NodeList &list = *draw.of(parts.lists);
  if (list.empty())
    return;
  NodeProto &node = list[int(draw.below(size_t(list.size())))];
  NodeProto inner = node;
  if (isLarge(inner))
    return;
  node.Clear();
  node.set_op_type("If");
  node.add_input(someName());
  for (const std::string &name : inner.output())
    node.add_output(name);
  for (const char *branch : {"then_branch", "else_branch"}) {
    onnx::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name(branch);
    attribute.set_type(onnx::AttributeProto::GRAPH);
    GraphProto &graph = *attribute.mutable_g();
    bool isCopy = branch[0] == 't' || draw.oneIn(2);
    NodeProto &body = *graph.add_node();
    body = inner;
    for (int i = 0; i < inner.output_size(); ++i) {
      body.set_output(i, "b" + inner.output(i));
      graph.add_output()->set_name(isCopy ? body.output(i) : someName());
    }
  }
}

/// One subgraph for another, the graph around it included.
void Structure::exchangeSubgraphs() {
  if (parts.graphs.size() < 2)
    return;
  GraphProto copy = *draw.of(parts.graphs);
  GraphProto &into = *parts.graphs[1 + draw.below(parts.graphs.size() - 1)];
  if (!isLarge(copy))
    into = copy;
}

} // namespace

void mutateStructure(onnx::ModelProto &model, ModelParts &parts, Draw &draw) {
  static constexpr void (Structure::*anywhere[])() = {&Structure::insertNode, &Structure::exposeValue, &Structure::changeInterface, &Structure::exchangeInputAndConstant,
                                                      &Structure::removeNode, &Structure::swapNodes,   &Structure::branchAround,    &Structure::exchangeSubgraphs};
  static constexpr void (Structure::*ofNode[])() = {&Structure::redirectInput, &Structure::redirectInput, &Structure::changeInputs,
                                                    &Structure::changeOutputs, &Structure::duplicateNode, &Structure::changeOperator};
  Structure structure{model, parts, draw};
  (structure.*(parts.nodes.empty() || draw.oneIn(2) ? draw.of(anywhere) : draw.of(ofNode)))();
}

} // namespace tenon::fuzz
