// Attributes, and versions.
#include "test/fuzz/Mutations.h"

#include <algorithm>

namespace tenon::fuzz {
using onnx::AttributeProto;

static std::string drawWord(Draw &draw) {
  static constexpr const char *words[] = {
      "",       "NOTSET",     "VALID",    "SAME_UPPER",    "SAME_LOWER", "constant", "edge",      "reflect", "wrap",    "linear", "nearest",         "cubic",    "bilinear",   "half_pixel",
      "floor",  "asymmetric", "ceil",     "align_corners", "add",        "mul",      "min",       "max",     "none",    "mean",   "sum",             "forward",  "reverse",    "bidirectional",
      "Relu",   "Tanh",       "Softplus", "ij,jk->ik",     "ii->i",      "...i->i",  "ij,k->...", "DCR",     "CRD",     "tanh",   "stretch",         "SOFTMAX",  "NONE",       "LEFT",
      "RIGHT",  "zeros",      "border",   "avg",           "L1",         "MAX",      "SUM",       "BRANCH_LEQ", "LEAF", "n",      "not_larger",      "not_smaller", "\xff\xfe", "tf_crop_and_resize",
      "a,b->ab", "->", ",", "pytorch_half_pixel", "round_prefer_floor", "half_pixel_symmetric"};
  return draw.of(words);
}

static void mutateInts(AttributeProto &attribute, Draw &draw) {
  auto &list = *attribute.mutable_ints();
  switch (list.empty() ? 0 : draw.below(4)) {
  case 0: list.Add(draw.integer()); break;
  case 1: list.RemoveLast(); break;
  case 2: list.SwapElements(int(draw.below(size_t(list.size()))), int(draw.below(size_t(list.size())))); break;
  default: list.Set(int(draw.below(size_t(list.size()))), draw.integer());
  }
}

static void mutateFloats(AttributeProto &attribute, Draw &draw) {
  auto &list = *attribute.mutable_floats();
  switch (list.empty() ? 0 : draw.below(3)) {
  case 0: list.Add(draw.number()); break;
  case 1: list.RemoveLast(); break;
  default: list.Set(int(draw.below(size_t(list.size()))), draw.number());
  }
}

static void mutateStrings(AttributeProto &attribute, Draw &draw) {
  auto &list = *attribute.mutable_strings();
  switch (list.empty() ? 0 : draw.below(3)) {
  case 0: *list.Add() = drawWord(draw); break;
  case 1: list.RemoveLast(); break;
  default: list[int(draw.below(size_t(list.size())))] = drawWord(draw);
  }
}

static void mutateValue(AttributeProto &attribute, Draw &draw) {
  switch (attribute.type()) {
  case AttributeProto::INT: attribute.set_i(draw.integer()); break;
  case AttributeProto::FLOAT: attribute.set_f(draw.number()); break;
  case AttributeProto::STRING: attribute.set_s(drawWord(draw)); break;
  case AttributeProto::INTS: mutateInts(attribute, draw); break;
  case AttributeProto::FLOATS: mutateFloats(attribute, draw); break;
  case AttributeProto::STRINGS: mutateStrings(attribute, draw); break;
  default: attribute.set_type(AttributeProto::AttributeType(draw.below(AttributeProto::AttributeType_MAX + 1)));
  }
}

/// Another kind of value, present or not.
static void mutateKind(AttributeProto &attribute, Draw &draw) {
  attribute.set_type(AttributeProto::AttributeType(draw.below(AttributeProto::AttributeType_MAX + 1)));
  if (draw.oneIn(2))
    return;
  if (attribute.type() == AttributeProto::TENSOR)
    fillTensor(*attribute.mutable_t(), draw);
  else
    mutateValue(attribute, draw);
}

/// An attribute that many operators have.
static void invent(onnx::NodeProto &node, Draw &draw) {
  static constexpr std::pair<const char *, AttributeProto::AttributeType> known[] = {
      {"axis", AttributeProto::INT},           {"axes", AttributeProto::INTS},         {"keepdims", AttributeProto::INT},      {"perm", AttributeProto::INTS},
      {"mode", AttributeProto::STRING},        {"to", AttributeProto::INT},            {"dtype", AttributeProto::INT},         {"pads", AttributeProto::INTS},
      {"strides", AttributeProto::INTS},       {"dilations", AttributeProto::INTS},    {"group", AttributeProto::INT},         {"kernel_shape", AttributeProto::INTS},
      {"auto_pad", AttributeProto::STRING},    {"epsilon", AttributeProto::FLOAT},     {"alpha", AttributeProto::FLOAT},       {"transA", AttributeProto::INT},
      {"ceil_mode", AttributeProto::INT},      {"direction", AttributeProto::STRING},  {"hidden_size", AttributeProto::INT},   {"equation", AttributeProto::STRING},
      {"blocksize", AttributeProto::INT},      {"reduction", AttributeProto::STRING},  {"batch_dims", AttributeProto::INT},    {"largest", AttributeProto::INT},
      {"num_outputs", AttributeProto::INT},    {"split", AttributeProto::INTS},        {"block_size", AttributeProto::INT},    {"output_padding", AttributeProto::INTS},
      {"output_shape", AttributeProto::INTS},  {"q_num_heads", AttributeProto::INT},   {"stash_type", AttributeProto::INT},    {"noop_with_empty_axes", AttributeProto::INT},
      {"start", AttributeProto::INT},          {"end", AttributeProto::INT},           {"value_ints", AttributeProto::INTS},   {"exclusive", AttributeProto::INT},
      {"allowzero", AttributeProto::INT},      {"sorted", AttributeProto::INT},        {"shape", AttributeProto::INTS},        {"coordinate_transformation_mode", AttributeProto::STRING}};
  const auto &[name, type] = draw.of(known);
  AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  mutateValue(attribute, draw);
}

static void changeList(onnx::NodeProto &node, ModelParts &parts, Draw &draw) {
  int count = node.attribute_size();
  switch (draw.below(count ? 4 : 2)) {
  case 0: invent(node, draw); break;
  case 1:
    if (!parts.attributes.empty()) {
      AttributeProto copy = *draw.of(parts.attributes); // may lie within the node
      *node.add_attribute() = copy;
    }
    break;
  default: node.mutable_attribute()->DeleteSubrange(int(draw.below(size_t(count))), 1);
  }
}

void mutateAttributes(ModelParts &parts, Draw &draw) {
  if (parts.nodes.empty())
    return;
  if (parts.attributes.empty() || draw.oneIn(3))
    return changeList(*draw.of(parts.nodes), parts, draw);
  AttributeProto &attribute = *draw.of(parts.attributes);
  if (draw.oneIn(6))
    mutateKind(attribute, draw);
  else if (draw.oneIn(10))
    attribute.set_name(draw.of(parts.attributes)->name());
  else
    mutateValue(attribute, draw);
}

void mutateVersions(onnx::ModelProto &model, Draw &draw) {
  auto &imports = *model.mutable_opset_import();
  if (draw.oneIn(4))
    model.set_ir_version(draw.oneIn(2) ? draw.integer() : int64_t(3 + draw.below(12)));
  else if (imports.empty() || draw.oneIn(6))
    imports.Add()->set_version(int64_t(draw.below(28)));
  else if (draw.oneIn(8))
    imports.RemoveLast();
  else
    draw.of(imports).set_version(draw.oneIn(8) ? draw.integer() : int64_t(6 + draw.below(22)));
}

} // namespace tenon::fuzz
