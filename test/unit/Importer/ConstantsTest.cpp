// Initializers and Constant nodes: every way in which ONNX stores a tensor.
#include "test/unit/Importer/ModelBuilder.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace tenon::importer::test;
using onnx::TensorProto;
using testing::IsSubstring;

/// A model whose output is the tensor.
static Imported importTensor(const TensorProto &tensor) {
  ModelBuilder builder;
  *builder.graph.add_initializer() = tensor;
  builder.output(tensor.name(), tensor.data_type());
  return import(builder);
}

static TensorProto tensorOf(int32_t type, std::initializer_list<int64_t> shape) {
  TensorProto tensor;
  tensor.set_name("t");
  tensor.set_data_type(type);
  for (int64_t size : shape)
    tensor.add_dims(size);
  return tensor;
}

TEST(Constants, RawData) {
  TensorProto floats = tensorOf(TensorProto::FLOAT, {3}), halves = tensorOf(TensorProto::FLOAT16, {2}), bits = tensorOf(TensorProto::BOOL, {3});
  const float values[] = {1.0f, -2.5f, 0.0f};
  floats.set_raw_data(values, sizeof(values));
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[1.000000e+00, -2.500000e+00, 0.000000e+00]> : tensor<3xf32>", importTensor(floats).text);
  const uint16_t halfBits[] = {0x3c00, 0xc000}; // 1, -2
  halves.set_raw_data(halfBits, sizeof(halfBits));
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf16>", importTensor(halves).text);
  bits.set_raw_data("\1\0\1", 3);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[true, false, true]> : tensor<3xi1>", importTensor(bits).text);
}

TEST(Constants, TypedFields) {
  TensorProto floats = tensorOf(TensorProto::FLOAT, {2}), bytes = tensorOf(TensorProto::UINT8, {2}), small = tensorOf(TensorProto::INT8, {2});
  floats.add_float_data(0.5f);
  floats.add_float_data(2.0f);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[5.000000e-01, 2.000000e+00]> : tensor<2xf32>", importTensor(floats).text);
  bytes.add_int32_data(200);
  bytes.add_int32_data(1);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[200, 1]> : tensor<2xui8>", importTensor(bytes).text);
  small.add_int32_data(-3);
  small.add_int32_data(3);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[-3, 3]> : tensor<2xi8>", importTensor(small).text);

  TensorProto halves = tensorOf(TensorProto::BFLOAT16, {}), doubles = tensorOf(TensorProto::DOUBLE, {}), wide = tensorOf(TensorProto::UINT64, {1});
  halves.add_int32_data(0x3f80); // the bits of 1
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<1.000000e+00> : tensor<bf16>", importTensor(halves).text);
  doubles.add_double_data(0.25);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<2.500000e-01> : tensor<f64>", importTensor(doubles).text);
  wide.add_uint64_data(1u << 31);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<2147483648> : tensor<1xui64>", importTensor(wide).text);
}

TEST(Constants, EmptyTensor) {
  Imported result = importTensor(tensorOf(TensorProto::FLOAT, {0, 3}));
  EXPECT_PRED_FORMAT2(IsSubstring, "tensor<0x3xf32>", result.signature) << result.message;
}

// More than 1 KB is a resource, named after the initializer, however the model stores it.
TEST(Constants, LargeTensorsAreResources) {
  TensorProto raw = tensorOf(TensorProto::FLOAT, {300}), typed = raw;
  raw.set_raw_data(std::string(1200, '\0'));
  EXPECT_PRED_FORMAT2(IsSubstring, "dense_resource<w0.t> : tensor<300xf32>", importTensor(raw).text);
  for (int i = 0; i < 300; ++i)
    typed.add_float_data(float(i));
  EXPECT_PRED_FORMAT2(IsSubstring, "dense_resource<w0.t> : tensor<300xf32>", importTensor(typed).text);
}

TEST(Constants, WrongSizes) {
  TensorProto raw = tensorOf(TensorProto::FLOAT, {4}), typed = raw, negative = tensorOf(TensorProto::FLOAT, {-4}), both = tensorOf(TensorProto::INT64, {2});
  raw.set_raw_data("12345");
  EXPECT_PRED_FORMAT2(IsSubstring, "'t': the tensor holds 5 bytes; its type and dimensions need 16", importTensor(raw).message);
  typed.add_float_data(1);
  EXPECT_PRED_FORMAT2(IsSubstring, "the tensor holds 1 values; its dimensions need 4", importTensor(typed).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "negative dimension", importTensor(negative).message);
  both.add_float_data(1);
  both.add_float_data(2); // in the wrong field
  EXPECT_PRED_FORMAT2(IsSubstring, "the tensor holds 0 values", importTensor(both).message);
}

TEST(Constants, TypesThatNoTensorOfNNHas) {
  EXPECT_PRED_FORMAT2(IsSubstring, "'t': the tensor has 0 strings; 1 were expected", importTensor(tensorOf(TensorProto::STRING, {1})).message);
  EXPECT_PRED_FORMAT2(IsSubstring, "element type 7777", importTensor(tensorOf(7777, {2})).message);
}

TEST(Constants, AttributesOfConstantNodes) {
  ModelBuilder builder;
  for (const char *name : {"f", "i", "fs", "is"}) {
    onnx::AttributeProto &attribute = *builder.node("Constant", {}, {name}).add_attribute();
    attribute.set_name(std::string("value_") + (name[0] == 'f' ? "float" : "int") + (name[1] ? "s" : ""));
    bool isFloat = name[0] == 'f', isList = name[1] == 's';
    attribute.set_type(isList ? (isFloat ? onnx::AttributeProto::FLOATS : onnx::AttributeProto::INTS) : (isFloat ? onnx::AttributeProto::FLOAT : onnx::AttributeProto::INT));
    if (!isList)
      isFloat ? attribute.set_f(1.5f) : attribute.set_i(7);
    for (int i = 1; i < 3 && isList; ++i)
      isFloat ? attribute.add_floats(float(i)) : attribute.add_ints(i);
    builder.output(name, name[0] == 'f' ? TensorProto::FLOAT : TensorProto::INT64);
  }
  Imported result = import(builder);
  EXPECT_EQ(result.signature, "() -> (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xi64>)") << result.message;
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<1.500000e+00> : tensor<f32>", result.text);
  EXPECT_PRED_FORMAT2(IsSubstring, "dense<[1, 2]> : tensor<2xi64>", result.text);
}

// Before IR version 4 every initializer is listed as an input too.
TEST(Constants, InitializersThatAreInputs) {
  ModelBuilder builder(7, 3);
  builder.input("x", {2}).input("w", {2}).weights("w", {2}, {1, 2}).output("y").node("Add", {"x", "w"}, {"y"});
  EXPECT_EQ(import(builder).signature, "(tensor<2xf32>) -> tensor<2xf32>");
}
