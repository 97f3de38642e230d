// Deformable convolution (Zhu et al., "Deformable ConvNets v2"): each tap reads the input where its offset says, between four
// pixels. A gather of columns and a matrix product.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Window.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
class Deformation {
public:
  Deformation(Node &node, const Window &window, ArrayRef<Dim> kernel)
      : node(node), window(window), kernel(kernel), f32(node.builder.getF32Type()), input(node.dims(0)), weight(node.dims(1)), offset(node.dims(2)),
        groups(node.integer("group", 1)), offsetGroups(node.integer("offset_group", 1)), taps(kernel[0] * kernel[1]) {}

  Value emit() {
    if (!check())
      return {};
    Dim one = node.dim(1), positions = offset[2] * offset[3] * taps;
    Value y = coordinate(0), x = coordinate(1);
    SmallVector<Dim> grid{input[0], node.dim(offsetGroups), one, positions}, wide = grid;
    wide[2] = quotient(input[1], offsetGroups);
    Value images = node.reshape(node.cast(node.in(0), f32), {input[0], node.dim(offsetGroups), wide[2], input[2] * input[3]});
    Value columns;
    for (int64_t down : {0, 1})
      for (int64_t right : {0, 1}) {
        auto [index, share] = corner(y, x, down, right);
        Value at = node.make<nn::ExpandOp>(node.reshape(index, grid), node.dimsAttr(wide));
        Value part = node.make<nn::MulOp>(node.make<nn::GatherElementsOp>(images, at, node.i64(3)), node.reshape(share, grid));
        columns = columns ? node.make<nn::AddOp>(columns, part) : part;
      }
    if (node.in(4))
      columns = node.make<nn::MulOp>(columns, node.reshape(node.cast(node.in(4), f32), grid));
    return product(columns);
  }

private:
  bool check() {
    if (groups < 1 || offsetGroups < 1) {
      node.invalid("group and offset_group must be at least 1");
      return false;
    }
    for (Dim whole : {quotient(input[1], groups) * groups - input[1], quotient(input[1], offsetGroups) * offsetGroups - input[1],
                      quotient(weight[0], groups) * groups - weight[0]})
      node.require(whole, node.dim(0), "group and offset_group must divide the channels; the rest");
    node.require(offset[1], taps * (offsetGroups * 2), "the channels of the offsets");
    node.require(weight[1] * groups, input[1], "the channels that the weights are for");
    return !node.failed();
  }

  Dim quotient(Dim whole, int64_t parts) {
    std::optional<Dim> exact = whole.dividedExactlyBy(node.dim(parts));
    return exact ? *exact : whole.floorDiv(parts);
  }

  Value number(double value) { return node.scalar(value, f32); }
  Value size(Dim dim) { return node.cast(node.constant({dim}, RankedTensorType::get({}, node.builder.getI64Type())), f32); }

  /// Where every tap reads along spatial axis `d`: [N, offset groups, taps, Y, X].
  Value coordinate(int64_t d) {
    Dim one = node.dim(1);
    Value first = node.make<nn::RangeOp>(number(double(-window.pads[d])), number(double(window.dilations[d])), node.dimsAttr({kernel[d]}));
    Value column = node.reshape(first, {d == 0 ? kernel[0] : one, d == 0 ? one : kernel[1]});
    Value tap = node.reshape(node.make<nn::ExpandOp>(column, node.dimsAttr(kernel)), {taps, one, one});
    Value steps = node.make<nn::RangeOp>(number(0), number(double(window.strides[d])), node.dimsAttr({offset[2 + d]}));
    if (d == 0)
      steps = node.reshape(steps, {offset[2], node.dim(1)});
    SmallVector<Dim> parts{offset[0], node.dim(offsetGroups), taps, node.dim(2), offset[2], offset[3]};
    Value moved = node.slice(node.reshape(node.cast(node.in(2), f32), parts), 3, node.dim(d), node.dim(1));
    parts.erase(parts.begin() + 3);
    return node.make<nn::AddOp>(node.reshape(moved, parts), node.make<nn::AddOp>(steps, tap));
  }

  /// Of the neighbour `side` (0: below, 1: above) of a coordinate its position, and its share, which is 0 outside the image.
  std::pair<Value, Value> neighbour(Value coordinate, int64_t side, Dim extent) {
    Value below = node.make<nn::FloorOp>(coordinate), fraction = node.make<nn::SubOp>(coordinate, below);
    Value position = side ? node.make<nn::AddOp>(below, number(1)) : below;
    Value share = side ? fraction : node.make<nn::SubOp>(number(1), fraction);
    Value last = node.make<nn::SubOp>(size(extent), number(1)), inside = node.make<nn::MinOp>(node.make<nn::MaxOp>(position, number(0)), last);
    Value isInside = node.make<nn::EqualOp>(position, inside);
    return {inside, node.make<nn::SelectOp>(isInside, share, number(0))};
  }

  /// A pixel's position in its image, and its share of the sample.
  std::pair<Value, Value> corner(Value y, Value x, int64_t down, int64_t right) {
    auto [row, rowShare] = neighbour(y, down, input[2]);
    auto [column, columnShare] = neighbour(x, right, input[3]);
    Type i64 = node.builder.getI64Type();
    Value width = node.constant({input[3]}, RankedTensorType::get({}, i64));
    Value index = node.make<nn::AddOp>(node.make<nn::MulOp>(node.cast(row, i64), width), node.cast(column, i64));
    return {index, node.make<nn::MulOp>(rowShare, columnShare)};
  }

  Value product(Value columns) {
    if (node.failed())
      return {};
    Dim group = node.dim(groups), depth = weight[1] * taps, results = quotient(weight[0], groups);
    Value rhs = node.reshape(columns, {input[0], group, depth, offset[2] * offset[3]});
    Value lhs = node.reshape(node.cast(node.in(1), f32), {group, results, depth});
    Value out = node.make<nn::MatMulOp>(lhs, rhs, Value(), UnitAttr(), UnitAttr());
    out = node.reshape(out, {input[0], weight[0], offset[2], offset[3]});
    if (node.in(3))
      out = node.make<nn::AddOp>(out, node.reshape(node.cast(node.in(3), f32), {weight[0], node.dim(1), node.dim(1)}));
    return node.cast(out, node.element(0));
  }

  Node &node;
  const Window &window;
  ArrayRef<Dim> kernel;
  Type f32;
  SmallVector<Dim> input, weight, offset;
  int64_t groups, offsetGroups;
  Dim taps;
};
} // namespace

static void deformConv(Node &node) {
  for (size_t i : {0, 1, 2})
    if (node.rank(i) != 4)
      return node.unsupported("tensors of rank " + Twine(node.rank(i)) + "; images (rank 4) are supported");
  std::optional<SmallVector<Dim>> kernel = kernelSize(node, 1);
  if (!kernel)
    return;
  std::optional<Window> window = readWindow(node, constantSizes(*kernel).value_or(SmallVector<int64_t>(2, 1)));
  if (window)
    node.result(Deformation(node, *window, *kernel).emit());
}

void registerDeformConv(OperatorTable &table) { table.add("DeformConv", 19, 3, 5, deformConv); }

} // namespace tenon::importer
