// Slices move towards the value they read, so that they meet other views and can be read in place.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/views/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// slice(transpose(x)) -> transpose(slice(x)).
struct SliceBeforeTranspose : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    SmallVector<int64_t> back = inverse(transpose.getPerm());
    auto source = [&](nn::DimsAttr dims) { return nn::dimsAttr(getContext(), permuted<nn::Dim>(dims.dims(), back)); };
    Value slice = nn::SliceOp::create(rewriter, op.getLoc(), transpose.getInput(), source(op.getStarts()), source(op.getSizes()),
                                      permuted<int64_t>(op.getSteps(), back));
    rewriter.replaceOpWithNewOp<nn::TransposeOp>(op, slice, transpose.getPerm());
    return success();
  }
};

/// One axis of a slice.
struct Range {
  nn::Dim start, size;
  int64_t step;
};

/// The range of one input axis that ranges over the axes it was split into select together: the elements must form one
/// arithmetic sequence. `sizes` are those of the split axes.
std::optional<Range> mergedRange(ArrayRef<Range> ranges, ArrayRef<nn::Dim> sizes, MLIRContext *context) {
  nn::Dim stride = nn::Dim::constant(context, 1);
  Range merged{nn::Dim::constant(context, 0), nn::Dim::constant(context, 1), 1};
  bool isSingle = true;
  for (int64_t axis = int64_t(ranges.size()) - 1; axis >= 0; --axis) {
    const Range &range = ranges[axis];
    merged.start = merged.start + range.start * stride;
    if (!range.size.isConstant(1)) {
      auto step = stride.asConstant();
      if (!step)
        return std::nullopt;
      int64_t wanted = *step * range.step;
      if (!isSingle && merged.size * merged.step != nn::Dim::constant(context, wanted))
        return std::nullopt;
      if (isSingle)
        merged.step = wanted;
      merged.size = merged.size * range.size;
      isSingle = false;
    }
    stride = stride * sizes[axis];
  }
  return merged;
}

/// slice(reshape(x)) -> reshape(slice(x)), where what is selected is a slice of x too: the k-th of the parts that an axis
/// was split into, for example, is a slice of that axis.
struct SliceBeforeReshape : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<nn::ReshapeOp>();
    if (!reshape || isConstantExpression(reshape) || llvm::any_of(op.getSteps(), [](int64_t step) { return step < 1; }))
      return failure();
    SmallVector<nn::Dim> in = nn::dimsOf(reshape.getInput().getType()), out = nn::dimsOf(reshape.getType());
    auto groups = axisGroups(in, out);
    if (!groups)
      return failure();
    SmallVector<nn::Dim> starts, sizes;
    SmallVector<int64_t> steps;
    SmallVector<nn::Dim> sliceStarts = op.getStarts().dims(), sliceSizes = op.getSizes().dims();
    for (const AxisGroup &group : *groups) {
      bool whole = true;
      SmallVector<Range> ranges;
      for (int64_t axis = group.outputBegin; axis < group.outputEnd; ++axis) {
        ranges.push_back({sliceStarts[axis], sliceSizes[axis], op.getSteps()[axis]});
        whole &= sliceSizes[axis] == out[axis];
      }
      int64_t inputs = group.inputEnd - group.inputBegin;
      if (whole) {
        for (int64_t axis = group.inputBegin; axis < group.inputEnd; ++axis)
          push({nn::Dim::constant(getContext(), 0), in[axis], 1}, starts, sizes, steps);
        continue;
      }
      if (inputs != 1)
        return failure();
      auto merged = mergedRange(ranges, ArrayRef(out).slice(group.outputBegin, ranges.size()), getContext());
      if (!merged)
        return failure();
      push(*merged, starts, sizes, steps);
    }
    Value slice = nn::SliceOp::create(rewriter, op.getLoc(), reshape.getInput(), nn::dimsAttr(getContext(), starts),
                                      nn::dimsAttr(getContext(), sizes), steps);
    rewriter.replaceOpWithNewOp<nn::ReshapeOp>(op, slice, op.getSizes());
    return success();
  }
  static void push(const Range &range, SmallVectorImpl<nn::Dim> &starts, SmallVectorImpl<nn::Dim> &sizes, SmallVectorImpl<int64_t> &steps) {
    starts.push_back(range.start);
    sizes.push_back(range.size);
    steps.push_back(range.step);
  }
};

} // namespace

void addSlicePatterns(RewritePatternSet &patterns) {
  patterns.add<SliceBeforeTranspose, SliceBeforeReshape>(patterns.getContext());
}

} // namespace tenon::graph
