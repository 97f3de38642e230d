// Transposes move down through ops that do not care about the order of axes, until they meet their inverse.
// Throughout: result axis i of a transpose is axis perm[i] of its source.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/views/Patterns.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// The permutation that moves the axes longer than 1 as `perm` does and leaves those of size 1 where they are.
SmallVector<int64_t> withoutUnitMoves(ArrayRef<int64_t> perm, ArrayRef<nn::Dim> source) {
  SmallVector<int64_t> moved;
  for (int64_t axis : perm)
    if (!source[axis].isConstant(1))
      moved.push_back(axis);
  SmallVector<int64_t> result;
  auto next = moved.begin();
  for (int64_t axis = 0; axis < int64_t(perm.size()); ++axis)
    result.push_back(source[axis].isConstant(1) ? axis : *next++);
  return result;
}

bool movesOnlyUnits(ArrayRef<int64_t> perm, ArrayRef<nn::Dim> source) { return isIdentity(withoutUnitMoves(perm, source)); }

/// A transpose that moves axes of size 1 among others leaves those to a reshape after it. The opposite of sinking.
struct SplitUnitMoves : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    SmallVector<int64_t> perm = withoutUnitMoves(op.getPerm(), nn::dimsOf(op.getInput().getType()));
    if (ArrayRef(perm) == op.getPerm())
      return failure();
    Value moved = transposeBy(rewriter, op.getLoc(), op.getInput(), perm);
    rewriter.replaceOp(op, reshapeTo(rewriter, op.getLoc(), moved, nn::dimsOf(op.getType())));
    return success();
  }
};

/// `value` under the axes before a transpose by `perm`, with all of them: free (nothing, a reshape) or a constant's
/// transpose that constant folding evaluates. Null where it would have to be moved at run time.
Value beforeTranspose(PatternRewriter &rewriter, Value value, ArrayRef<int64_t> perm, bool check) {
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>(); transpose && transpose.getPerm() == perm)
    return transpose.getInput();
  SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
  if (nn::numElements(value.getType()).isConstant(1) && dims.size() < perm.size())
    return value;
  while (dims.size() < perm.size())
    dims.insert(dims.begin(), nn::Dim::constant(rewriter.getContext(), 1));
  SmallVector<int64_t> back = inverse(perm);
  bool isFree = movesOnlyUnits(back, dims);
  if (!isFree && !isConstantExpression(value))
    return {};
  if (check)
    return value;
  if (isFree)
    return reshapeTo(rewriter, value.getLoc(), value, permuted<nn::Dim>(dims, back));
  return transposeBy(rewriter, value.getLoc(), reshapeTo(rewriter, value.getLoc(), value, dims), back);
}

/// The operands before their common transpose; empty where one of them has another.
SmallVector<Value> operandsBefore(PatternRewriter &rewriter, Operation *op, ArrayRef<int64_t> perm) {
  SmallVector<Value> operands;
  for (bool check : {true, false}) {
    operands.clear();
    for (Value operand : op->getOperands()) {
      Value before = beforeTranspose(rewriter, operand, perm, check);
      if (!before)
        return {};
      operands.push_back(before);
    }
  }
  return operands;
}

/// The first operand that a transpose of the result's rank really moves.
nn::TransposeOp transposedOperand(Operation *op) {
  for (Value operand : op->getOperands())
    if (auto transpose = operand.getDefiningOp<nn::TransposeOp>())
      if (rankOf(transpose) == rankOf(op->getResult(0)) && !isConstantExpression(transpose) &&
          !movesOnlyUnits(transpose.getPerm(), nn::dimsOf(transpose.getInput().getType())))
        return transpose;
  return {};
}

