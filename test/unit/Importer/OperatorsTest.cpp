// Operators whose form changed between opsets, or that become something else in nn.
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::importer::test;
using testing::IsSubstring;

static void expectText(const ModelBuilder &builder, const std::string &part) {
  Imported result = import(builder);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, part, result.text);
}

TEST(Operators, TheTableIsSortedAndWithinTheOpsets) {
  std::vector<tenon::ImportedOperator> operators = tenon::importedOperators();
  EXPECT_GT(operators.size(), 130u);
  for (size_t i = 0; i < operators.size(); ++i) {
    EXPECT_LE(operators[i].since, operators[i].until) << operators[i].name;
    if (i > 0) {
      EXPECT_LT(std::tie(operators[i - 1].domain, operators[i - 1].name), std::tie(operators[i].domain, operators[i].name));
    }
  }
}

// Before opset 13 the axes from `axis` on count as one.
TEST(Operators, SoftmaxOverSeveralAxes) {
  for (int64_t opset : {11, 13}) {
    ModelBuilder builder(opset);
    builder.input("x", {2, 3, 4}).output("y");
    setInteger(builder.node("Softmax", {"x"}, {"y"}), "axis", 1);
    Imported result = import(builder);
    EXPECT_EQ(result.count("nn.reshape"), opset < 13 ? 2 : 0) << result.text << result.message;
    EXPECT_PRED_FORMAT2(IsSubstring, opset < 13 ? "tensor<2x12xf32> -> tensor<2x12xf32>" : "tensor<2x3x4xf32> -> tensor<2x3x4xf32>", result.text);
  }
}

// Only one axis from `axis` on has more than one element: no reshape is needed.
TEST(Operators, SoftmaxOverOnes) {
  ModelBuilder builder(7);
  builder.input("x", {1, 1000, 1, 1}).output("y").node("Softmax", {"x"}, {"y"});
  EXPECT_EQ(import(builder).count("nn.reshape"), 0);
}

TEST(Operators, ClipBoundsAsAttributesAndInputs) {
  ModelBuilder attributes(7), inputs(13);
  attributes.input("x", {4}).output("y");
  onnx::AttributeProto &high = *attributes.node("Clip", {"x"}, {"y"}).add_attribute();
  high.set_name("max");
  high.set_type(onnx::AttributeProto::FLOAT);
  high.set_f(6);
  expectText(attributes, "nn.clip %arg0 {high = 6.000000e+00 : f64}");
  inputs.input("x", {4}).output("y").weights("low", {}, {0}).node("Clip", {"x", "low"}, {"y"});
  expectText(inputs, "nn.clip %arg0 {low = 0.000000e+00 : f64}");
}

TEST(Operators, AxesAsAttributesAndInputs) {
  ModelBuilder attributes(11), inputs(13);
  attributes.input("x", {2, 3}).output("y");
  setIntegers(attributes.node("Unsqueeze", {"x"}, {"y"}), "axes", {0, -1});
  expectText(attributes, "tensor<1x2x3x1xf32>");
  inputs.input("x", {2, 3}).integers("axes", {0, -1}).output("y").node("Unsqueeze", {"x", "axes"}, {"y"});
  expectText(inputs, "tensor<1x2x3x1xf32>");
}

TEST(Operators, UpsampleAndResizeOfOpset10AreAsymmetric) {
  for (auto [opset, type] : {std::pair<int64_t, const char *>{9, "Upsample"}, {10, "Resize"}}) {
    ModelBuilder builder(opset);
    builder.input("x", {1, 3, 4, "w"}).weights("scales", {4}, {1, 1, 2, 2}).output("y");
    builder.node(type, {"x", "scales"}, {"y"});
    expectText(builder, "#nn.dims<[1, 3, 8, 2 * w]>");
    expectText(builder, "asymmetric");
  }
}

TEST(Operators, GemmTakesABiasOrAdds) {
  ModelBuilder bias, matrix;
  bias.input("a", {2, 3}).input("b", {4, 3}).weights("c", {1, 4}, {1, 2, 3, 4}).output("y");
  setInteger(bias.node("Gemm", {"a", "b", "c"}, {"y"}), "transB", 1);
  Imported result = import(bias);
  EXPECT_EQ(result.count("nn.add"), 0) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "transpose_rhs", result.text);
  matrix.input("a", {2, 3}).input("b", {3, 4}).input("c", {2, 4}).output("y").node("Gemm", {"a", "b", "c"}, {"y"});
  EXPECT_EQ(import(matrix).count("nn.add"), 1);
}

