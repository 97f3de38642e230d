// Files that are no models, or models that break ONNX's rules: a message that names the file and the place, no crash.
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>
#include <random>

using namespace tenon::importer::test;
using testing::IsSubstring;

static ModelBuilder relu() {
  ModelBuilder builder;
  builder.input("x", {1, 4}).output("y").node("Relu", {"x"}, {"y"});
  return builder;
}

static void expectError(const ModelBuilder &builder, const std::string &part) {
  Imported result = import(builder);
  EXPECT_FALSE(result.ok);
  EXPECT_PRED_FORMAT2(IsSubstring, part, result.message);
  EXPECT_PRED_FORMAT2(IsSubstring, "model.onnx: ", result.message);
}

TEST(BadFiles, EmptyMissingAndFolders) {
  EXPECT_PRED_FORMAT2(IsSubstring, "model.onnx: is empty", importBytes("").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "m.onnx: cannot be opened: No such file", importPath("/nowhere/m.onnx").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "is not a regular file", importPath("/tmp").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "is not a regular file", importPath("/dev/zero").message);
}

TEST(BadFiles, OtherFormats) {
  EXPECT_PRED_FORMAT2(IsSubstring, "is not a whole ONNX model", importBytes("import numpy as np\n").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "model.onnx: is not", importBytes("\x89PNG\r\n\x1a\n").message);
  EXPECT_PRED_FORMAT2(IsSubstring, "is not a whole ONNX model", importBytes(std::string(1000, '\0')).message);
}

TEST(BadFiles, TruncatedAnywhere) {
  std::string bytes = relu().bytes();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(importBytes(bytes.substr(0, size)).ok) << size;
}

TEST(BadFiles, RandomBytesAndRandomDamage) {
  std::mt19937 random(1);
  std::string bytes = relu().bytes();
  for (int i = 0; i < 300; ++i) {
    std::string noise(random() % 200, '\0'), damaged = bytes;
    for (char &byte : noise)
      byte = char(random());
    importBytes(noise);
    damaged[random() % damaged.size()] = char(random());
    importBytes(damaged); // may be a good model still
  }
}

TEST(BadFiles, Versions) {
  expectError(ModelBuilder(0), "opset 0 is not supported; 1 to 28 are");
  expectError(ModelBuilder(29), "opset 29 is not supported");
  expectError(ModelBuilder(17, 2), "IR version 2 is not supported");
  expectError(ModelBuilder(17, 1000), "IR version 1000 is not supported");
}

TEST(BadFiles, Cycle) {
  ModelBuilder builder;
  builder.input("x", {4}).output("a");
  builder.node("Add", {"x", "b"}, {"a"});
  builder.node("Relu", {"a"}, {"b"});
  expectError(builder, "the graph has a cycle of 2 nodes: '/a' (Add) needs '/b' (Relu) needs '/a' (Add)");
}

TEST(BadFiles, DanglingNames) {
  ModelBuilder input, output;
  input.input("x", {4}).output("y").node("Add", {"x", "weights"}, {"y"});
  expectError(input, "at '/y' (Add): input 'weights' is neither a graph input nor an initializer, and no node produces it");
  output.input("x", {4}).output("z").node("Relu", {"x"}, {"y"});
  expectError(output, "'z': the graph output is produced by no node");
}

TEST(BadFiles, TwoOfAName) {
  ModelBuilder nodes, inputs, initializers, shadow;
  nodes.input("x", {4}).output("y");
  nodes.node("Relu", {"x"}, {"y"});
  nodes.node("Sigmoid", {"x"}, {"y"});
  expectError(nodes, "'y' is produced by two nodes: '/y' (Relu) and '/y' (Sigmoid)");
  inputs.input("x", {4}).input("x", {4}).output("y").node("Relu", {"x"}, {"y"});
  expectError(inputs, "two of the same name");
  initializers.weights("w", {1}, {1}).weights("w", {1}, {2}).output("y").node("Relu", {"w"}, {"y"});
  expectError(initializers, "'w': two initializers have the same name");
  shadow.input("x", {4}).weights("w", {1}, {1}).output("w").node("Relu", {"x"}, {"w"});
  expectError(shadow, "at '/w' (Relu): result 'w' has the name of another tensor");
}

