#include "tools/tenon/quantize/QdqExport.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/GraphBodies.h"
#include "tools/tenon/quantize/NodeAttributes.h"
#include "tools/tenon/quantize/Opset.h"
#include "tools/tenon/quantize/PackedBlocks.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <algorithm>
#include <map>

namespace tenon::driver {
namespace {

/// From which DequantizeLinear takes a scale for each channel, and one for each block, and types of other bits than 8.
constexpr int64_t kPerAxisOpset = 13, kBlockedOpset = 21;

bool isMicrosoft(const onnx::NodeProto &node) { return node.domain() == kMicrosoft; }

class QdqExport {
public:
  QdqExport(onnx::ModelProto &model, const std::string &path) : model(model), path(path), fresh(model.graph()) { findConstants(model.graph()); }

  size_t run() {
    rewrite(*model.mutable_graph());
    bool usesMicrosoft = readsDomain(model.graph());
    auto &sets = *model.mutable_opset_import();
    if (!usesMicrosoft)
      sets.erase(std::remove_if(sets.begin(), sets.end(), [](const onnx::OperatorSetIdProto &set) { return set.domain() == kMicrosoft; }), sets.end());
    dropUnreadConstants(*model.mutable_graph());
    return rewritten;
  }

private:
  using Rewrite = void (QdqExport::*)(const onnx::NodeProto &);

  [[noreturn]] void failAt(const onnx::NodeProto &node, const std::string &what) const {
    throw Failure(path + ": node '" + (node.name().empty() && node.output_size() ? node.output(0) : node.name()) + "', a " + node.op_type() + ", " + what);
  }

  static Rewrite rewriteOf(const onnx::NodeProto &node) {
    static const std::map<std::string, Rewrite> onnxOwn{{"QLinearConv", &QdqExport::convolution}, {"QLinearMatMul", &QdqExport::product}};
    static const std::map<std::string, Rewrite> microsofts{
        {"QLinearAdd", &QdqExport::binary},    {"QLinearMul", &QdqExport::binary},         {"QLinearSigmoid", &QdqExport::unary},           {"QLinearLeakyRelu", &QdqExport::unary},
        {"QLinearConcat", &QdqExport::concat}, {"QLinearAveragePool", &QdqExport::unary}, {"QLinearGlobalAveragePool", &QdqExport::unary}, {"QLinearSoftmax", &QdqExport::softmax},
        {"QLinearWhere", &QdqExport::where},   {"QGemm", &QdqExport::gemm},                {"MatMulNBits", &QdqExport::blocks},             {"QuantizeLinear", &QdqExport::standard},
        {"DequantizeLinear", &QdqExport::standard}};
    const auto &known = isMicrosoft(node) ? microsofts : onnxOwn;
    auto found = known.find(node.op_type());
    return found == known.end() || !(isMicrosoft(node) || isStandard(node)) ? nullptr : found->second;
  }

  /// Others of Microsoft's that compute on bytes, by their names.
  static bool isUnknownQuantized(const onnx::NodeProto &node) {
    const std::string &type = node.op_type();
    return isMicrosoft(node) && (type.starts_with("QLinear") || type.starts_with("QAttention") || type.starts_with("QEmbed") || type.starts_with("QOrdered") || type.starts_with("QMoE") || type.find("Quantize") != std::string::npos ||
                                 type.find("Integer") != std::string::npos || type.ends_with("NBits") || type.find("Bnb4") != std::string::npos);
  }

  void rewrite(onnx::GraphProto &into) {
    google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
    nodes.Swap(into.mutable_node());
    for (onnx::NodeProto &node : nodes) {
      forBodies(node, [this](onnx::GraphProto &body) { rewrite(body); });
      graph = &into;
      Rewrite rewrites = rewriteOf(node);
      if (!rewrites && isUnknownQuantized(node))
        failAt(node, "has no form with QuantizeLinear and DequantizeLinear that is known here");
      if (rewrites) {
        (this->*rewrites)(node);
        rewritten++;
      } else {
        *into.add_node() = node;
      }
    }
  }

  void findConstants(const onnx::GraphProto &from) {
    for (const onnx::TensorProto &tensor : from.initializer())
      constants[tensor.name()] = &tensor;
    for (const onnx::NodeProto &node : from.node()) {
      const onnx::AttributeProto *value = attribute(node, "value");
      if (node.op_type() == "Constant" && value && value->has_t())
        constants[node.output(0)] = &value->t();
    }
  }

