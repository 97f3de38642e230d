// Concatenations and the slices before and after them.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/views/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

bool hasUnitSteps(nn::SliceOp slice) {
  return llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; });
}

/// concat(slice [0, 4) of x, slice [4, 9) of x, y) -> concat(slice [0, 9) of x, y).
struct ConcatOfSlices : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    bool changed = false;
    for (Value input : op.getInputs()) {
      Value merged = inputs.empty() ? Value() : join(inputs.back(), input, op.getAxis(), rewriter);
      changed |= merged != nullptr;
      if (merged)
        inputs.back() = merged;
      else
        inputs.push_back(input);
    }
    if (!changed)
      return failure();
    rewriter.replaceOpWithNewOp<nn::ConcatOp>(op, inputs, op.getAxis());
    return success();
  }

  static Value join(Value left, Value right, int64_t axis, PatternRewriter &rewriter) {
    auto a = left.getDefiningOp<nn::SliceOp>(), b = right.getDefiningOp<nn::SliceOp>();
    if (!a || !b || a.getInput() != b.getInput() || !hasUnitSteps(a) || !hasUnitSteps(b))
      return {};
    SmallVector<nn::Dim> starts = a.getStarts().dims(), sizes = a.getSizes().dims();
    SmallVector<nn::Dim> otherStarts = b.getStarts().dims(), otherSizes = b.getSizes().dims();
    for (int64_t i = 0; i < int64_t(starts.size()); ++i) {
      bool fits = i == axis ? starts[i] + sizes[i] == otherStarts[i] : starts[i] == otherStarts[i] && sizes[i] == otherSizes[i];
      if (!fits)
        return {};
    }
    sizes[axis] = sizes[axis] + otherSizes[axis];
    if (ArrayRef(sizes) == ArrayRef(nn::dimsOf(a.getInput().getType())))
      return a.getInput();
    return nn::SliceOp::create(rewriter, a.getLoc(), a.getInput(), a.getStarts(), nn::dimsAttr(rewriter.getContext(), sizes), a.getSteps());
  }
};

/// A slice that lies within one input of a concat reads that input.
struct SliceOfConcat : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getInput().getDefiningOp<nn::ConcatOp>();
    if (!concat)
      return failure();
    int64_t axis = concat.getAxis();
    SmallVector<nn::Dim> starts = op.getStarts().dims();
    auto begin = starts[axis].asConstant(), size = op.getSizes().dims()[axis].asConstant();
    if (!begin || !size || *size < 1 || op.getSteps()[axis] < 1)
      return failure();
    int64_t last = *begin + (*size - 1) * op.getSteps()[axis], offset = 0;
    for (Value input : concat.getInputs()) {
      auto extent = nn::dimOf(input.getType(), axis).asConstant();
      if (!extent)
        return failure();
      if (*begin >= offset && last < offset + *extent) {
        starts[axis] = nn::Dim::constant(getContext(), *begin - offset);
        rewriter.replaceOpWithNewOp<nn::SliceOp>(op, input, nn::dimsAttr(getContext(), starts), op.getSizes(), op.getSteps());
        return success();
      }
      offset += *extent;
    }
    return failure();
  }
};

/// Where a concat is only read through slices of other axes: a concat of slices for each, so that nothing is put together
/// only to be taken apart (detection heads: boxes and scores of every scale).
struct SlicesBeforeConcat : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    SmallVector<nn::SliceOp> slices;
    for (Operation *user : op->getUsers()) {
      auto slice = dyn_cast<nn::SliceOp>(user);
      if (!slice || slice.getSizes().dims()[axis] != nn::dimOf(op.getType(), axis))
        return failure();
      slices.push_back(slice);
    }
    if (slices.empty())
      return failure();
    for (nn::SliceOp slice : slices) {
      rewriter.setInsertionPoint(slice);
      SmallVector<Value> parts;
      for (Value input : op.getInputs()) {
        SmallVector<nn::Dim> sizes = slice.getSizes().dims();
        sizes[axis] = nn::dimOf(input.getType(), axis);
        parts.push_back(nn::SliceOp::create(rewriter, slice.getLoc(), input, slice.getStarts(), nn::dimsAttr(getContext(), sizes), slice.getSteps()));
      }
      rewriter.replaceOpWithNewOp<nn::ConcatOp>(slice, parts, axis);
    }
    return success();
  }
};

} // namespace

void addConcatPatterns(RewritePatternSet &patterns) {
  patterns.add<ConcatOfSlices, SliceOfConcat, SlicesBeforeConcat>(patterns.getContext());
}

} // namespace tenon::graph
