// Scaled dot-product attention from matmul, scale, mask, softmax, matmul.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"
#include <limits>

using namespace mlir;

namespace tenon::graph {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// Takes mul and div by a scalar off `value`, also from under views, and multiplies `scale` by what it took.
Value withoutScale(OpBuilder &builder, Value value, double &scale) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.hasOneUse())
    return value;
  if (isa<nn::MulOp, nn::DivOp>(op)) {
    Product product = productOf(value);
    if (product.leaves.size() != 1 || !sameShape(product.leaves[0], value))
      return value;
    scale *= product.factor;
    return withoutScale(builder, product.leaves[0], scale);
  }
  if (!isa<nn::TransposeOp, nn::ReshapeOp>(op))
    return value;
  double before = scale;
  Value source = withoutScale(builder, op->getOperand(0), scale);
  if (scale == before)
    return value;
  Operation *view = builder.clone(*op);
  view->setOperand(0, source);
  return view->getResult(0);
}

/// A factor of scores that no view hides.
bool isScaled(Value value) {
  Product product = productOf(value);
  return product.leaves.size() == 1 && product.leaves[0] != value && sameShape(product.leaves[0], value);
}

/// What stands between the two products, from the softmax up.
struct Scores {
  nn::MatMulOp product;    // of query and key
  Value mask;              // null, or broadcast to the scores
  bool invertMask = false; // a boolean mask that is true where scores are dropped
  double scale = 1.0;
};

/// The probabilities of a softmax over the last axis; through where(isnan(p), 0, p), which makes rows without any key zero.
nn::SoftmaxOp softmaxOf(Value probabilities, bool &safe) {
  if (auto select = probabilities.getDefiningOp<nn::SelectOp>()) {
    auto isNan = select.getCondition().getDefiningOp<nn::IsNanOp>();
    if (!isNan || isNan.getInput() != select.getOnFalse() || !isSplat(select.getOnTrue(), 0) || !select->hasOneUse())
      return {};
    safe = true;
    auto softmax = select.getOnFalse().getDefiningOp<nn::SoftmaxOp>();
    bool onlyHere = softmax && llvm::all_of(softmax->getUsers(), [&](Operation *u) { return u == select || u == isNan; });
    return onlyHere ? softmax : nn::SoftmaxOp();
  }
  auto softmax = probabilities.getDefiningOp<nn::SoftmaxOp>();
  return softmax && softmax->hasOneUse() ? softmax : nn::SoftmaxOp();
}

/// Reads mask and scale. A boolean mask must put -inf in place of scores: another number would still count in a row
/// where every score is dropped. A factor outside of an added mask would scale the mask too: no match.
std::optional<Scores> scoresOf(Value value) {
  Scores scores;
  constexpr int kSteps = 6; // scale, mask, scale, and a few to spare
  for (int step = 0; step < kSteps && value.hasOneUse(); ++step) {
    Operation *op = value.getDefiningOp();
    if (auto add = dyn_cast_or_null<nn::AddOp>(op); add && !scores.mask) {
      auto leads = [&](Value v) {
        return sameShape(v, value) && v.hasOneUse() && (v.getDefiningOp<nn::MatMulOp>() || isScaled(v));
      };
      bool left = leads(add.getLhs());
      if ((!left && !leads(add.getRhs())) || scores.scale != 1.0)
        return std::nullopt;
      scores.mask = left ? add.getRhs() : add.getLhs();
      value = left ? add.getLhs() : add.getRhs();
    } else if (auto select = dyn_cast_or_null<nn::SelectOp>(op); select && !scores.mask) {
      bool drops = isSplat(select.getOnTrue(), kMinusInfinity);
      if ((!drops && !isSplat(select.getOnFalse(), kMinusInfinity)) || !(scores.scale > 0))
        return std::nullopt;
      value = drops ? select.getOnFalse() : select.getOnTrue();
      scores.mask = select.getCondition();
      scores.invertMask = drops;
      if (!sameShape(value, select))
        return std::nullopt;
    } else if (op && isScaled(value)) {
      Product product = productOf(value);
      scores.scale *= product.factor;
      value = product.leaves[0];
    } else {
      break;
    }
  }
  scores.product = value.hasOneUse() ? value.getDefiningOp<nn::MatMulOp>() : nn::MatMulOp();
  return scores.product ? std::optional(scores) : std::nullopt;
}