  const onnx::TensorProto *constant(const std::string &name) const {
    auto found = constants.find(name);
    return found == constants.end() ? nullptr : found->second;
  }

  static std::string input(const onnx::NodeProto &node, int i) { return i < node.input_size() ? node.input(i) : ""; }

  std::string add(onnx::NodeProto node, const std::string &output) {
    node.set_name(output);
    node.clear_output();
    node.add_output(output);
    *graph->add_node() = std::move(node);
    return output;
  }

  static onnx::NodeProto made(const std::string &type, const std::vector<std::string> &inputs) {
    onnx::NodeProto node;
    node.set_op_type(type);
    for (const std::string &each : inputs)
      node.add_input(each);
    while (node.input_size() && node.input(node.input_size() - 1).empty())
      node.mutable_input()->RemoveLast();
    return node;
  }

  static void setInteger(onnx::NodeProto &node, const char *name, int64_t value) {
    onnx::AttributeProto *attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }

  /// The float operator with a node's attributes but those named.
  static onnx::NodeProto like(const onnx::NodeProto &node, const std::string &type, const std::vector<std::string> &inputs, const std::vector<std::string> &but = {}) {
    onnx::NodeProto copy = made(type, inputs);
    for (const onnx::AttributeProto &each : node.attribute())
      if (std::find(but.begin(), but.end(), each.name()) == but.end())
        *copy.add_attribute() = each;
    return copy;
  }

  /// What inputs `first` to `first` + 2 of a node stand for: bytes, scale and zero point; a scale for each entry of `axis` where there are several.
  std::string real(const onnx::NodeProto &node, int first, int64_t axis = 0) { return real(input(node, first), input(node, first + 1), input(node, first + 2), axis); }
  std::string real(const std::string &bytes, const std::string &scale, const std::string &zeroPoint, int64_t axis = 0) {
    onnx::NodeProto dequantize = made("DequantizeLinear", {bytes, scale, zeroPoint});
    const onnx::TensorProto *known = constant(scale);
    if (!known || known->dims_size() == 1)
      setInteger(dequantize, "axis", axis);
    return add(dequantize, fresh(bytes + "_dequantized"));
  }

  /// Makes the node's result of `floats`, with the scale and zero point of inputs `scale` and the next one. Without a zero point it has the type of input `like`'s.
  void quantize(const onnx::NodeProto &node, const std::string &floats, int scale, int like) {
    std::string zeroPoint = input(node, scale + 1);
    if (zeroPoint.empty()) {
      const onnx::TensorProto *known = constant(input(node, like));
      if (!known)
        failAt(node, "has no zero point, and none to tell the type of its result by");
      onnx::TensorProto &zero = addConstant(node.output(0) + "_zero_point", known->data_type());
      zero.add_int32_data(0);
      zeroPoint = zero.name();
    }
    add(made("QuantizeLinear", {floats, input(node, scale), zeroPoint}), node.output(0));
  }

  std::string intermediate(const onnx::NodeProto &node) { return fresh(node.output(0) + "_float"); }

  onnx::TensorProto &addConstant(const std::string &wish, int type) {
    onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
    tensor->set_name(fresh(wish));
    tensor->set_data_type(type);
    return *tensor;
  }

  /// The scale of sums of products, which biases count in.
  std::string product(const onnx::NodeProto &node, int left, int right, float factor = 1) {
    const onnx::TensorProto *a = constant(node.input(left)), *b = constant(node.input(right));
    if (!a || !b)
      failAt(node, "has a bias beside scales that only a run knows");
    std::vector<float> one = floatsOf(*a, a->name()), other = floatsOf(*b, b->name());
    if (one.size() != 1)
      failAt(node, "has a bias beside several scales of its first operand");
    onnx::TensorProto &tensor = addConstant(node.output(0) + "_bias_scale", onnx::TensorProto::FLOAT);
    *tensor.mutable_dims() = b->dims();
    for (float scale : other)
      tensor.add_float_data(factor * one[0] * scale);
    return tensor.name();
  }

