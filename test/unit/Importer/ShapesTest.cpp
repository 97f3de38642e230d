// Free dimensions, the shapes that the user asks for, and shape arithmetic that folds while the model is read.
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::importer::test;
using tenon::ImportOptions;
using testing::IsSubstring;

static ModelBuilder twoInputs() {
  ModelBuilder builder;
  builder.input("a", {"batch", 3, "", "width"}).input("b", {"batch", 7}).output("y").output("z");
  builder.node("Relu", {"a"}, {"y"});
  builder.node("Relu", {"b"}, {"z"});
  return builder;
}
static Imported withShapes(std::vector<std::pair<std::string, std::string>> shapes) {
  ImportOptions options;
  options.shapes = std::move(shapes);
  return import(twoInputs(), options);
}

TEST(InputShapes, FreeDimensionsAreSymbols) {
  Imported result = import(twoInputs());
  EXPECT_PRED_FORMAT2(IsSubstring, "%arg0: tensor<?x3x?x?xf32, #nn.dims<[batch, 3, \"a.dim2\", width]>> {nn.name = \"a\"}", result.text) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "%arg1: tensor<?x7xf32, #nn.dims<[batch, 7]>> {nn.name = \"b\"}", result.text);
}

// Symbols keep the model's names; those that are no identifiers are printed in quotes.
TEST(InputShapes, AwkwardNames) {
  ModelBuilder builder;
  builder.input("x:0", {"batch size", "batch_size", "max", "3d", ""}).output("y").node("Relu", {"x:0"}, {"y"});
  EXPECT_PRED_FORMAT2(IsSubstring, "#nn.dims<[\"batch size\", batch_size, \"max\", \"3d\", \"x:0.dim4\"]>", import(builder).text);
}

TEST(InputShapes, OptionsFixSharedSymbolsEverywhere) {
  EXPECT_PRED_FORMAT2(IsSubstring, "tensor<2x3x32x32xf32>, tensor<2x7xf32>", withShapes({{"a", "2x3x32x32"}}).signature);
  EXPECT_PRED_FORMAT2(IsSubstring, "#nn.dims<[n, 3, h, 32]>", withShapes({{"a", "n,3,h,32"}}).signature);
  EXPECT_PRED_FORMAT2(IsSubstring, "#nn.dims<[batch, 3, \"a.dim2\", 32]>", withShapes({{"a", "?x3x?x32"}}).signature);
}

TEST(InputShapes, BadOptions) {
  EXPECT_PRED_FORMAT2(IsSubstring, "'c': a shape is given for an input that the model does not have; its inputs are 'a', 'b'", withShapes({{"c", "1"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "'b': the wanted shape has 3 dimensions, the input has 2", withShapes({{"b", "1x2x3"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "'b': axis 1 is wanted as 8, but the model fixes it to 7", withShapes({{"b", "1x8"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "'b': axis 0 is wanted as 3, but its dimension 'batch' is also wanted as 2", withShapes({{"a", "2x3x4x5"}, {"b", "3x7"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "has the entry '0'", withShapes({{"b", "0x7"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "has the entry '-1'", withShapes({{"b", "-1x7"}}).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "'b': two shapes are given for one input", withShapes({{"b", "1x7"}, {"b", "1x7"}}).message);
}

TEST(InputShapes, AnInputWithoutAShapeNeedsOne) {
  ModelBuilder builder;
  builder.input("x", {}).output("y").node("Relu", {"x"}, {"y"});
  builder.graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_PRED_FORMAT2(IsSubstring, "the model gives the input no shape; give one: --shape x=", import(builder).message);
  ImportOptions options;
  options.shapes = {{"x", "2,n"}};
  EXPECT_PRED_FORMAT2(IsSubstring, "#nn.dims<[2, n]>", import(builder, options).signature);
}

// x.view(x.size(0), -1) as PyTorch exports it: the chain is gone, the result is typed.
TEST(ShapeArithmetic, ViewFolds) {
  ModelBuilder builder(11);
  builder.input("x", {"batch", 4, 5}).integers("zero", {0}).integers("rest", {-1}).output("y");
  builder.node("Shape", {"x"}, {"shape"});
  onnx::NodeProto &gather = builder.node("Gather", {"shape", "zero"}, {"size"});
  setInteger(gather, "axis", 0);
  setInteger(builder.node("Concat", {"size", "rest"}, {"wanted"}), "axis", 0);
  builder.node("Reshape", {"x", "wanted"}, {"y"});
  Imported result = import(builder);
  EXPECT_PRED_FORMAT2(IsSubstring, "-> tensor<?x20xf32, #nn.dims<[batch, 20]>>", result.signature) << result.message;
  for (const char *op : {"nn.shape", "nn.gather", "nn.concat", "nn.constant"})
    EXPECT_EQ(result.count(op), 0) << op << result.text;
}

// Twice the height, computed: Shape, Slice, Mul, Concat, Resize.
TEST(ShapeArithmetic, SizesOfResizeFold) {
  ModelBuilder builder(13);
  builder.input("x", {1, 3, "h", "w"}).integers("two", {2}).integers("four", {4}).integers("factor", {2}).output("y");
  builder.node("Shape", {"x"}, {"shape"});
  builder.integers("zero", {0});
  builder.node("Slice", {"shape", "zero", "two"}, {"head"});
  builder.node("Slice", {"shape", "two", "four"}, {"tail"});
  builder.node("Mul", {"tail", "factor"}, {"doubled"});
  setInteger(builder.node("Concat", {"head", "doubled"}, {"sizes"}), "axis", 0);
  builder.node("Resize", {"x", "", "", "sizes"}, {"y"});
  Imported result = import(builder);
  EXPECT_PRED_FORMAT2(IsSubstring, "#nn.dims<[1, 3, 2 * h, 2 * w]>", result.signature) << result.message;
  EXPECT_EQ(result.count("nn.shape") + result.count("nn.slice") + result.count("nn.mul"), 0);
}

// SAME pads of a free width: none are needed for stride 1; for stride 2 they depend on it and become an nn.pad.
TEST(ShapeArithmetic, SamePads) {
  for (int64_t stride : {1, 2}) {
    ModelBuilder builder;
    builder.input("x", {1, 1, "w"}).weights("k", {1, 1, 3}, {1, 1, 1}).output("y");
    onnx::NodeProto &conv = builder.node("Conv", {"x", "k"}, {"y"});
    setText(conv, "auto_pad", "SAME_UPPER");
    setIntegers(conv, "strides", {stride});
    Imported result = import(builder);
    ASSERT_TRUE(result.ok) << result.message;
    EXPECT_EQ(result.count("nn.pad"), stride == 1 ? 0 : 1);
    EXPECT_PRED_FORMAT2(IsSubstring, stride == 1 ? "pads = array<i64: 1, 1>" : "pads = array<i64: 0, 0>", result.text);
  }
}

TEST(ShapeArithmetic, SliceClampsItsEnds) {
  ModelBuilder builder(13);
  builder.input("x", {10, "n"}).output("y").integers("starts", {-3, 0}).integers("ends", {INT64_MAX, INT64_MAX});
  builder.node("Slice", {"x", "starts", "ends"}, {"y"});
  EXPECT_PRED_FORMAT2(IsSubstring, "-> tensor<3x?xf32, #nn.dims<[3, n]>>", import(builder).signature);
}