/// The operand as [batch, heads, rows, columns].
Value withHeads(OpBuilder &builder, Value value) {
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  while (dims.size() < 4)
    dims.insert(dims.begin(), nn::Dim::constant(builder.getContext(), 1));
  return reshapeTo(builder, value.getLoc(), value, dims);
}

Value swapLastAxes(OpBuilder &builder, Value value) {
  auto perm = llvm::to_vector(llvm::seq<int64_t>(0, rankOf(value)));
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transposeBy(builder, value.getLoc(), value, perm);
}

/// Equal up to rounding; with where(isnan(p), 0, p) a row with NaN among its scores gives NaN where the parts gave 0.
struct AttentionFromParts : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    bool safe = false;
    nn::SoftmaxOp softmax = softmaxOf(op.getLhs(), safe);
    if (!softmax || softmax.getLogarithm() || int64_t(softmax.getAxis()) != rankOf(softmax) - 1 || op.getBias() || op.getTransposeLhs() || !isFloat(op))
      return failure();
    std::optional<Scores> scores = scoresOf(softmax.getInput());
    if (!scores || !hasPlainOperands(op, scores->product))
      return failure();

    double scale = scores->scale;
    Value query = scores->product.getLhs(), key = scores->product.getRhs();
    nn::Dim depth = nn::dimsOf(query.getType())[rankOf(query) - (scores->product.getTransposeLhs() ? 2 : 1)];
    if (!depth.isConstant() || !nn::dimsOf(op.getType()).back().isConstant() || getElementTypeOrSelf(op.getType()).isF64())
      return failure(); // what computes nn.attention needs both sizes, and f32
    rewriter.setInsertionPoint(op);
    query = withoutScale(rewriter, query, scale);
    key = withoutScale(rewriter, key, scale);
    if (scores->product.getTransposeLhs())
      query = swapLastAxes(rewriter, query);
    if (!scores->product.getTransposeRhs())
      key = swapLastAxes(rewriter, key);
    Value value = op.getTransposeRhs() ? swapLastAxes(rewriter, op.getRhs()) : op.getRhs();
    Value mask = scores->mask;
    if (mask && scores->invertMask)
      mask = nn::NotOp::create(rewriter, mask.getLoc(), mask);
    if (mask && rankOf(mask) == 0)
      mask = reshapeTo(rewriter, mask.getLoc(), mask, nn::Dim::constant(rewriter.getContext(), 1));
    Location loc = rewriter.getFusedLoc({scores->product.getLoc(), softmax.getLoc(), op.getLoc()});
    Value result = nn::AttentionOp::create(rewriter, loc, withHeads(rewriter, query), withHeads(rewriter, key), withHeads(rewriter, value),
                                           mask, rewriter.getF64FloatAttr(scale), UnitAttr(), safe ? rewriter.getUnitAttr() : UnitAttr());
    rewriter.replaceOp(op, reshapeTo(rewriter, loc, result, nn::dimsOf(op.getType())));
    return success();
  }

  /// No biases, ranks 3 or 4, and the same batch and heads everywhere: nn.attention does not broadcast them.
  static bool hasPlainOperands(nn::MatMulOp values, nn::MatMulOp scores) {
    if (scores.getBias() || rankOf(values) < 3 || rankOf(values) > 4)
      return false;
    SmallVector<nn::Dim> result = nn::dimsOf(values.getType());
    return llvm::all_of(ValueRange{scores.getLhs(), scores.getRhs(), values.getRhs()}, [&](Value operand) {
      SmallVector<nn::Dim> dims = nn::dimsOf(operand.getType());
      return dims.size() == result.size() && std::equal(dims.begin(), dims.end() - 2, result.begin());
    });
  }
};

} // namespace

void addAttentionPatterns(RewritePatternSet &patterns) { patterns.add<AttentionFromParts>(patterns.getContext()); }

} // namespace tenon::graph