TEST(Operators, MatMulOfVectors) {
  ModelBuilder builder;
  builder.input("a", {3}).input("b", {5, 3, 4}).input("c", {4}).output("row").output("column").output("dot");
  builder.node("MatMul", {"a", "b"}, {"row"});
  builder.node("MatMul", {"b", "c"}, {"column"});
  builder.node("MatMul", {"a", "a"}, {"dot"});
  EXPECT_PRED_FORMAT2(IsSubstring, "-> (tensor<5x4xf32>, tensor<5x3xf32>, tensor<f32>)", import(builder).signature);
}

TEST(Operators, EinsumIsAMatrixProduct) {
  const std::tuple<const char *, std::vector<Size>, std::vector<Size>, const char *> cases[] = {
      {"bhqd,bhkd->bhqk", {2, 4, 5, 8}, {2, 4, 6, 8}, "tensor<2x4x5x6xf32>"},
      {"ij,jk", {2, 3}, {3, 4}, "tensor<2x4xf32>"},
      {"...ij,...jk->...ik", {7, 2, 3}, {7, 3, 4}, "tensor<7x2x4xf32>"},
      {"i,j->ji", {2}, {3}, "tensor<3x2xf32>"},
      {"bij,bj->b", {2, 3, 4}, {2, 4}, "tensor<2xf32>"},
  };
  for (const auto &[equation, a, b, type] : cases) {
    ModelBuilder builder;
    builder.input("a", a).input("b", b).output("y");
    setText(builder.node("Einsum", {"a", "b"}, {"y"}), "equation", equation);
    Imported result = import(builder);
    EXPECT_PRED_FORMAT2(IsSubstring, std::string("-> ") + type, result.signature) << equation << result.message;
    EXPECT_EQ(result.count("nn.matmul"), 1);
  }
}

TEST(Operators, SplitIntoEqualAndUnequalParts) {
  ModelBuilder equal(13), unequal(18), listed(13);
  equal.input("x", {6, 2}).output("a").output("b").node("Split", {"x"}, {"a", "b"});
  EXPECT_PRED_FORMAT2(IsSubstring, "(tensor<3x2xf32>, tensor<3x2xf32>)", import(equal).signature);
  unequal.input("x", {7, 2}).output("a").output("b");
  setInteger(unequal.node("Split", {"x"}, {"a", "b"}), "num_outputs", 2);
  EXPECT_PRED_FORMAT2(IsSubstring, "(tensor<4x2xf32>, tensor<3x2xf32>)", import(unequal).signature);
  listed.input("x", {6, 2}).integers("sizes", {1, 4}).output("a").output("b").node("Split", {"x", "sizes"}, {"a", "b"});
  EXPECT_PRED_FORMAT2(IsSubstring, "the parts add up to 5, the axis has 6", import(listed).message);
}

// SAME pads the transpose so that the result is input * stride.
TEST(Operators, ConvTransposeSame) {
  ModelBuilder builder;
  builder.input("x", {1, 1, 5, 5}).weights("k", {1, 1, 3, 3}, std::vector<float>(9, 1)).output("y");
  onnx::NodeProto &node = builder.node("ConvTranspose", {"x", "k"}, {"y"});
  setText(node, "auto_pad", "SAME_UPPER");
  setIntegers(node, "strides", {2, 2});
  expectText(builder, "tensor<1x1x10x10xf32>");
}

TEST(Operators, LSTMWithTheBatchFirst) {
  ModelBuilder builder;
  builder.input("x", {2, 9, 3}).input("w", {1, 16, 3}).input("r", {1, 16, 4}).output("y").output("h");
  setInteger(builder.node("LSTM", {"x", "w", "r"}, {"y", "h"}), "layout", 1);
  EXPECT_PRED_FORMAT2(IsSubstring, "-> (tensor<2x9x1x4xf32>, tensor<2x1x4xf32>)", import(builder).signature);
}

