// Canonical forms: chains of views become one view, views that move nothing become reshapes, broadcasts that an op does
// itself go away.
#include "dialects/nn/Infer.h"
#include "dialects/nn/Known.h"

using namespace mlir;

namespace tenon::nn {

namespace {
// reshape(reshape(x)) = reshape(x)
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<ReshapeOp>();
    if (!inner)
      return failure();
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), inner.getInput(), op.getDims());
    return success();
  }
};

// transpose(transpose(x, p), q) = transpose(x, p[q])
struct MergeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<TransposeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> perm = llvm::map_to_vector(op.getPerm(), [&](int64_t axis) { return inner.getPerm()[axis]; });
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getInput(), perm);
    return success();
  }
};

// A transpose that keeps the order of the axes longer than 1 moves no element: it is a reshape.
struct TransposeOfUnitAxes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    int64_t last = -1;
    for (int64_t axis : op.getPerm()) {
      if (op.getInput().getType().getDimSize(axis) == 1)
        continue;
      if (axis < last)
        return failure();
      last = axis;
    }
    DimsAttr dims = dimsAttr(op.getContext(), dimsOf(op.getType()));
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getInput(), dims);
    return success();
  }
};

// slice(slice(x, a, s), b, t) = slice(x, a + b * s, s * t)
struct MergeSlices : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<SliceOp>();
    if (!inner)
      return failure();
    SmallVector<Dim> starts = inner.getStarts().dims();
    SmallVector<int64_t> steps(inner.getSteps());
    for (auto [axis, start] : llvm::enumerate(op.getStarts().dims())) {
      starts[axis] = starts[axis] + start * steps[axis];
      if (__builtin_mul_overflow(steps[axis], op.getSteps()[axis], &steps[axis]))
        return failure();
    }
    rewriter.replaceOpWithNewOp<SliceOp>(op, op.getType(), inner.getInput(), dimsAttr(op.getContext(), starts), op.getSizes(), steps);
    return success();
  }
};

// cast(cast(x : a -> b) -> c) = cast(x : a -> c) where b holds every value of a
struct MergeCasts : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;

  static bool holds(Type wide, Type narrow) {
    auto from = dyn_cast<FloatType>(narrow), to = dyn_cast<FloatType>(wide);
    if (from && to) {
      auto representable = [](FloatType a, FloatType b) { return llvm::APFloat::isRepresentableBy(a.getFloatSemantics(), b.getFloatSemantics()); };
      return from == to || representable(from, to);
    }
    auto small = dyn_cast<IntegerType>(narrow);
    if (!small || isa<quant::QuantizedType>(wide))
      return false;
    unsigned bits = small.getWidth() - (isUnsigned(small) ? 0 : 1);
    if (to)
      return !isa<Float8E8M0FNUType>(to) && bits <= to.getFPMantissaWidth();
    auto large = dyn_cast<IntegerType>(wide);
    if (!large || large.getWidth() == 1 || (isUnsigned(large) && !isUnsigned(small)))
      return large == small;
    return bits <= large.getWidth() - (isUnsigned(large) ? 0 : 1);
  }

  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<CastOp>();
    if (!inner || !holds(inner.getTo(), inner.getInput().getType().getElementType()))
      return failure();
    rewriter.replaceOpWithNewOp<CastOp>(op, op.getType(), inner.getInput(), op.getToAttr(), op.getSaturateAttr(), op.getRoundingAttr());
    return success();
  }
};

// gather at a constant index, or at neighbouring ones, reads a slice
struct GatherOfNeighbours : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;

  /// The first of consecutive indices that are surely inside the axis; negative ones count from its end.
  static std::optional<Dim> firstIndex(GatherOp op, Dim size) {
    std::optional<SmallVector<Dim>> indices = constantDims(op.getIndices());
    if (!indices || indices->empty() || static_cast<int64_t>(indices->size()) > kMaxFoldedElements)
      return std::nullopt;
    Dim first = indices->front();
    if (std::optional<int64_t> high = first.upperBound(); high && *high < 0)
      first = first + size;
    std::optional<int64_t> low = first.lowerBound(), room = (size - first - static_cast<int64_t>(indices->size())).lowerBound();
    if (!low || *low < 0 || !room || *room < 0)
      return std::nullopt;
    for (auto [i, index] : llvm::enumerate(*indices))
      if (index != indices->front() + static_cast<int64_t>(i))
        return std::nullopt;
    return first;
  }

  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    MLIRContext *ctx = op.getContext();
    int64_t axis = op.getAxis();
    SmallVector<Dim> dims = dimsOf(op.getInput().getType()), starts(dims.size(), Dim::constant(ctx, 0));
    std::optional<Dim> first = firstIndex(op, dims[axis]);
    if (!first)
      return failure();
    starts[axis] = *first;
    dims[axis] = Dim::constant(ctx, op.getIndices().getType().getNumElements());
    SmallVector<int64_t> steps(dims.size(), 1);
    Value slice = SliceOp::create(rewriter, op.getLoc(), op.getInput(), dimsAttr(ctx, starts), dimsAttr(ctx, dims), rewriter.getDenseI64ArrayAttr(steps));
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), slice, dimsAttr(ctx, dimsOf(op.getType())));
    return success();
  }
};

// concat(concat(a, b), c) = concat(a, b, c) where nothing else reads the inner one; empty inputs go away
struct FlattenConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<ConcatOp>();
      if (inner && inner.getAxis() == op.getAxis() && input.hasOneUse())
        llvm::append_range(inputs, inner.getInputs());
      else if (!dimOf(input.getType(), op.getAxis()).isConstant(0))
        inputs.push_back(input);
    }
    if (inputs.empty() || inputs == SmallVector<Value>(op.getInputs()))
      return failure();
    auto replacement = tryCreate<ConcatOp>(rewriter, op.getLoc(), inputs, op.getAxis());
    if (failed(replacement) || replacement->getType() != op.getType())
      return failure();
    rewriter.replaceOp(op, *replacement);
    return success();
  }
};

// An elementwise op broadcasts its operands itself: expand before it is dropped where the result's type stays the same.
struct DropExpand : OpTraitRewritePattern<Elementwise> {
  using OpTraitRewritePattern::OpTraitRewritePattern;
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (op->getNumOperands() < 2)
      return failure();
    for (OpOperand &operand : op->getOpOperands()) {
      auto expand = operand.get().getDefiningOp<ExpandOp>();
      if (!expand)
        continue;
      SmallVector<Value> operands(op->getOperands());
      operands[operand.getOperandNumber()] = expand.getInput();
      SmallVector<Type> types;
      auto inferring = cast<InferTypeOpInterface>(op);
      if (failed(inferring.inferReturnTypes(op->getContext(), std::nullopt, operands, op->getRawDictionaryAttrs(), op->getPropertiesStorage(),
                                            op->getRegions(), types)) ||
          types.front() != op->getResult(0).getType())
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(expand.getInput()); });
      return success();
    }
    return failure();
  }
};
} // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) { patterns.add<MergeReshapes>(ctx); }
void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) {
  patterns.add<MergeTransposes, TransposeOfUnitAxes>(ctx);
}
void SliceOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) { patterns.add<MergeSlices>(ctx); }
void CastOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) { patterns.add<MergeCasts>(ctx); }
void GatherOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) { patterns.add<GatherOfNeighbours>(ctx); }
void ConcatOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *ctx) { patterns.add<FlattenConcat>(ctx); }
void NNDialect::getCanonicalizationPatterns(RewritePatternSet &patterns) const { patterns.add<DropExpand>(patterns.getContext()); }

} // namespace tenon::nn
