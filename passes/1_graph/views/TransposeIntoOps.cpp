// Transposes and the ops that can take them in: reshapes of whole groups of axes, matrix products; concat and pad, before
// which a transpose is hoisted when nothing else reads them.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/views/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// reshape(transpose(x)) -> transpose(reshape(x)), where the reshape splits or merges axes that lie side by side in x.
struct SinkThroughReshape : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<nn::TransposeOp>();
    if (!transpose || isConstantExpression(transpose))
      return failure();
    ArrayRef<int64_t> perm = transpose.getPerm();
    SmallVector<nn::Dim> out = nn::dimsOf(op.getType());
    auto groups = axisGroups(nn::dimsOf(transpose.getType()), out);
    if (!groups)
      return failure();
    // Groups in the order of the source; new axes of size 1 stay behind the group before them.
    SmallVector<std::pair<int64_t, AxisGroup>> ordered;
    int64_t key = -1;
    for (const AxisGroup &group : *groups) {
      for (int64_t i = group.inputBegin + 1; i < group.inputEnd; ++i)
        if (perm[i] != perm[i - 1] + 1)
          return failure();
      if (group.inputBegin != group.inputEnd)
        key = perm[group.inputBegin];
      ordered.push_back({key, group});
    }
    llvm::stable_sort(ordered, [](const auto &a, const auto &b) { return a.first < b.first; });
    SmallVector<nn::Dim> dims;
    SmallVector<int64_t> position(out.size());
    for (const auto &[sourceAxis, group] : ordered)
      for (int64_t axis = group.outputBegin; axis < group.outputEnd; ++axis) {
        position[axis] = dims.size();
        dims.push_back(out[axis]);
      }
    Value reshaped = reshapeTo(rewriter, op.getLoc(), transpose.getInput(), dims);
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), reshaped, position));
    return success();
  }
};

bool swapsLastTwo(ArrayRef<int64_t> perm) {
  SmallVector<int64_t> swapped(perm);
  if (swapped.size() < 2)
    return false;
  std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
  return isIdentity(swapped);
}

/// A transpose of an operand's last two axes is the matmul's own transpose flag; one that keeps the last axis of the left
/// operand of a product with a matrix moves behind it.
struct TransposeIntoMatMul : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    auto lhs = op.getLhs().getDefiningOp<nn::TransposeOp>(), rhs = op.getRhs().getDefiningOp<nn::TransposeOp>();
    if (rhs && swapsLastTwo(rhs.getPerm()) && !isConstantExpression(rhs)) {
      rewriter.replaceOpWithNewOp<nn::MatMulOp>(op, op.getLhs(), rhs.getInput(), op.getBias(), op.getTransposeLhs(), !op.getTransposeRhs());
      return success();
    }
    if (lhs && swapsLastTwo(lhs.getPerm()) && !isConstantExpression(lhs)) {
      rewriter.replaceOpWithNewOp<nn::MatMulOp>(op, lhs.getInput(), op.getRhs(), op.getBias(), !op.getTransposeLhs(), op.getTransposeRhs());
      return success();
    }
    if (!lhs || op.getTransposeLhs() || rankOf(op.getRhs()) != 2 || lhs.getPerm().back() != int64_t(lhs.getPerm().size()) - 1)
      return failure();
    Value product = nn::MatMulOp::create(rewriter, op.getLoc(), lhs.getInput(), op.getRhs(), op.getBias(), false, op.getTransposeRhs());
    rewriter.replaceOp(op, transposeBy(rewriter, op.getLoc(), product, lhs.getPerm()));
    return success();
  }
};

