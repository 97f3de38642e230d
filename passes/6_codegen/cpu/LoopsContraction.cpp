// Contractions at an element: what no other family takes.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

/// An element of `tensor` as a summand of type `element`.
static Value widened(KernelBuilder &b, Value x, Value tensor, Type element) {
  return b.convert(x, element, getElementTypeOrSelf(tensor.getType()).isUnsignedInteger());
}

/// acc + x * y, in acc's type (integers are extended first).
static Value multiplyAdd(KernelBuilder &b, Value x, Value y, Value acc) {
  if (isa<FloatType>(getElementTypeOrSelf(acc.getType())))
    return b.fma(x, y, acc);
  return arith::AddIOp::create(b.ops(), arith::MulIOp::create(b.ops(), x, y), acc);
}

Value Evaluator::matmulAt(nn::MatMulOp op, const Place &place) {
  unsigned rank = place.index.size();
  if (place.lanes && place.axis + 1 != int(rank))
    return laneByLane(op, place);
  auto lhs = nn::dimsOf(op.getLhs().getType()), rhs = nn::dimsOf(op.getRhs().getType()), out = nn::dimsOf(op.getType());
  // Leading axes broadcast as in an elementwise op.
  auto operand = [&](ArrayRef<nn::Dim> dims) {
    Place there;
    for (unsigned axis = 0; axis + 2 < dims.size(); ++axis) {
      unsigned from = axis + rank - dims.size();
      Index i = place.index[from];
      if (dims[axis] != out[from])
        i = dims[axis].isConstant() ? (dims[axis].isConstant(1) ? Index(0) : i) : b.select(b.equal(b.dim(dims[axis]), 1), 0, i);
      there.index.push_back(i);
    }
    there.index.append(2, Index(0));
    return there;
  };
  Place left = operand(lhs), right = operand(rhs);
  unsigned leftRow = lhs.size() - (op.getTransposeLhs() ? 1 : 2), leftDepth = lhs.size() - (op.getTransposeLhs() ? 2 : 1);
  unsigned rightColumn = rhs.size() - (op.getTransposeRhs() ? 2 : 1), rightDepth = rhs.size() - (op.getTransposeRhs() ? 1 : 2);
  left.index[leftRow] = place.index[rank - 2];
  right.index[rightColumn] = place.index[rank - 1];
  if (place.lanes)
    right.lanes = place.lanes, right.axis = rightColumn;
  Index depth = b.dim(lhs[leftDepth]);
  Type type = typeAt(op, place.lanes);

  // A dot product of two contiguous rows goes in vectors along the depth.
  bool dot = !place.lanes && op.getTransposeRhs() && !op.getTransposeLhs() && lanesAllowed(op.getLhs(), leftDepth) && lanesAllowed(op.getRhs(), rightDepth);
  Value sum = accumulate(Fold::Add, type, Range{0, depth}, dot ? preferredLanes() : 0, [&](Value acc, ArrayRef<Index> k, int lanes) {
    Place l{left}, r{right};
    l.index[leftDepth] = r.index[rightDepth] = k[0];
    if (lanes)
      l.lanes = r.lanes = lanes, l.axis = leftDepth, r.axis = rightDepth;
    Value x = spread(at(op.getLhs(), l), place.lanes), y = at(op.getRhs(), r);
    Type element = getElementTypeOrSelf(type);
    return multiplyAdd(b, widened(b, x, op.getLhs(), element), widened(b, y, op.getRhs(), element), acc);
  });
  if (!op.getBias())
    return sum;
  Place bias;
  bias.index.push_back(place.index[rank - 1]);
  bias.lanes = place.lanes, bias.axis = place.lanes ? 0 : -1;
  auto biasRank = cast<ShapedType>(op.getBias().getType()).getRank();
  bias.index.insert(bias.index.begin(), biasRank - 1, Index(0));
  if (place.lanes)
    bias.axis = biasRank - 1;
  Value added = at(op.getBias(), bias);
  return combine(Fold::Add, sum, added);
}

namespace {
/// The axes of a convolution in one of the two layouts.
struct ConvAxes {
  unsigned channel, spatial, rank;
  template <typename Op> explicit ConvAxes(Op op) {
    rank = op.getStrides().size();
    bool last = op.getLayout() == nn::Layout::ChannelsLast;
    channel = last ? rank + 1 : 1;
    spatial = last ? 1 : 2;
  }
};
} // namespace

