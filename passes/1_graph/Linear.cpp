#include "passes/1_graph/Linear.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::graph {

Linear linearOf(Value value) {
  Linear linear;
  Operation *op = value.getDefiningOp();
  if (!op || !isFloat(value))
    return linear;
  if (isa<nn::ConvOp, nn::MatMulOp>(op) && elementOf(op->getOperand(0)) != elementOf(value)) // narrow factors, which nothing can be multiplied into
    return linear;
  int64_t rank = rankOf(value);
  TypeSwitch<Operation *>(op)
      .Case<nn::ConvOp, nn::ConvTransposeOp>([&](auto conv) {
        linear.op = op;
        linear.weight = conv.getWeight();
        linear.bias = conv.getBias();
        linear.channelAxis = conv.getLayout() == nn::Layout::ChannelsLast ? rank - 1 : 1;
      })
      .Case([&](nn::MatMulOp matmul) {
        linear.op = op;
        linear.weight = matmul.getRhs();
        linear.bias = matmul.getBias();
        linear.channelAxis = rank - 1;
      });
  if (linear)
    linear.channels = nn::dimOf(value.getType(), linear.channelAxis);
  return linear;
}

Value vectorAlong(OpBuilder &builder, Value constant, int64_t axis, int64_t rank) {
  std::optional<int64_t> found = singleAxis(constant, rank);
  if (!found || (*found != axis && *found != rank))
    return {};
  nn::Dim size = nn::numElements(constant.getType());
  return reshapeTo(builder, constant.getLoc(), constant, ArrayRef<nn::Dim>(size));
}

static int64_t sizeOf(Value vector) { return cast<RankedTensorType>(vector.getType()).getNumElements(); }

Value scaledWeight(OpBuilder &builder, Location loc, const Linear &linear, Value scale) {
  auto weightType = cast<RankedTensorType>(linear.weight.getType());
  int64_t n = sizeOf(scale);
  SmallVector<int64_t> shape(weightType.getRank(), 1);
  if (auto transposed = dyn_cast<nn::ConvTransposeOp>(linear.op)) {
    // [C, K/G, R...]: output channel g * K/G + j lies at [g * C/G ..., j], so groups need an axis of their own.
    int64_t groups = transposed.getGroups();
    if (groups == 1 || n == 1) {
      shape[1] = n;
    } else {
      SmallVector<int64_t> split(weightType.getShape());
      split[0] /= groups;
      split.insert(split.begin(), groups);
      SmallVector<int64_t> factors(split.size(), 1);
      factors[0] = groups;
      factors[2] = split[2];
      Value product = nn::MulOp::create(builder, loc, reshapeTo(builder, loc, linear.weight, split), reshapeTo(builder, loc, scale, factors));
      return reshapeTo(builder, loc, product, weightType.getShape());
    }
  } else if (auto matmul = dyn_cast<nn::MatMulOp>(linear.op)) {
    shape[weightType.getRank() - (matmul.getTransposeRhs() ? 2 : 1)] = n;
  } else {
    shape[0] = n;
  }
  return nn::MulOp::create(builder, loc, linear.weight, reshapeTo(builder, loc, scale, shape));
}

Value shiftedBias(OpBuilder &builder, Location loc, const Linear &linear, Value bias, Value shift) {
  Value full = expandTo(builder, loc, shift, {*linear.channels.asConstant()});
  if (!bias)
    return full;
  return nn::AddOp::create(builder, loc, bias, full);
}

Value rebuild(OpBuilder &builder, Location loc, const Linear &linear, Value weight, Value bias) {
  SmallVector<Value> operands{linear.op->getOperand(0), weight};
  if (bias)
    operands.push_back(bias);
  OperationState state(loc, linear.op->getName(), operands, linear.op->getResultTypes(), linear.op->getAttrs());
  return builder.create(state)->getResult(0);
}

} // namespace tenon::graph
