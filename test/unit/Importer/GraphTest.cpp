// Graphs, functions, branches, and the list of what is not supported.
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::importer::test;
using testing::IsSubstring;

TEST(Graph, UnsortedNodesAreSorted) {
  ModelBuilder builder;
  builder.input("x", {4}).output("c");
  builder.node("Sigmoid", {"b"}, {"c"});
  builder.node("Tanh", {"a"}, {"b"});
  builder.node("Relu", {"x"}, {"a"});
  Imported result = import(builder);
  ASSERT_TRUE(result.ok) << result.message;
  EXPECT_LT(result.text.find("nn.relu"), result.text.find("nn.tanh"));
  EXPECT_LT(result.text.find("nn.tanh"), result.text.find("nn.sigmoid"));
}

// Deep enough to overflow the stack of a recursive walk.
TEST(Graph, ALongChainBackwards) {
  constexpr int length = 20000;
  ModelBuilder builder;
  builder.input("v0", {1}).output("v" + std::to_string(length));
  for (int i = length; i > 0; --i)
    builder.node("Relu", {"v" + std::to_string(i - 1)}, {"v" + std::to_string(i)});
  EXPECT_TRUE(import(builder).ok);
}

TEST(Graph, InputsAndConstantsAsOutputs) {
  ModelBuilder builder;
  builder.input("x", {4}).weights("w", {1}, {3}).output("x").output("w");
  EXPECT_EQ(import(builder).signature, "(tensor<4xf32>) -> (tensor<4xf32>, tensor<1xf32>)");
}

TEST(Graph, UnusedNodesGo) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  builder.node("Relu", {"x"}, {"y"});
  builder.node("Tanh", {"x"}, {"unused"});
  EXPECT_EQ(import(builder).count("nn.tanh"), 0);
}

// The node that reads the name stands between the two.
TEST(Graph, OfConstantsOfOneNameTheLastHolds) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  setInteger(builder.node("Constant", {}, {"size"}), "value_int", 2);
  builder.node("Reshape", {"x", "shape"}, {"y"});
  builder.node("Unsqueeze", {"size", "axis"}, {"shape"});
  setInteger(builder.node("Constant", {}, {"size"}), "value_int", 4);
  builder.integers("axis", {0});
  EXPECT_EQ(import(builder).signature, "(tensor<4xf32>) -> tensor<4xf32>");
}

// --- What is not supported

TEST(Unsupported, EveryNodeIsListedOnce) {
  ModelBuilder builder;
  builder.input("x", {4, 4}).output("y");
  builder.node("Hanning", {"x"}, {"a"});
  builder.node("Hanning", {"x"}, {"b"});
  builder.node("Gelu", {"a"}, {"c"}); // came with opset 20; and its input is unknown
  onnx::NodeProto &plugin = builder.node("MyPlugin", {"c"}, {"d"});
  plugin.set_domain("com.acme");
  builder.node("Relu", {"d"}, {"y"});
  Imported result = import(builder);
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.message, "model.onnx: 3 operators are not supported (opset 17):\n"
                            "  Hanning             x2   first at '/a': the operator is not implemented\n"
                            "  Gelu                x1   at '/c': the operator came with opset 20, the model has 17\n"
                            "  com.acme.MyPlugin   x1   at '/d': domain 'com.acme' is unknown\n"
                            "`tenon ops` lists the operators that are supported.\n");
}

// The declared type of an unknown result lets the nodes behind it be looked at.
TEST(Unsupported, DeclaredTypesCarryOn) {
  ModelBuilder builder;
  builder.input("x", {4, 4}).output("y");
  builder.node("Hanning", {"x"}, {"a"});
  builder.node("Gelu", {"a"}, {"y"});
  onnx::ValueInfoProto &info = *builder.graph.add_value_info();
  info.set_name("a");
  info.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  info.mutable_type()->mutable_tensor_type()->mutable_shape();
  EXPECT_PRED_FORMAT2(IsSubstring, "Gelu      x1   at '/y': the operator came with opset 20, the model has 17", import(builder).message);
}

TEST(Unsupported, ResultsThatNobodyReadsDoNotMatter) {
  ModelBuilder unread, read;
  for (ModelBuilder *builder : {&unread, &read}) {
    builder->input("x", {1, 4, 2}).output("y");
    for (const char *name : {"scale", "bias", "mean", "variance"})
      builder->input(name, {4});
    builder->node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"y", "running"});
  }
  EXPECT_TRUE(import(unread).ok) << import(unread).message;
  read.output("running");
  EXPECT_PRED_FORMAT2(IsSubstring, "BatchNormalization   x1   at '/y': its result 'running' is not supported", import(read).message);
}

// --- Functions

static onnx::FunctionProto &addFunction(ModelBuilder &builder, const std::string &name) {
  onnx::FunctionProto &function = *builder.model.add_functions();
  function.set_domain("local");
  function.set_name(name);
  function.add_input("a");
  function.add_output("r");
  function.add_opset_import()->set_version(17);
  auto importLocal = [](auto &imports) {
    onnx::OperatorSetIdProto &import = *imports.Add();
    import.set_domain("local");
    import.set_version(1);
  };
  importLocal(*function.mutable_opset_import());
  if (builder.model.functions_size() == 1)
    importLocal(*builder.model.mutable_opset_import());
  return function;
}
static void addNode(onnx::FunctionProto &function, const std::string &type, const std::string &input, const std::string &output, const std::string &domain = "") {
  onnx::NodeProto &node = *function.add_node();
  node.set_op_type(type);
  node.set_domain(domain);
  node.set_name(type);
  node.add_input(input);
  node.add_output(output);
}