Value Evaluator::convAt(nn::ConvOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  ConvAxes axes(op);
  auto input = nn::dimsOf(op.getInput().getType()), weight = nn::dimsOf(op.getWeight().getType());
  Index k = place.index[axes.channel], depth = b.dim(weight[1]), perGroup = b.div(b.dim(weight[0]), int64_t(op.getGroups()));
  Index firstChannel = op.getGroups() == 1 ? Index(0) : b.mul(b.div(k, perGroup), depth);
  SmallVector<Range> ranges;
  SmallVector<Index> starts;
  for (unsigned d = 0; d < axes.rank; ++d) {
    starts.push_back(b.sub(b.mul(place.index[axes.spatial + d], op.getStrides()[d]), op.getPads()[d]));
    ranges.push_back(tapsInside(b, starts[d], *weight[2 + d].asConstant(), op.getDilations()[d], b.dim(input[axes.spatial + d])));
  }
  ranges.push_back({0, depth});
  Type type = typeAt(op, place.lanes), element = getElementTypeOrSelf(type);
  // One element of the result is a dot product along channels where both lie that way.
  bool channelsLast = op.getLayout() == nn::Layout::ChannelsLast;
  bool dot = !place.lanes && channelsLast && !weight[1].isConstant(1) && lanesAllowed(op.getInput(), axes.channel);
  Value sum = accumulate(Fold::Add, type, ranges, dot ? preferredLanes() : 0, [&](Value acc, ArrayRef<Index> tap, int lanes) {
    Place in, w;
    in.index.assign(input.size(), Index(0));
    in.index[0] = place.index[0];
    in.index[axes.channel] = b.add(firstChannel, tap.back());
    w.index = {k, tap.back()};
    for (unsigned d = 0; d < axes.rank; ++d) {
      in.index[axes.spatial + d] = b.add(starts[d], b.mul(tap[d], op.getDilations()[d]));
      w.index.push_back(tap[d]);
    }
    if (lanes)
      in.lanes = w.lanes = lanes, in.axis = axes.channel, w.axis = 1;
    else if (place.lanes)
      w.lanes = place.lanes, w.axis = 0;
    Value x = spread(at(op.getInput(), in), place.lanes), y = at(op.getWeight(), w);
    return multiplyAdd(b, widened(b, x, op.getInput(), element), widened(b, y, op.getWeight(), element), acc);
  });
  if (!op.getBias())
    return sum;
  Place bias{{k}, place.lanes, place.lanes ? 0 : -1};
  return combine(Fold::Add, sum, at(op.getBias(), bias));
}

Value Evaluator::convTransposeAt(nn::ConvTransposeOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  ConvAxes axes(op);
  auto input = nn::dimsOf(op.getInput().getType()), weight = nn::dimsOf(op.getWeight().getType());
  Index groups = int64_t(op.getGroups()), perGroup = b.dim(weight[1]), depth = b.div(b.dim(weight[0]), groups);
  Index k = place.index[axes.channel], group = groups.is(1) ? Index(0) : b.div(k, perGroup), column = groups.is(1) ? k : b.rem(k, perGroup);
  // Result y takes tap r of input i where i * stride + r * dilation = y + pad. With dilation 1 the taps are r = y' mod stride,
  // then every stride-th, and i counts down from y' / stride; otherwise every tap is tried.
  SmallVector<Range> ranges;
  SmallVector<Index> shifted;
  for (unsigned d = 0; d < axes.rank; ++d) {
    Index y = b.add(place.index[axes.spatial + d], op.getPads()[d]), extent = b.dim(input[axes.spatial + d]);
    int64_t stride = op.getStrides()[d], size = *weight[2 + d].asConstant();
    shifted.push_back(y);
    if (op.getDilations()[d] != 1) {
      ranges.push_back({0, size});
      continue;
    }
    Index last = b.div(y, stride), taps = b.div(b.add(b.sub(size, b.rem(y, stride)), stride - 1), stride);
    ranges.push_back({b.max(b.sub(b.add(last, 1), extent), 0), b.min(b.add(last, 1), taps)});
  }
  ranges.push_back({0, depth});
  Type type = typeAt(op, place.lanes), element = getElementTypeOrSelf(type);
  Value sum = accumulate(Fold::Add, type, ranges, 0, [&](Value acc, ArrayRef<Index> tap, int) {
    Place in, w;
    Index channel = b.add(b.mul(group, depth), tap.back());
    in.index.assign(input.size(), Index(0));
    in.index[0] = place.index[0];
    in.index[axes.channel] = channel;
    w.index = {channel, column};
    Value valid;
    for (unsigned d = 0; d < axes.rank; ++d) {
      int64_t stride = op.getStrides()[d];
      if (op.getDilations()[d] == 1) {
        in.index[axes.spatial + d] = b.sub(b.div(shifted[d], stride), tap[d]);
        w.index.push_back(b.add(b.rem(shifted[d], stride), b.mul(tap[d], stride)));
        continue;
      }
      Index distance = b.sub(shifted[d], b.mul(tap[d], op.getDilations()[d])), from = b.max(distance, 0), i = b.div(from, stride);
      in.index[axes.spatial + d] = i;
      w.index.push_back(tap[d]);
      for (Value holds : {b.lessThan(-1, distance), b.equal(b.rem(from, stride), 0), b.lessThan(i, b.dim(input[axes.spatial + d]))})
        valid = valid ? arith::AndIOp::create(b.ops(), valid, holds).getResult() : holds;
    }
    if (place.lanes)
      w.lanes = place.lanes, w.axis = 1;
    auto sum = [&] {
      Value x = spread(at(op.getInput(), in), place.lanes), y = at(op.getWeight(), w);
      return multiplyAdd(b, b.convert(x, element), b.convert(y, element), acc);
    };
    return valid ? choose(acc.getType(), valid, sum, [&] { return acc; }) : sum();
  });
  if (!op.getBias())
    return sum;
  return combine(Fold::Add, sum, at(op.getBias(), Place{{k}, place.lanes, place.lanes ? 0 : -1}));
}

} // namespace tenon::cpu