TEST(BadFiles, NodesWithWrongInputs) {
  ModelBuilder few = relu(), many = relu(), gap = relu(), types, rank;
  few.node("Add", {"x"}, {"z"});
  expectError(few, "at '/z' (Add): the node has 1 inputs; 2 to 2 were expected");
  many.node("Relu", {"x", "x"}, {"z"});
  expectError(many, "the node has 2 inputs");
  gap.node("Min", {"x", "", "x"}, {"z"});
  expectError(gap, "at '/z' (Min): input 1 is missing");
  types.input("x", {4}).input("i", {4}, onnx::TensorProto::INT64).output("y").node("Add", {"x", "i"}, {"y"});
  expectError(types, "different types: f32 and i64");
  rank.input("x", {4}).input("w", {4, 4, 3, 3}).output("y").node("Conv", {"x", "w"}, {"y"});
  expectError(rank, "the input has rank 1, the weights rank 4");
}

TEST(BadFiles, ShapesThatDoNotFit) {
  ModelBuilder add, concat, matmul, reshape;
  add.input("a", {4}).input("b", {3}).output("y").node("Add", {"a", "b"}, {"y"});
  expectError(add, "at '/y' (Add): ");
  concat.input("a", {2, 4}).input("b", {2, 3}).output("y");
  setInteger(concat.node("Concat", {"a", "b"}, {"y"}), "axis", 0);
  expectError(concat, "at '/y' (Concat): ");
  matmul.input("a", {2, 4}).input("b", {3, 5}).output("y").node("MatMul", {"a", "b"}, {"y"});
  expectError(matmul, "at '/y' (MatMul): ");
  reshape.input("a", {2, 4}).integers("shape", {3, -1}).output("y").node("Reshape", {"a", "shape"}, {"y"});
  expectError(reshape, "8 elements cannot be divided into 3");
}

TEST(BadFiles, AttributesOfWrongTypesAndValues) {
  ModelBuilder type = relu(), axis = relu(), permutation = relu();
  setText(type.node("Softmax", {"x"}, {"z"}), "axis", "last");
  expectError(type, "attribute 'axis' has the type STRING; INT was expected");
  setInteger(axis.node("Softmax", {"x"}, {"z"}), "axis", 7);
  expectError(axis, "axis 7 is outside a tensor of rank 2");
  setIntegers(permutation.node("Transpose", {"x"}, {"z"}), "perm", {0, 0});
  expectError(permutation, "perm is no permutation of 2 axes");
}

TEST(BadFiles, WrongOutputType) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y", onnx::TensorProto::INT64).node("Relu", {"x"}, {"y"});
  expectError(builder, "'y': the graph output is declared with elements of type 'i64', but they are 'f32'");
}

TEST(BadFiles, SizesThatOverflow) {
  ModelBuilder input, result, initializer;
  input.input("x", {int64_t(1) << 40, int64_t(1) << 40}).output("y").node("Relu", {"x"}, {"y"});
  expectError(input, "'x': the input's size overflows");
  result.input("x", {1 << 30}).integers("repeats", {int64_t(1) << 40}).output("y").node("Tile", {"x", "repeats"}, {"y"});
  expectError(result, "at '/y' (Tile): ");
  // 10^12 elements are claimed, 4 bytes are there: nothing is allocated.
  initializer.weights("w", {1000000, 1000000}, {1.0f}).output("y").node("Relu", {"w"}, {"y"});
  expectError(initializer, "'w': the tensor holds 4 bytes; its type and dimensions need 4000000000000");
}