  void convolution(const onnx::NodeProto &node) {
    std::string x = real(node, 0), w = real(node, 3, 0), bias = input(node, 8);
    if (!bias.empty())
      bias = real(bias, product(node, 1, 4), "", 0);
    quantize(node, add(like(node, "Conv", {x, w, bias}), intermediate(node)), 6, 7);
  }

  void product(const onnx::NodeProto &node) {
    std::string a = real(node, 0, -2), b = real(node, 3, -1);
    quantize(node, add(made("MatMul", {a, b}), intermediate(node)), 6, 7);
  }

  void gemm(const onnx::NodeProto &node) {
    std::string a = real(node, 0), b = real(node, 3, integer(node, "transB", 0) ? 0 : 1), bias = input(node, 6);
    if (!bias.empty())
      bias = real(bias, product(node, 1, 4, driver::real(node, "alpha", 1)), "", -1);
    onnx::NodeProto floats = like(node, "Gemm", {a, b, bias});
    if (input(node, 7).empty())
      add(floats, node.output(0));
    else
      quantize(node, add(floats, intermediate(node)), 7, 2);
  }

  void binary(const onnx::NodeProto &node) {
    std::string a = real(node, 0), b = real(node, 3);
    quantize(node, add(made(node.op_type().substr(std::string("QLinear").size()), {a, b}), intermediate(node)), 6, input(node, 2).empty() ? 5 : 2);
  }

  void unary(const onnx::NodeProto &node) {
    if (integer(node, "channels_last", 0))
      failAt(node, "has its channels last, for which ONNX has no operator");
    std::string x = real(node, 0);
    quantize(node, add(like(node, node.op_type().substr(std::string("QLinear").size()), {x}, {"channels_last"}), intermediate(node)), 3, 2);
  }

  /// Before opset 13 all axes from `axis` on counted as one.
  void softmax(const onnx::NodeProto &node) {
    constexpr int64_t kOneAxis = 13;
    int64_t axis = integer(node, "axis", -1);
    std::string x = real(node, 0), result;
    auto along = [&](const std::string &of, int64_t last) {
      onnx::NodeProto soft = made("Softmax", {of});
      setInteger(soft, "axis", last);
      return add(soft, intermediate(node));
    };
    if (integer(node, "opset", kOneAxis) >= kOneAxis || axis == -1) {
      result = along(x, axis);
    } else {
      std::string shape = add(made("Shape", {x}), fresh(x + "_shape"));
      onnx::NodeProto flatten = made("Flatten", {x});
      setInteger(flatten, "axis", axis);
      result = add(made("Reshape", {along(add(flatten, fresh(x + "_flat")), -1), shape}), intermediate(node));
    }
    quantize(node, result, 3, 2);
  }

  void concat(const onnx::NodeProto &node) {
    std::vector<std::string> parts;
    for (int i = 2; i + 2 < node.input_size(); i += 3)
      parts.push_back(real(node, i));
    quantize(node, add(like(node, "Concat", parts), intermediate(node)), 0, 1);
  }

  void where(const onnx::NodeProto &node) {
    std::string a = real(node, 1), b = real(node, 4);
    quantize(node, add(made("Where", {input(node, 0), a, b}), intermediate(node)), 7, 3);
  }

  void standard(const onnx::NodeProto &node) {
    onnx::NodeProto own = node;
    own.clear_domain();
    *graph->add_node() = own;
  }

  void blocks(const onnx::NodeProto &node) {
    PackedBlocks packed(integer(node, "N", 0), integer(node, "K", 0), integer(node, "block_size", 0), integer(node, "bits", 4));
    const onnx::TensorProto *codes = constant(input(node, 1)), *scales = constant(input(node, 2)), *points = constant(input(node, 3));
    bool isKnown = codes && scales && (points || input(node, 3).empty()) && input(node, 4).empty();
    if (!isKnown || !packed.read(*codes, *scales, points))
      failAt(node, "has no such form: constant weights of 4 or 8 bits in whole blocks, f32 scales, zero points of as many bits and no g_idx were expected");
    onnx::TensorProto &weight = addConstant(input(node, 1) + "_blocks", packed.type()), &scale = addConstant(input(node, 2) + "_blocks", onnx::TensorProto::FLOAT), &zero = addConstant(input(node, 1) + "_zero_points", packed.type());
    packed.write(weight, scale, zero);
    onnx::NodeProto dequantize = made("DequantizeLinear", {weight.name(), scale.name(), zero.name()});
    setInteger(dequantize, "axis", 1);
    setInteger(dequantize, "block_size", packed.size);
    std::string rows = add(dequantize, fresh(input(node, 1) + "_dequantized")), columns = add(made("Transpose", {rows}), fresh(input(node, 1) + "_transposed"));
    std::string bias = input(node, 5), sums = add(made("MatMul", {input(node, 0), columns}), bias.empty() ? node.output(0) : intermediate(node));
    if (!bias.empty())
      add(made("Add", {sums, bias}), node.output(0));
  }

