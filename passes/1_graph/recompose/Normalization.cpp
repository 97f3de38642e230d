// Layer norm and RMS norm from means, squares and square roots.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// reduce(mean) with kept axes over the axes from some axis to the last: that axis.
std::optional<int64_t> meanOfRows(Value value) {
  auto reduce = value.getDefiningOp<nn::ReduceOp>();
  if (!reduce || reduce.getKind() != nn::ReduceKind::Mean || !reduce.getKeepDims())
    return std::nullopt;
  SmallVector<int64_t> axes(reduce.getAxes());
  llvm::sort(axes);
  int64_t rank = rankOf(reduce.getInput());
  for (auto [i, axis] : llvm::enumerate(axes))
    if (axis != rank - int64_t(axes.size()) + int64_t(i))
      return std::nullopt;
  return axes.empty() ? std::nullopt : std::optional(axes.front());
}

/// x where value is x * x or pow(x, 2).
Value squaredValue(Value value) {
  if (auto mul = value.getDefiningOp<nn::MulOp>())
    return mul.getLhs() == mul.getRhs() ? mul.getLhs() : Value();
  auto pow = value.getDefiningOp<nn::PowOp>();
  return pow && isSplat(pow.getRhs(), 2) ? pow.getLhs() : Value();
}

/// variance + epsilon where value is its square root.
std::optional<std::pair<Value, double>> deviation(Value value) {
  auto root = value.getDefiningOp<nn::SqrtOp>();
  return root ? plusScalar(root.getInput()) : std::nullopt;
}

/// numerator / sqrt(variance + epsilon), as a division or a product with the reciprocal.
struct Normalized {
  Value numerator, variance, gain; // gain: a factor that was multiplied into the reciprocal first, may be null
  double epsilon;
};
SmallVector<Normalized> normalizedForms(Operation *op) {
  SmallVector<Normalized> forms;
  if (auto div = dyn_cast<nn::DivOp>(op)) {
    if (auto d = deviation(div.getRhs()))
      forms.push_back({div.getLhs(), d->first, Value(), d->second});
    return forms;
  }
  for (auto [x, factor] : {std::pair(op->getOperand(0), op->getOperand(1)), std::pair(op->getOperand(1), op->getOperand(0))}) {
    auto add = [&](Value reciprocal, Value gain) {
      auto inverse = reciprocal.getDefiningOp<nn::ReciprocalOp>();
      auto root = reciprocal.getDefiningOp<nn::DivOp>();
      Value base = inverse ? inverse.getInput() : root && isSplat(root.getLhs(), 1) ? root.getRhs() : Value();
      if (base)
        if (auto d = deviation(base))
          forms.push_back({x, d->first, gain, d->second});
    };
    add(factor, {});
    if (auto mul = factor.getDefiningOp<nn::MulOp>()) {
      add(mul.getLhs(), mul.getRhs());
      add(mul.getRhs(), mul.getLhs());
    }
  }
  return forms;
}

/// x and the first normalized axis if `form` is (x - mean) over its deviation. The variance may be the mean of squared
/// differences or, as some exporters write it, max(mean(x^2) - mean^2, 0): the same number, computed more exactly here.
std::optional<std::pair<Value, int64_t>> centered(const Normalized &form) {
  auto sub = form.numerator.getDefiningOp<nn::SubOp>();
  auto axis = sub ? meanOfRows(sub.getRhs()) : std::nullopt;
  if (!axis || sub.getRhs().getDefiningOp<nn::ReduceOp>().getInput() != sub.getLhs())
    return std::nullopt;
  Value x = sub.getLhs(), mean = sub.getRhs(), variance = form.variance;
  if (meanOfRows(variance) == axis && squaredValue(variance.getDefiningOp<nn::ReduceOp>().getInput()) == form.numerator)
    return std::pair(x, *axis);
  if (auto relu = variance.getDefiningOp<nn::ReluOp>())
    variance = relu.getInput();
  auto difference = variance.getDefiningOp<nn::SubOp>();
  if (difference && meanOfRows(difference.getLhs()) == axis &&
      squaredValue(difference.getLhs().getDefiningOp<nn::ReduceOp>().getInput()) == x && squaredValue(difference.getRhs()) == mean)
    return std::pair(x, *axis);
  return std::nullopt;
}

template <typename Root> struct NormFromParts : OpRewritePattern<Root> {
  using OpRewritePattern<Root>::OpRewritePattern;
  LogicalResult matchAndRewrite(Root op, PatternRewriter &rewriter) const override {
    for (const Normalized &form : normalizedForms(op)) {
      if (!sameShape(op, form.numerator))
        continue;
      Value norm;
      auto epsilon = rewriter.getF64FloatAttr(form.epsilon);
      if (auto match = centered(form)) {
        norm = nn::LayerNormOp::create(rewriter, op.getLoc(), match->first, Value(), Value(), rewriter.getI64IntegerAttr(match->second), epsilon);
      } else if (auto axis = meanOfRows(form.variance);
                 axis && squaredValue(form.variance.template getDefiningOp<nn::ReduceOp>().getInput()) == form.numerator) {
        norm = nn::RMSNormOp::create(rewriter, op.getLoc(), form.numerator, Value(), Value(), rewriter.getI64IntegerAttr(*axis), epsilon);
      } else {
        continue;
      }
      if (form.gain)
        norm = nn::MulOp::create(rewriter, op.getLoc(), norm, form.gain);
      rewriter.replaceOp(op, norm);
      return success();
    }
    return failure();
  }
};

/// The parameter over the normalized axes that an operand of mul or add after a norm is, else null.
template <typename NormOp> Value parameterOf(NormOp norm, Value value, OpBuilder &builder) {
  SmallVector<nn::Dim> want = nn::dimsOf(norm.getType());
  want.erase(want.begin(), want.begin() + norm.getAxis());
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  while (dims.size() > want.size() && dims.front().isConstant(1))
    dims.erase(dims.begin());
  return dims == want ? reshapeTo(builder, value.getLoc(), value, want) : Value();
}

/// norm * scale, norm + bias -> parameters of the norm.
template <typename NormOp, typename AffineOp> struct NormParameters : OpRewritePattern<AffineOp> {
  using OpRewritePattern<AffineOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(AffineOp op, PatternRewriter &rewriter) const override {
    constexpr bool isScale = std::is_same_v<AffineOp, nn::MulOp>;
    for (auto [x, parameter] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      auto norm = x.template getDefiningOp<NormOp>();
      if (!norm || !norm->hasOneUse() || norm.getBias() || (isScale && norm.getScale()) || !sameShape(op, norm))
        continue;
      Value vector = parameterOf(norm, parameter, rewriter);
      if (!vector)
        continue;
      Value scale = isScale ? vector : norm.getScale(), bias = isScale ? Value() : vector;
      Location loc = rewriter.getFusedLoc({norm.getLoc(), op.getLoc()});
      rewriter.replaceOpWithNewOp<NormOp>(op, norm.getInput(), scale, bias, norm.getAxisAttr(), norm.getEpsilonAttr())->setLoc(loc);
      return success();
    }
    return failure();
  }
};

} // namespace

void addNormalizationPatterns(RewritePatternSet &patterns) {
  patterns.add<NormFromParts<nn::DivOp>, NormFromParts<nn::MulOp>, NormParameters<nn::LayerNormOp, nn::MulOp>,
               NormParameters<nn::LayerNormOp, nn::AddOp>, NormParameters<nn::RMSNormOp, nn::MulOp>>(patterns.getContext());
}

} // namespace tenon::graph
