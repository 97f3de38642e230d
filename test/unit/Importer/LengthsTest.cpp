// Lengths of vectors that the types leave free: taken from what fixes them, or refused.
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::importer::test;
using testing::IsSubstring;

/// x [2, n], and a vector of a free length as the second input of `type`.
static ModelBuilder withVector(const std::string &type, int64_t opset = 18) {
  ModelBuilder builder(opset);
  builder.input("x", {2, "n"}).input("v", {"k"}, onnx::TensorProto::INT64).output("y");
  builder.node(type, {"x", "v"}, {"y"});
  return builder;
}

static void declareRank(ModelBuilder &builder, int64_t rank) {
  onnx::TensorShapeProto *shape = builder.graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  for (int64_t i = 0; i < rank; ++i)
    shape->add_dim();
}

// The rank of the result would be the length: it must be declared.
TEST(FreeLengths, NeedTheRankOfTheResult) {
  for (const char *type : {"Reshape", "Expand", "Squeeze", "Unsqueeze"}) {
    ModelBuilder builder = withVector(type);
    Imported result = import(builder);
    EXPECT_FALSE(result.ok) << type;
    EXPECT_PRED_FORMAT2(IsSubstring, "input 1 has as many entries as only the run knows, and the model does not declare the rank of the result",
                        result.message)
        << type;
    declareRank(builder, std::string(type) == "Squeeze" ? 1 : 3);
    result = import(builder);
    EXPECT_TRUE(result.ok) << type << result.message;
    EXPECT_PRED_FORMAT2(IsSubstring, "nn.require #nn.expr<k>", result.text) << type;
  }
}

// What only keeps the rank passes it on, back from a declared output.
TEST(FreeLengths, TheRankOfAnOutputHoldsForWhatLeadsThere) {
  ModelBuilder builder(18);
  builder.input("x", {2, "n"}).input("v", {"k"}, onnx::TensorProto::INT64).output("y");
  setInteger(builder.node("ReduceSum", {"x", "v"}, {"s"}), "keepdims", 0);
  builder.node("Log", {"s"}, {"l"});
  builder.node("Neg", {"l"}, {"y"});
  declareRank(builder, 1);
  Imported result = import(builder);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "\"the axes that are left\"", result.text);
}

TEST(FreeLengths, FollowFromTheRankOfTheInput) {
  EXPECT_PRED_FORMAT2(IsSubstring, "nn.require #nn.expr<k>, #nn.expr<2>", import(withVector("Tile")).text);
  EXPECT_PRED_FORMAT2(IsSubstring, "nn.require #nn.expr<k>, #nn.expr<4>", import(withVector("Pad")).text);
}

// Axes that a node leaves out are as many as there are starts, however many that is.
TEST(FreeLengths, OfSlicesMayStayFree) {
  ModelBuilder builder(18);
  builder.input("x", {2, "n"}).output("y");
  for (const char *name : {"starts", "ends"})
    builder.input(name, {std::string(name).c_str()}, onnx::TensorProto::INT64);
  builder.node("Slice", {"x", "starts", "ends"}, {"y"});
  Imported result = import(builder);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "nn.require #nn.expr<ends>, #nn.expr<starts>, \"the length of input 2\"", result.text);
}

// Two sizes that are known and differ are a mistake of the model, not of a run.
TEST(FreeLengths, KnownSizesMustFit) {
  ModelBuilder builder(28, 12);
  builder.input("gate", {2, 3}).input("x", {2, 4}).output("y").node("SwiGLU", {"gate", "x"}, {"y"});
  Imported result = import(builder);
  EXPECT_FALSE(result.ok);
  EXPECT_PRED_FORMAT2(IsSubstring, "the sizes of the gate, and of the other input: found 3, expected 4", result.message);
}

TEST(Ngrams, AreCheckedAgainstThePool) {
  ModelBuilder builder(18);
  builder.input("x", {5}, onnx::TensorProto::INT64).output("y");
  onnx::NodeProto &node = builder.node("TfIdfVectorizer", {"x"}, {"y"});
  setText(node, "mode", "TF");
  setIntegers(node, "pool_int64s", {1, 2, 3});
  setIntegers(node, "ngram_counts", {0, 1});
  setIntegers(node, "ngram_indexes", {0});
  setInteger(node, "min_gram_length", 1);
  setInteger(node, "max_gram_length", 2);
  setInteger(node, "max_skip_count", 0);
  Imported result = import(builder);
  EXPECT_FALSE(result.ok);
  EXPECT_PRED_FORMAT2(IsSubstring, "ngram_indexes has 1 entries; there are more n-grams", result.message);
}
