// Reductions spelt in a roundabout way: means as scaled sums, dropped axes that come back, pooling of everything.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// sum(x) * (1 / n) or sum(x) / n over n elements -> mean(x). The same up to one rounding.
template <typename Root> struct SumToMean : OpRewritePattern<Root> {
  using OpRewritePattern<Root>::OpRewritePattern;
  LogicalResult matchAndRewrite(Root op, PatternRewriter &rewriter) const override {
    Product product = productOf(op);
    auto reduce = product.leaves.size() == 1 ? product.leaves[0].getDefiningOp<nn::ReduceOp>() : nn::ReduceOp();
    if (!reduce || reduce.getKind() != nn::ReduceKind::Sum || !isFloat(op) || !sameShape(reduce, op))
      return failure();
    nn::Dim count = nn::Dim::constant(op.getContext(), 1);
    for (int64_t axis : reduce.getAxes())
      count = count * nn::dimOf(reduce.getInput().getType(), axis);
    auto n = count.asConstant();
    if (!n || *n == 0 || !isClose(product.factor * double(*n), 1.0))
      return failure();
    rewriter.replaceOpWithNewOp<nn::ReduceOp>(op, reduce.getInput(), nn::ReduceKind::Mean, reduce.getAxes(), reduce.getKeepDims());
    return success();
  }
};

/// reshape(reduce without kept axes) that puts the axes back as 1 -> reduce with kept axes.
struct KeepReducedAxes : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto reduce = op.getInput().getDefiningOp<nn::ReduceOp>();
    if (!reduce || reduce.getKeepDims())
      return failure();
    SmallVector<nn::Dim> kept = nn::dimsOf(reduce.getInput().getType());
    for (int64_t axis : reduce.getAxes())
      kept[axis] = nn::Dim::constant(getContext(), 1);
    if (kept != nn::dimsOf(op.getType()))
      return failure();
    rewriter.replaceOpWithNewOp<nn::ReduceOp>(op, reduce.getInput(), reduce.getKind(), reduce.getAxes(), true);
    return success();
  }
};

/// op(reshape(a)) of elementwise ops between a reduction and the reshape that puts its axes back: the reshape goes first.
struct ReshapeBeforeElementwise : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    Operation *producer = op.getInput().getDefiningOp();
    if (!producer || !producer->hasTrait<nn::Elementwise>() || producer->getNumResults() != 1 || !comesFromReduction(producer, 4))
      return failure();
    SmallVector<Value> operands;
    for (Value operand : producer->getOperands()) {
      if (sameShape(operand, op.getInput()))
        operands.push_back(reshapeTo(rewriter, op.getLoc(), operand, nn::dimsOf(op.getType())));
      else if (splatValue(operand) && nn::numElements(operand.getType()).isConstant(1))
        operands.push_back(reshapeTo(rewriter, op.getLoc(), operand, ArrayRef<nn::Dim>()));
      else
        return failure();
    }
    OperationState state(producer->getLoc(), producer->getName(), operands,
                         nn::withElement(cast<RankedTensorType>(op.getType()), elementOf(op)), producer->getAttrs());
    rewriter.replaceOp(op, rewriter.create(state));
    return success();
  }
  /// Every operand is a reduction without kept axes, a scalar, or elementwise on such.
  static bool comesFromReduction(Operation *op, int depth) {
    bool found = false;
    for (Value operand : op->getOperands()) {
      if (splatValue(operand) && nn::numElements(operand.getType()).isConstant(1))
        continue;
      Operation *producer = operand.getDefiningOp();
      auto reduce = dyn_cast_or_null<nn::ReduceOp>(producer);
      bool nested = producer && depth > 0 && producer->hasTrait<nn::Elementwise>() && comesFromReduction(producer, depth - 1);
      if (!sameShape(operand, op->getResult(0)) || !((reduce && !reduce.getKeepDims()) || nested))
        return false;
      found = true;
    }
    return found;
  }
};

/// A mean over one axis after a mean over another (kept) -> one mean over both.
struct MergeMeans : OpRewritePattern<nn::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReduceOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<nn::ReduceOp>();
    if (!inner || !inner->hasOneUse() || !inner.getKeepDims() || inner.getKind() != op.getKind() ||
        !llvm::is_contained({nn::ReduceKind::Mean, nn::ReduceKind::Sum, nn::ReduceKind::Max, nn::ReduceKind::Min}, op.getKind()))
      return failure();
    if (!op.getKeepDims() && !llvm::all_of(inner.getAxes(), [&](int64_t a) { return llvm::is_contained(op.getAxes(), a); }))
      return failure();
    SmallVector<int64_t> axes(op.getAxes());
    for (int64_t axis : inner.getAxes())
      if (!llvm::is_contained(axes, axis))
        axes.push_back(axis);
    llvm::sort(axes);
    rewriter.replaceOpWithNewOp<nn::ReduceOp>(op, inner.getInput(), op.getKind(), axes, op.getKeepDims());
    return success();
  }
};

/// A pool whose one window is the whole image -> reduce with kept axes.
struct GlobalPool : OpRewritePattern<nn::PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::PoolOp op, PatternRewriter &rewriter) const override {
    if (op.getKind() == nn::PoolKind::Lp || op.getLayout() != nn::Layout::ChannelsFirst)
      return failure();
    auto input = cast<RankedTensorType>(op.getInput().getType());
    if (input.getShape().drop_front(2) != op.getWindow() || llvm::any_of(op.getPads(), [](int64_t p) { return p != 0; }) ||
        llvm::any_of(op.getDilations(), [](int64_t d) { return d != 1; }))
      return failure();
    auto kind = op.getKind() == nn::PoolKind::Max ? nn::ReduceKind::Max : nn::ReduceKind::Mean;
    auto axes = llvm::to_vector(llvm::seq<int64_t>(2, input.getRank()));
    rewriter.replaceOpWithNewOp<nn::ReduceOp>(op, op.getInput(), kind, axes, true);
    return success();
  }
};

} // namespace

void addReductionPatterns(RewritePatternSet &patterns) {
  patterns.add<SumToMean<nn::MulOp>, SumToMean<nn::DivOp>, KeepReducedAxes, ReshapeBeforeElementwise, MergeMeans, GlobalPool>(
      patterns.getContext());
}

} // namespace tenon::graph
