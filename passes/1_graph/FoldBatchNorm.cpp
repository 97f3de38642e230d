#include "passes/1_graph/Linear.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "passes/1_graph/Passes.h.inc"
namespace {

/// A linear op whose only reader is the op being folded and whose weights are known.
Linear foldableLinear(Value value, bool needsWeight) {
  Linear linear = linearOf(value);
  if (!linear || !value.hasOneUse() || !linear.channels.isConstant() || (needsWeight && !isConstantExpression(linear.weight)) ||
      (linear.bias && !isConstantExpression(linear.bias)))
    return {};
  return linear;
}

/// batch_norm -> mul, add with a = scale / sqrt(variance + epsilon) and b = bias - mean * a.
struct BatchNormToAffine : OpRewritePattern<nn::BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BatchNormOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    // Free numbers of channels have the input's name, so that nothing broadcasts to another type.
    nn::Dim channels = nn::dimOf(op.getInput().getType(), 1);
    auto parameter = [&](Value value) { return reshapeTo(rewriter, loc, value, channels); };
    Value epsilon = scalarConstant(rewriter, loc, elementOf(op.getVariance()), op.getEpsilon().convertToDouble());
    Value deviation = nn::SqrtOp::create(rewriter, loc, nn::AddOp::create(rewriter, loc, parameter(op.getVariance()), epsilon));
    Value a = nn::DivOp::create(rewriter, loc, parameter(op.getScale()), deviation);
    Value b = nn::SubOp::create(rewriter, loc, parameter(op.getBias()), nn::MulOp::create(rewriter, loc, parameter(op.getMean()), a));
    SmallVector<nn::Dim> shape(rankOf(op.getInput()) - 1, nn::Dim::constant(getContext(), 1));
    shape[0] = nn::dimOf(a.getType(), 0);
    Value scaled = nn::MulOp::create(rewriter, loc, op.getInput(), reshapeTo(rewriter, loc, a, shape));
    rewriter.replaceOpWithNewOp<nn::AddOp>(op, scaled, reshapeTo(rewriter, loc, b, shape));
    return success();
  }
};

/// The operand that is a constant expression, and the other one.
std::optional<std::pair<Value, Value>> splitOperands(Operation *op) {
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  if (isConstantExpression(rhs))
    return std::pair(lhs, rhs);
  if (op->hasTrait<OpTrait::IsCommutative>() && isConstantExpression(lhs))
    return std::pair(rhs, lhs);
  return std::nullopt;
}

/// mul or div of a linear op by a scalar or per-channel constant -> scaled weights and bias.
template <typename OpTy> struct ScaleAfterLinear : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    auto operands = splitOperands(op);
    Linear linear = operands ? foldableLinear(operands->first, true) : Linear();
    if (!linear || !sameShape(op, linear.result()))
      return failure();
    Value scale = vectorAlong(rewriter, operands->second, linear.channelAxis, rankOf(op));
    if (!scale)
      return failure();
    if (isa<nn::DivOp>(op))
      scale = nn::ReciprocalOp::create(rewriter, op.getLoc(), scale);
    Location loc = rewriter.getFusedLoc({linear.op->getLoc(), op.getLoc()});
    Value weight = scaledWeight(rewriter, loc, linear, scale);
    Value bias = linear.bias ? nn::MulOp::create(rewriter, loc, linear.bias, scale).getResult() : Value();
    rewriter.replaceOp(op, rebuild(rewriter, loc, linear, weight, bias));
    return success();
  }
};

/// add or sub of a scalar or per-channel constant after a linear op -> bias.
template <typename OpTy> struct ShiftAfterLinear : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    auto operands = splitOperands(op);
    Linear linear = operands ? foldableLinear(operands->first, false) : Linear();
    if (!linear || !sameShape(op, linear.result()))
      return failure();
    Value shift = vectorAlong(rewriter, operands->second, linear.channelAxis, rankOf(op));
    if (!shift)
      return failure();
    if (isa<nn::SubOp>(op))
      shift = nn::NegOp::create(rewriter, op.getLoc(), shift);
    Location loc = rewriter.getFusedLoc({linear.op->getLoc(), op.getLoc()});
    Value bias = shiftedBias(rewriter, loc, linear, linear.bias, shift);
    rewriter.replaceOp(op, rebuild(rewriter, loc, linear, linear.weight, bias));
    return success();
  }
};

/// The constant along the input channels that the activations of `linear` are multiplied with (or shifted by) before it.
template <typename OpTy> std::optional<std::pair<Value, Value>> affineBefore(PatternRewriter &rewriter, Operation *linear, int64_t axis) {
  auto before = linear->getOperand(0).getDefiningOp<OpTy>();
  if (!before || !before->hasOneUse())
    return std::nullopt;
  auto operands = splitOperands(before);
  if (!operands || !sameShape(before, operands->first) || isConstantExpression(operands->first) || linearOf(operands->first))
    return std::nullopt;
  Value vector = vectorAlong(rewriter, operands->second, axis, rankOf(before));
  if (!vector)
    return std::nullopt;
  return std::pair(operands->first, vector);
}

