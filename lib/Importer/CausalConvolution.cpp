// Depthwise convolution along time that sees the past only, with the past of earlier calls as a state.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/WindowMatrix.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static void causalConvolution(Node &node) {
  for (size_t i : {0, 1})
    if (node.rank(i) != 3)
      return node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 3 was expected");
  StringRef activation = node.text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return node.invalid("activation is '" + activation + "'; none, silu or swish was expected");
  node.takeSize(1, 1, 1);
  SmallVector<Dim> x = node.dims(0), weight = node.dims(1);
  std::optional<int64_t> channels = weight[0].asConstant();
  if (!channels)
    channels = x[1].asConstant();
  bool isFree = !channels || !weight[2].isConstant();
  if (!isFree && (*channels < 1 || *weight[2].asConstant() < 1))
    return node.invalid("there must be channels and taps");
  Formula f(node);
  Dim before = weight[2] - 1;
  if (node.in(3) && node.rank(3) != 3)
    return node.invalid("the past has rank " + Twine(node.rank(3)) + "; 3 was expected");
  if (node.in(3))
    node.require(node.dims(3)[2], before, "the length of the past, one less than the taps");
  Value past = node.in(3) ? node.in(3) : f.expand(node.scalar(0, node.element(0)), {x[0], x[1], before});
  Value all = before.isConstant(0) ? node.in(0) : f.concat({past, node.in(0)}, 2);
  node.require(x[1], weight[0], "the channels of the input, and of the weights");
  if (isFree)
    node.requireAtMost(node.dim(1), weight[2], "1 and the number of taps");
  FreeWindow free{{1}, {1}, {node.dim(0)}, {node.dim(0)}};
  Value out = isFree ? convolveAsMatrix(node, all, node.in(1), node.in(2), free, weight[0])
                     : node.make<nn::ConvOp>(all, node.in(1), node.in(2), node.i64s({1}), node.i64s({0, 0}), node.i64s({1}), node.i64(*channels),
                                             nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
  node.result(0, activation == "none" ? out : node.make<nn::SiluOp>(out));
  node.result(1, node.slice(all, 2, x[2], before));
}

void registerCausalConvolution(OperatorTable &table) {
  table.add("CausalConvWithState", 27, 2, 4, causalConvolution);
}

} // namespace tenon::importer
