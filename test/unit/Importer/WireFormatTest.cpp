#include "lib/Importer/WireFormat.h"
#include "lib/Importer/OnnxProto.h"
#include "test/unit/Importer/ModelBuilder.h"

#include <gtest/gtest.h>

using namespace tenon::importer;
using test::ModelBuilder;

// A model with 4 MB of weights slims to its structure; raw_data says where the weights lie in the original.
TEST(WireFormat, LeavesWeightsOut) {
  ModelBuilder builder;
  builder.weights("w", {1024, 1024}, std::vector<float>(1 << 20, 0.5f));
  builder.graph.set_doc_string(std::string(100000, 'd'));
  std::string bytes = builder.bytes(), error;
  std::optional<std::string> slim = slimModel(bytes, error);
  ASSERT_TRUE(slim) << error;
  EXPECT_LT(slim->size(), 200u);

  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*slim));
  const onnx::TensorProto &tensor = model.graph().initializer(0);
  EXPECT_EQ(tensor.name(), "w");
  std::optional<ByteRange> range = ByteRange::decode(tensor.raw_data());
  ASSERT_TRUE(range);
  EXPECT_EQ(range->size, size_t(4) << 20);
  EXPECT_EQ(bytes.substr(range->offset, range->size), builder.graph.initializer(0).raw_data());
}

// Constants' tensors are attributes of nodes, also within branches and functions.
TEST(WireFormat, FindsTensorsOfAttributesAndBranches) {
  ModelBuilder builder;
  onnx::AttributeProto &branch = *builder.node("If", {"c"}, {"y"}).add_attribute();
  onnx::NodeProto &inner = *branch.mutable_g()->add_node();
  inner.add_attribute()->mutable_t()->set_raw_data(std::string(5000, 'a'));
  onnx::NodeProto &body = *builder.model.add_functions()->add_node();
  body.add_attribute()->mutable_t()->set_raw_data(std::string(6000, 'b'));
  std::string bytes = builder.bytes(), error;
  std::optional<std::string> slim = slimModel(bytes, error);
  ASSERT_TRUE(slim) << error;
  EXPECT_LT(slim->size(), 300u);
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*slim));
  auto contents = [&](const onnx::NodeProto &node) {
    std::optional<ByteRange> range = ByteRange::decode(node.attribute(0).t().raw_data());
    return range ? bytes.substr(range->offset, range->size) : "";
  };
  EXPECT_EQ(contents(model.graph().node(0).attribute(0).g().node(0)), std::string(5000, 'a'));
  EXPECT_EQ(contents(model.functions(0).node(0)), std::string(6000, 'b'));
}

TEST(WireFormat, SaysWhereTheBytesBreak) {
  std::string bytes = ModelBuilder().weights("w", {4}, {1, 2, 3, 4}).bytes(), error;
  EXPECT_FALSE(slimModel(llvm::StringRef(bytes).drop_back(1), error));
  EXPECT_NE(error.find("cut short"), std::string::npos) << error;
  EXPECT_FALSE(slimModel("plain text, not protobuf", error));
  // Field 7 (graph) of 2^63 bytes.
  EXPECT_FALSE(slimModel(llvm::StringRef("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10), error));
}

// 200 graphs within each other: the protobuf runtime stops at 100, and so does the scan.
TEST(WireFormat, LimitsNesting) {
  onnx::GraphProto graph;
  for (int i = 0; i < 200; ++i) {
    onnx::GraphProto outer;
    outer.add_node()->add_attribute()->mutable_g()->Swap(&graph);
    graph.Swap(&outer);
  }
  ModelBuilder builder;
  builder.graph.Swap(&graph);
  std::string error;
  EXPECT_FALSE(slimModel(builder.bytes(), error));
  EXPECT_NE(error.find("deeper"), std::string::npos) << error;
}