/// matmul(x * a, w) -> matmul(x, a * w);  matmul(x + c, w) -> matmul(x, w) + c * w.
struct AffineBeforeMatMul : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    Linear linear = linearOf(op);
    if (!linear || !isConstantExpression(op.getRhs()) || rankOf(op.getRhs()) != 2 || op.getTransposeLhs() ||
        (op.getBias() && !isConstantExpression(op.getBias())))
      return failure();
    Location loc = op.getLoc();
    int64_t axis = rankOf(op.getLhs()) - 1;
    if (auto scale = affineBefore<nn::MulOp>(rewriter, op, axis)) {
      int64_t n = cast<RankedTensorType>(scale->second.getType()).getNumElements();
      SmallVector<int64_t> shape = op.getTransposeRhs() ? SmallVector<int64_t>{1, n} : SmallVector<int64_t>{n, 1};
      Value weight = nn::MulOp::create(rewriter, loc, op.getRhs(), reshapeTo(rewriter, loc, scale->second, shape));
      rewriter.modifyOpInPlace(op, [&] {
        op.getLhsMutable().assign(scale->first);
        op.getRhsMutable().assign(weight);
      });
      return success();
    }
    auto shift = affineBefore<nn::AddOp>(rewriter, op, axis);
    if (!shift)
      return failure();
    int64_t k = *nn::dimOf(op.getRhs().getType(), op.getTransposeRhs() ? 1 : 0).asConstant();
    Value row = reshapeTo(rewriter, loc, expandTo(rewriter, loc, shift->second, {k}), ArrayRef<int64_t>{1, k});
    Value product = nn::MatMulOp::create(rewriter, loc, row, op.getRhs(), Value(), false, op.getTransposeRhs());
    Value bias = shiftedBias(rewriter, loc, linear, op.getBias(), reshapeTo(rewriter, loc, product, ArrayRef<nn::Dim>(linear.channels)));
    rewriter.replaceOpWithNewOp<nn::MatMulOp>(op, shift->first, op.getRhs(), bias, false, op.getTransposeRhs());
    return success();
  }
};

/// conv(x * a) -> conv with scaled weights; conv(x + c) -> another bias, only without padding: padded zeros are not shifted.
struct AffineBeforeConv : OpRewritePattern<nn::ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvOp op, PatternRewriter &rewriter) const override {
    Linear linear = linearOf(op);
    if (!linear || !isConstantExpression(op.getWeight()) || op.getGroups() != 1 || op.getLayout() != nn::Layout::ChannelsFirst ||
        (op.getBias() && !isConstantExpression(op.getBias())))
      return failure();
    Location loc = op.getLoc();
    int64_t rank = rankOf(op);
    SmallVector<int64_t> shape(rank, 1);
    if (auto scale = affineBefore<nn::MulOp>(rewriter, op, 1)) {
      shape[1] = cast<RankedTensorType>(scale->second.getType()).getNumElements();
      Value weight = nn::MulOp::create(rewriter, loc, op.getWeight(), reshapeTo(rewriter, loc, scale->second, shape));
      rewriter.modifyOpInPlace(op, [&] {
        op.getInputMutable().assign(scale->first);
        op.getWeightMutable().assign(weight);
      });
      return success();
    }
    if (llvm::any_of(op.getPads(), [](int64_t pad) { return pad != 0; }))
      return failure();
    auto shift = affineBefore<nn::AddOp>(rewriter, op, 1);
    if (!shift)
      return failure();
    shape[1] = cast<RankedTensorType>(shift->second.getType()).getNumElements();
    Value product = nn::MulOp::create(rewriter, loc, op.getWeight(), reshapeTo(rewriter, loc, shift->second, shape));
    Value sum = nn::ReduceOp::create(rewriter, loc, product, nn::ReduceKind::Sum, llvm::to_vector(llvm::seq<int64_t>(1, rank)), false);
    Value bias = shiftedBias(rewriter, loc, linear, op.getBias(), sum);
    Linear shifted = linear;
    Value result = rebuild(rewriter, loc, shifted, op.getWeight(), bias);
    result.getDefiningOp()->setOperand(0, shift->first);
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct FoldBatchNorm : impl::FoldBatchNormBase<FoldBatchNorm> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    auto count = [&] {
      int64_t n = 0;
      func.walk([&](Operation *op) { n += isa<nn::BatchNormOp, nn::MulOp, nn::AddOp, nn::SubOp, nn::DivOp>(op) && !isConstantExpression(op->getResult(0)); });
      return n;
    };
    int64_t before = count();
    RewritePatternSet patterns(&getContext());
    patterns.add<BatchNormToAffine, ScaleAfterLinear<nn::MulOp>, ScaleAfterLinear<nn::DivOp>, ShiftAfterLinear<nn::AddOp>,
                 ShiftAfterLinear<nn::SubOp>, AffineBeforeMatMul, AffineBeforeConv>(&getContext());
    if (failed(applyPatternsGreedily(func, std::move(patterns))))
      return signalPassFailure();
    folded += std::max<int64_t>(0, before - count());
  }
};

} // namespace
} // namespace tenon::graph