// The recurrence walks what one product has made of the input; directions whose functions differ walk by themselves.
TEST(Operators, RecurrentLayersBesideThePlainLSTM) {
  ModelBuilder gru, rnn(14);
  gru.input("x", {"t", 2, 3}).input("w", {2, 12, 3}).input("r", {2, 12, 4}).output("y").output("h");
  setText(gru.node("GRU", {"x", "w", "r"}, {"y", "h"}), "direction", "bidirectional");
  Imported result = import(gru);
  EXPECT_PRED_FORMAT2(IsSubstring, "(tensor<?x2x2x4xf32, #nn.dims<[t, 2, 2, 4]>>, tensor<2x2x4xf32>)", result.signature) << result.message;
  EXPECT_EQ(result.count("nn.matmul"), 1);
  EXPECT_EQ(result.count("nn.recurrence"), 1);
  rnn.input("x", {5, 2, 3}).input("w", {2, 4, 3}).input("r", {2, 4, 4}).output("y");
  onnx::NodeProto &node = rnn.node("RNN", {"x", "w", "r"}, {"y"});
  setText(node, "direction", "bidirectional");
  onnx::AttributeProto &functions = *node.add_attribute();
  functions.set_name("activations");
  functions.set_type(onnx::AttributeProto::STRINGS);
  functions.add_strings("Tanh");
  functions.add_strings("Relu");
  EXPECT_EQ(import(rnn).count("nn.recurrence"), 2);
}

// Past and new keys are as many as the queries and what came before: the fused op knows that mask. Other forms are spelled out.
TEST(Operators, AttentionWithACacheIsFused) {
  ModelBuilder plain(24), capped(24);
  for (ModelBuilder *builder : {&plain, &capped})
    builder->input("q", {1, 2, "s", 8}).input("k", {1, 2, "s", 8}).input("past", {1, 2, "p", 8}).output("y").output("key").output("value");
  setInteger(plain.node("Attention", {"q", "k", "k", "", "past", "past"}, {"y", "key", "value"}), "is_causal", 1);
  Imported result = import(plain);
  EXPECT_PRED_FORMAT2(IsSubstring, "tensor<1x2x?x8xf32, #nn.dims<[1, 2, p + s, 8]>>", result.signature) << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "{causal", result.text);
  onnx::NodeProto &node = capped.node("Attention", {"q", "k", "k", "", "past", "past"}, {"y", "key", "value"});
  onnx::AttributeProto &softcap = *node.add_attribute();
  softcap.set_name("softcap");
  softcap.set_type(onnx::AttributeProto::FLOAT);
  softcap.set_f(2);
  EXPECT_EQ(import(capped).count("nn.attention"), 0);
  EXPECT_EQ(import(capped).count("nn.softmax"), 1);
}

// The standard allows no other types; what they would compute is not defined.
TEST(Operators, ZeroPointsHaveTheTypeOfWhatTheyBelongTo) {
  ModelBuilder dequantize(13), product(13), quantize(13);
  dequantize.input("x", {4}, onnx::TensorProto::INT8).output("y").weights("s", {}, {1}).input("z", {}, onnx::TensorProto::UINT8);
  dequantize.node("DequantizeLinear", {"x", "s", "z"}, {"y"});
  EXPECT_PRED_FORMAT2(IsSubstring, "the zero point, input 2, has elements of type ui8; those of input 0, i8, were expected", import(dequantize).message);
  product.input("a", {2, 3}, onnx::TensorProto::UINT8).input("b", {3, 2}, onnx::TensorProto::INT8).input("z", {}, onnx::TensorProto::INT8).output("y");
  product.node("MatMulInteger", {"a", "b", "z"}, {"y"});
  EXPECT_PRED_FORMAT2(IsSubstring, "the zero point, input 2, has elements of type i8; those of input 0, ui8, were expected", import(product).message);
  quantize.input("x", {4}).output("y").weights("s", {}, {1}).input("z", {}, onnx::TensorProto::INT32).node("QuantizeLinear", {"x", "s", "z"}, {"y"});
  EXPECT_PRED_FORMAT2(IsSubstring, "results of 32 bits", import(quantize).message);
}