TEST(Functions, AreExpandedWithTheirAttributes) {
  ModelBuilder builder;
  builder.input("x", {4, 4}).output("y");
  onnx::FunctionProto &function = addFunction(builder, "Normal");
  addNode(function, "Softmax", "a", "r");
  function.add_attribute("along");
  onnx::AttributeProto &reference = *function.mutable_node(0)->add_attribute();
  reference.set_name("axis");
  reference.set_type(onnx::AttributeProto::INT);
  reference.set_ref_attr_name("along");
  onnx::NodeProto &first = builder.node("Normal", {"x"}, {"z"}), &second = builder.node("Normal", {"z"}, {"y"});
  first.set_domain("local");
  second.set_domain("local");
  setInteger(first, "along", 0);
  Imported result = import(builder);
  EXPECT_PRED_FORMAT2(IsSubstring, "axis = 0", result.text) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "axis = 1", result.text); // the attribute is left out: Softmax's default, -1
}

TEST(Functions, RecursionAndExplosionAreRefused) {
  ModelBuilder recursive, explosive;
  recursive.input("x", {4}).output("y").node("F", {"x"}, {"y"}).set_domain("local");
  addNode(addFunction(recursive, "F"), "F", "a", "r", "local");
  EXPECT_PRED_FORMAT2(IsSubstring, "the function 'F' calls itself", import(recursive).message);
  // Each of 40 functions calls the next one twice: 2^40 nodes.
  explosive.input("x", {4}).output("y").node("F0", {"x"}, {"y"}).set_domain("local");
  for (int i = 0; i < 40; ++i) {
    onnx::FunctionProto &function = addFunction(explosive, "F" + std::to_string(i));
    addNode(function, i == 39 ? "Relu" : "F" + std::to_string(i + 1), "a", "b", i == 39 ? "" : "local");
    addNode(function, i == 39 ? "Relu" : "F" + std::to_string(i + 1), "b", "r", i == 39 ? "" : "local");
  }
  EXPECT_PRED_FORMAT2(IsSubstring, "the model expands to more than 250000 nodes", import(explosive).message);
}

// --- Branches

static onnx::AttributeProto &addBranch(onnx::NodeProto &node, const std::string &name, const std::string &type, const std::string &input) {
  onnx::AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::NodeProto &inner = *attribute.mutable_g()->add_node();
  inner.set_op_type(type);
  inner.add_input(input);
  inner.add_output("r");
  attribute.mutable_g()->add_output()->set_name("r");
  return attribute;
}

// "Squeeze if the size is 1", as exporters write it: the size is known, so is the branch.
TEST(Branches, AKnownConditionSelectsOne) {
  ModelBuilder builder;
  builder.input("x", {1, 4}).integers("axis", {0}).integers("one", {1}).output("y");
  builder.node("Shape", {"x"}, {"shape"});
  builder.node("Gather", {"shape", "axis"}, {"size"});
  builder.node("Equal", {"size", "one"}, {"condition"});
  onnx::NodeProto &branch = builder.node("If", {"condition"}, {"y"});
  addBranch(branch, "then_branch", "Relu", "x");
  addBranch(branch, "else_branch", "Tanh", "x");
  Imported result = import(builder);
  EXPECT_EQ(result.count("nn.relu"), 1) << result.message;
  EXPECT_EQ(result.count("nn.tanh"), 0);
}

// Otherwise both are functions of the module, and the run chooses.
TEST(Branches, AnUnknownConditionIsACall) {
  ModelBuilder builder;
  builder.input("x", {4}).input("c", {}, onnx::TensorProto::BOOL).output("y");
  onnx::NodeProto &branch = builder.node("If", {"c"}, {"y"});
  addBranch(branch, "then_branch", "Relu", "x");
  addBranch(branch, "else_branch", "Tanh", "x");
  Imported result = import(builder);
  for (const char *op : {"nn.if", "nn.relu", "nn.tanh"})
    EXPECT_EQ(result.count(op), 1) << op << " " << result.message;
}

// A branch that cannot be compiled may never be taken: the other one is compiled, and the run fails where it is not the right one.
TEST(Branches, OneThatIsUnsupportedEndsTheRun) {
  ModelBuilder builder;
  builder.input("x", {4}).input("c", {}, onnx::TensorProto::BOOL).output("y");
  onnx::NodeProto &branch = builder.node("If", {"c"}, {"y"});
  addBranch(branch, "then_branch", "Relu", "x");
  addBranch(branch, "else_branch", "ImageDecoder", "x");
  Imported result = import(builder);
  for (const char *op : {"nn.require", "nn.relu"})
    EXPECT_EQ(result.count(op), 1) << op << " " << result.message;
  EXPECT_EQ(result.count("nn.if"), 0);
}

TEST(Branches, NoneThatIsSupported) {
  ModelBuilder builder;
  builder.input("x", {4}).input("c", {}, onnx::TensorProto::BOOL).output("y");
  onnx::NodeProto &branch = builder.node("If", {"c"}, {"y"});
  addBranch(branch, "then_branch", "ImageDecoder", "x");
  addBranch(branch, "else_branch", "ImageDecoder", "x");
  EXPECT_PRED_FORMAT2(IsSubstring, "If   x1   at '/y': neither branch can be compiled", import(builder).message);
}