  static bool readsDomain(const onnx::GraphProto &from) {
    bool reads = false;
    for (const onnx::NodeProto &node : from.node()) {
      reads |= isMicrosoft(node);
      forBodies(node, [&](const onnx::GraphProto &body) { reads |= readsDomain(body); });
    }
    return reads;
  }

  static void collectRead(const onnx::GraphProto &from, std::set<std::string> &read) {
    for (const onnx::ValueInfoProto &output : from.output())
      read.insert(output.name());
    for (const onnx::NodeProto &node : from.node()) {
      read.insert(node.input().begin(), node.input().end());
      forBodies(node, [&](const onnx::GraphProto &body) { collectRead(body, read); });
    }
  }

  static void dropUnreadConstants(onnx::GraphProto &from) {
    std::set<std::string> read;
    collectRead(from, read);
    auto &all = *from.mutable_initializer();
    all.erase(std::remove_if(all.begin(), all.end(), [&](const onnx::TensorProto &tensor) { return !read.contains(tensor.name()); }), all.end());
  }

  onnx::ModelProto &model;
  std::string path;
  FreshNames fresh;
  onnx::GraphProto *graph = nullptr; // that is written
  std::map<std::string, const onnx::TensorProto *> constants;
  size_t rewritten = 0;
};

/// What the forms that take the place of the model's operators need.
int64_t neededOpset(const onnx::GraphProto &graph) {
  std::set<std::string> wide;
  for (const onnx::TensorProto &tensor : graph.initializer())
    if (tensor.data_type() == onnx::TensorProto::INT16 || tensor.data_type() == onnx::TensorProto::UINT16 || tensor.data_type() == onnx::TensorProto::INT4 || tensor.data_type() == onnx::TensorProto::UINT4)
      wide.insert(tensor.name());
  int64_t opset = kPerAxisOpset;
  for (const onnx::NodeProto &node : graph.node()) {
    bool isWide = node.op_type().ends_with("QuantizeLinear") || node.op_type() == "DequantizeLinear" ? std::any_of(node.input().begin(), node.input().end(), [&](const std::string &name) { return wide.contains(name); })
                                                                                                     : node.op_type() == "MatMulNBits";
    if (isMicrosoft(node) && isWide)
      opset = kBlockedOpset;
    forBodies(node, [&](const onnx::GraphProto &body) { opset = std::max(opset, neededOpset(body)); });
  }
  return opset;
}

bool isQuantized(const onnx::GraphProto &graph) {
  return std::any_of(graph.node().begin(), graph.node().end(), [](const onnx::NodeProto &node) {
    bool isIt = node.op_type().ends_with("QuantizeLinear") || node.op_type() == "DequantizeLinear" || node.op_type().ends_with("Integer");
    forBodies(node, [&](const onnx::GraphProto &body) { isIt |= isQuantized(body); });
    return isIt;
  });
}

} // namespace

ExportedModel exportQdq(std::span<const std::byte> bytes, const std::string &path) {
  onnx::ModelProto model;
  if (bytes.size() > size_t(INT32_MAX) || !model.ParseFromArray(bytes.data(), int(bytes.size())) || !model.has_graph())
    throw Failure(path + ": is no ONNX model (or larger than 2 GiB)");
  bool wasQuantized = isQuantized(model.graph());
  raiseOpset(model, neededOpset(model.graph()), path, "its form with QuantizeLinear and DequantizeLinear");
  size_t rewritten = QdqExport(model, path).run();
  if (!rewritten && !wasQuantized)
    throw Failure(path + ": is not quantized; `tenon quantize` writes such models");
  model.set_producer_name("tenon export");
  return {model.SerializeAsString(), rewritten, opsetOf(model)};
}

} // namespace tenon::driver