/// op(transpose(x), ...) -> transpose(op(x, ...)).
struct SinkThroughElementwise : RewritePattern {
  explicit SinkThroughElementwise(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<nn::Elementwise>() || op->getNumResults() != 1)
      return failure();
    auto transpose = transposedOperand(op);
    SmallVector<Value> operands = transpose ? operandsBefore(rewriter, op, transpose.getPerm()) : SmallVector<Value>();
    if (operands.empty())
      return failure();
    SmallVector<nn::Dim> dims = permuted<nn::Dim>(nn::dimsOf(op->getResult(0).getType()), inverse(transpose.getPerm()));
    OperationState state(op->getLoc(), op->getName(), operands, nn::tensorOf(dims, elementOf(op->getResult(0))), op->getAttrs());
    Value result = rewriter.create(state)->getResult(0);
    rewriter.replaceOp(op, transposeBy(rewriter, op->getLoc(), result, transpose.getPerm()));
    return success();
  }
};

struct SinkThroughConcat : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &rewriter) const override {
    auto transpose = transposedOperand(op);
    SmallVector<Value> inputs = transpose ? operandsBefore(rewriter, op, transpose.getPerm()) : SmallVector<Value>();
    if (inputs.empty())
      return failure();
    SmallVector<int64_t> perm(transpose.getPerm());
    Value result = nn::ConcatOp::create(rewriter, op.getLoc(), inputs, perm[op.getAxis()]);
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), result, perm));
    return success();
  }
};

/// Ops of one tensor operand whose attributes name axes: `build` makes the op on the transpose's source.
template <typename OpTy, typename Derived> struct SinkThroughUnary : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    auto transpose = op->getOperand(0).template getDefiningOp<nn::TransposeOp>();
    if (!transpose || isConstantExpression(transpose))
      return failure();
    SmallVector<int64_t> perm(transpose.getPerm());
    Value result = Derived::build(op, transpose.getInput(), perm, rewriter);
    if (!result)
      return failure();
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), result, perm));
    return success();
  }
  static nn::DimsAttr before(nn::DimsAttr dims, ArrayRef<int64_t> perm) {
    return nn::dimsAttr(dims.getContext(), permuted<nn::Dim>(dims.dims(), inverse(perm)));
  }
};
struct SinkThroughPad : SinkThroughUnary<nn::PadOp, SinkThroughPad> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::PadOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    return nn::PadOp::create(rewriter, op.getLoc(), x, op.getValue(), before(op.getLow(), perm), before(op.getHigh(), perm), op.getMode());
  }
};
struct SinkThroughTile : SinkThroughUnary<nn::TileOp, SinkThroughTile> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::TileOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    return nn::TileOp::create(rewriter, op.getLoc(), x, before(op.getRepeats(), perm));
  }
};
struct SinkThroughExpand : SinkThroughUnary<nn::ExpandOp, SinkThroughExpand> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::ExpandOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    if (op.getDims().size() != perm.size())
      return {};
    return nn::ExpandOp::create(rewriter, op.getLoc(), x, before(op.getDims(), perm));
  }
};
struct SinkThroughSoftmax : SinkThroughUnary<nn::SoftmaxOp, SinkThroughSoftmax> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::SoftmaxOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    return nn::SoftmaxOp::create(rewriter, op.getLoc(), x, perm[op.getAxis()], op.getLogarithm());
  }
};
struct SinkThroughCumSum : SinkThroughUnary<nn::CumSumOp, SinkThroughCumSum> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::CumSumOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    return nn::CumSumOp::create(rewriter, op.getLoc(), x, perm[op.getAxis()], op.getExclusive(), op.getReverse());
  }
};

/// `perm` without the source axes in `dropped`, renumbered.
SmallVector<int64_t> withoutAxes(ArrayRef<int64_t> perm, ArrayRef<int64_t> dropped) {
  SmallVector<int64_t> result;
  for (int64_t axis : perm)
    if (!llvm::is_contained(dropped, axis))
      result.push_back(axis - llvm::count_if(dropped, [&](int64_t d) { return d < axis; }));
  return result;
}

