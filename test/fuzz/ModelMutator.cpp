#include "test/fuzz/ModelMutator.h"
#include "test/fuzz/Mutations.h"

#include <map>

namespace tenon::fuzz {

void mutateModel(onnx::ModelProto &model, unsigned seed) {
  Draw draw(seed);
  // Most mutants differ in one place: they are accepted more often, and easier to understand.
  size_t changes = draw.oneIn(2) ? 1 : 1 + draw.below(4);
  for (size_t i = 0; i < changes; ++i) {
    ModelParts parts(model);
    size_t kind = draw.below(32);
    if (kind < 13)
      mutateStructure(model, parts, draw);
    else if (kind < 22)
      mutateTypes(parts, draw);
    else if (kind < 31)
      mutateAttributes(parts, draw);
    else
      mutateVersions(model, draw);
  }
}

void crossModels(onnx::ModelProto &model, const onnx::ModelProto &other, unsigned seed) {
  Draw draw(seed);
  if (other.graph().node_size() == 0)
    return;
  ModelParts parts(model);
  NodeList &into = *draw.of(parts.lists);
  onnx::GraphProto &graph = *model.mutable_graph();
  const std::string prefix = "x" + std::to_string(parts.names.size()) + "_";
  auto renamed = [&](const std::string &name) { return name.empty() ? name : prefix + name; };
  for (const onnx::TensorProto &tensor : other.graph().initializer()) {
    onnx::TensorProto &copy = *graph.add_initializer();
    copy = tensor;
    copy.set_name(renamed(tensor.name()));
  }
  // The other model's inputs are values of this one, or inputs too.
  std::map<std::string, std::string> fed;
  for (const onnx::ValueInfoProto &input : other.graph().input()) {
    if (!parts.names.empty() && !draw.oneIn(3)) {
      fed[input.name()] = draw.of(parts.names);
      continue;
    }
    onnx::ValueInfoProto &copy = *graph.add_input();
    copy = input;
    copy.set_name(renamed(input.name()));
  }
  for (const onnx::NodeProto &node : other.graph().node()) {
    onnx::NodeProto &copy = *into.Add();
    copy = node;
    for (std::string &name : *copy.mutable_input())
      name = fed.contains(name) ? fed[name] : renamed(name);
    for (std::string &name : *copy.mutable_output())
      name = renamed(name);
  }
  for (const onnx::ValueInfoProto &output : other.graph().output())
    if (&into == graph.mutable_node() || draw.oneIn(2)) {
      onnx::ValueInfoProto &copy = *graph.add_output();
      copy = output;
      copy.set_name(renamed(output.name()));
    }
}

static void addConstant(NodeList &list, const std::string &name, int64_t value) {
  onnx::NodeProto &node = *list.Add();
  node.set_op_type("Constant");
  node.add_output(name);
  onnx::AttributeProto &attribute = *node.add_attribute();
  attribute.set_name("value");
  attribute.set_type(onnx::AttributeProto::TENSOR);
  attribute.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  attribute.mutable_t()->add_int64_data(value);
}

bool boundLoops(onnx::ModelProto &model, int64_t most) {
  bool any = false;
  ModelParts parts(model);
  int count = 0;
  for (NodeList *list : parts.lists)
    for (int i = 0, size = list->size(); i < size; ++i) {
      if ((*list)[i].op_type() != "Loop" || (*list)[i].input_size() == 0)
        continue;
      any = true;
      std::string bound = "fuzz_most" + std::to_string(count), trips = "fuzz_trips" + std::to_string(count);
      ++count;
      std::string given = (*list)[i].input(0);
      (*list)[i].set_input(0, given.empty() ? bound : trips);
      addConstant(*list, bound, most);
      if (given.empty())
        continue;
      onnx::NodeProto &least = *list->Add();
      least.set_op_type("Min");
      least.add_input(given);
      least.add_input(bound);
      least.add_output(trips);
    }
  return any;
}

} // namespace tenon::fuzz
