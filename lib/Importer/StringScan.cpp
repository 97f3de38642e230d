#include "lib/Importer/StringScan.h"

namespace tenon::importer {
using namespace mlir;

onnx::NodeProto &addNode(onnx::GraphProto &graph, StringRef op, std::initializer_list<const char *> inputs, const char *output) {
  onnx::NodeProto &made = *graph.add_node();
  made.set_op_type(op.str());
  for (const char *input : inputs)
    made.add_input(input);
  made.add_output(output);
  return made;
}

onnx::GraphProto &bodyOf(onnx::NodeProto &scan) {
  onnx::AttributeProto &count = *scan.add_attribute(), &body = *scan.add_attribute();
  count.set_name("num_scan_inputs");
  count.set_type(onnx::AttributeProto::INT);
  count.set_i(1);
  body.set_name("body");
  body.set_type(onnx::AttributeProto::GRAPH);
  return *body.mutable_g();
}

Value onlyResult(Node &node, const onnx::GraphProto &graph, ArrayRef<std::pair<StringRef, Value>> bindings) {
  SmallVector<Value> results;
  if (node.failed())
    return {};
  if (mlir::failed(node.importer.inlineBranch(graph, node.scope, results, bindings)))
    node.stop();
  else if (!results[0])
    node.unsupported("a Scan over its characters");
  return node.failed() ? Value() : results[0];
}

} // namespace tenon::importer