struct SinkThroughReduce : SinkThroughUnary<nn::ReduceOp, SinkThroughReduce> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::ReduceOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    SmallVector<int64_t> axes = llvm::map_to_vector(op.getAxes(), [&](int64_t axis) { return perm[axis]; });
    llvm::sort(axes);
    if (!op.getKeepDims())
      perm = withoutAxes(perm, axes);
    return nn::ReduceOp::create(rewriter, op.getLoc(), x, op.getKind(), axes, op.getKeepDims());
  }
};
struct SinkThroughArgReduce : SinkThroughUnary<nn::ArgReduceOp, SinkThroughArgReduce> {
  using SinkThroughUnary::SinkThroughUnary;
  static Value build(nn::ArgReduceOp op, Value x, SmallVectorImpl<int64_t> &perm, PatternRewriter &rewriter) {
    int64_t axis = perm[op.getAxis()];
    if (!op.getKeepDims())
      perm = withoutAxes(perm, {axis});
    return nn::ArgReduceOp::create(rewriter, op.getLoc(), x, axis, op.getMinimum(), op.getKeepDims(), op.getSelectLast());
  }
};

/// Whether `size` is one that this run finds out: how many elements of something are selected.
bool isFoundByRun(func::FuncOp func, nn::Dim size) {
  SmallVector<StringRef> symbols;
  size.collectSymbols(symbols);
  bool found = false;
  func.walk([&](nn::ReadSizesOp read) {
    found |= llvm::any_of(read.getSymbols().getAsRange<StringAttr>(), [&](StringAttr name) { return llvm::is_contained(symbols, name.getValue()); });
  });
  return found;
}

/// gather(transpose(x)) -> transpose(gather(x)), where the run selects a few: only those are moved then. Rows of a transpose that is made anyway
/// are faster to gather than columns, so not where anything else may read it.
struct SinkThroughSelection : OpRewritePattern<nn::GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::GatherOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<nn::TransposeOp>();
    if (!transpose || !transpose->hasOneUse() || !isFoundByRun(op->getParentOfType<func::FuncOp>(), nn::numElements(op.getIndices().getType())))
      return failure();
    // Axes of the new gather's result: those of x, the axis replaced by the axes of the indices.
    int64_t axis = op.getAxis(), source = transpose.getPerm()[axis], count = rankOf(op.getIndices());
    SmallVector<int64_t> perm;
    for (auto [i, from] : llvm::enumerate(transpose.getPerm())) {
      if (int64_t(i) == axis)
        llvm::append_range(perm, llvm::seq(source, source + count));
      else
        perm.push_back(from < source ? from : from + count - 1);
    }
    Value gather = nn::GatherOp::create(rewriter, op.getLoc(), transpose.getInput(), op.getIndices(), source);
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), gather, perm));
    return success();
  }
};

/// A norm over trailing axes that the transpose leaves in place.
template <typename NormOp> struct SinkThroughNorm : OpRewritePattern<NormOp> {
  using OpRewritePattern<NormOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(NormOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().template getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    ArrayRef<int64_t> perm = transpose.getPerm();
    for (int64_t axis = op.getAxis(); axis < int64_t(perm.size()); ++axis)
      if (perm[axis] != axis)
        return failure();
    Value norm = NormOp::create(rewriter, op.getLoc(), transpose.getInput(), op.getScale(), op.getBias(), op.getAxisAttr(), op.getEpsilonAttr());
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), norm, perm));
    return success();
  }
};

} // namespace

void addUnitSplittingPatterns(RewritePatternSet &patterns) { patterns.add<SplitUnitMoves>(patterns.getContext()); }

void addTransposeSinkingPatterns(RewritePatternSet &patterns) {
  patterns.add<SinkThroughElementwise, SinkThroughConcat, SinkThroughPad, SinkThroughTile, SinkThroughExpand, SinkThroughSoftmax,
               SinkThroughCumSum, SinkThroughReduce, SinkThroughArgReduce, SinkThroughSelection, SinkThroughNorm<nn::LayerNormOp>,
               SinkThroughNorm<nn::RMSNormOp>>(patterns.getContext());
}

} // namespace tenon::graph