/// matmul(reshape(transpose(x)), w), where the reshape makes one axis of heads and one of all rows: rows keep the order that they have in x, and what was
/// multiplied is transposed. Models that put the sequence before the batch ask for it around every attention; two such transposes meet and vanish.
struct RowsInOrder : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getLhs().getDefiningOp<nn::ReshapeOp>();
    auto transpose = reshape ? reshape.getInput().getDefiningOp<nn::TransposeOp>() : nn::TransposeOp();
    if (!transpose || op.getTransposeLhs() || rankOf(op.getRhs()) != 2 || isConstantExpression(transpose))
      return failure();
    SmallVector<nn::Dim> dims = nn::dimsOf(transpose.getType());
    nn::Dim depth = nn::dimOf(reshape.getType(), rankOf(reshape) - 1);
    ArrayRef<int64_t> perm = transpose.getPerm();
    int64_t lead = leadingAxes(dims, depth);
    SmallVector<int64_t> moved, sorted(perm.take_front(lead));
    llvm::copy_if(sorted, std::back_inserter(moved), [&](int64_t axis) { return !nn::dimOf(transpose.getInput().getType(), axis).isConstant(1); });
    if (llvm::is_sorted(moved))
      return failure();
    llvm::sort(sorted);
    SmallVector<int64_t> inner(sorted), outer;
    llvm::append_range(inner, perm.drop_front(lead));
    for (int64_t axis : perm.take_front(lead))
      outer.push_back(llvm::find(sorted, axis) - sorted.begin());
    outer.push_back(lead);
    Value ordered = transposeBy(rewriter, op.getLoc(), transpose.getInput(), inner);
    SmallVector<nn::Dim> rows = nn::dimsOf(ordered.getType());
    rows.truncate(lead);
    rows.push_back(depth);
    Value lhs = reshapeTo(rewriter, op.getLoc(), ordered, rows);
    Value product = nn::MatMulOp::create(rewriter, op.getLoc(), lhs, op.getRhs(), op.getBias(), false, op.getTransposeRhs());
    rewriter.replaceOp(op, reshapeTo(rewriter, op.getLoc(), transposeBy(rewriter, op.getLoc(), product, outer), nn::dimsOf(op.getType())));
    return success();
  }

  /// How many axes lie in front of those that make up `depth`; 0 where none do.
  static int64_t leadingAxes(ArrayRef<nn::Dim> dims, nn::Dim depth) {
    nn::Dim size = nn::Dim::constant(depth.context(), 1);
    for (int64_t axis = int64_t(dims.size()) - 1; axis > 0; --axis) {
      size = size * dims[axis];
      if (size == depth)
        return axis;
    }
    return 0;
  }
};

/// transpose(concat(a, b)) -> concat(transpose(a), transpose(b)): the copies that a concat makes anyway do the transposing.
struct HoistBeforeConcat : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getInput().getDefiningOp<nn::ConcatOp>();
    if (!concat || !concat->hasOneUse())
      return failure();
    SmallVector<Value> inputs;
    for (Value input : concat.getInputs())
      inputs.push_back(transposeBy(rewriter, op.getLoc(), input, op.getPerm()));
    rewriter.replaceOpWithNewOp<nn::ConcatOp>(op, inputs, inverse(op.getPerm())[concat.getAxis()]);
    return success();
  }
};

struct HoistBeforePad : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getInput().getDefiningOp<nn::PadOp>();
    if (!pad || !pad->hasOneUse())
      return failure();
    auto moved = [&](nn::DimsAttr dims) { return nn::dimsAttr(getContext(), permuted<nn::Dim>(dims.dims(), op.getPerm())); };
    Value source = transposeBy(rewriter, op.getLoc(), pad.getInput(), op.getPerm());
    rewriter.replaceOpWithNewOp<nn::PadOp>(op, source, pad.getValue(), moved(pad.getLow()), moved(pad.getHigh()), pad.getMode());
    return success();
  }
};

} // namespace

void addTransposeIntoOpsPatterns(RewritePatternSet &patterns) {
  patterns.add<SinkThroughReshape, TransposeIntoMatMul, RowsInOrder>(patterns.getContext());
}

void addTransposeHoistingPatterns(RewritePatternSet &patterns) {
  patterns.add<HoistBeforeConcat, HoistBeforePad>(patterns.getContext());
}

} // namespace tenon::graph
