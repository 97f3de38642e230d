// Reshapes move down, after the ops that compute: what lies between an anchor and its epilogue hinders fusion.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/views/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// What `reshape` reads, or that with several last axes made one, as `reshape` makes them; none where that is `reshape` itself or has less axes.
Value withLastAxisOf(nn::ReshapeOp reshape, PatternRewriter &rewriter) {
  Value x = reshape.getInput();
  SmallVector<nn::Dim> before = nn::dimsOf(x.getType()), after = nn::dimsOf(reshape.getType());
  if (before.size() >= 2 && before.back() == after.back())
    return x;
  auto groups = axisGroups(before, after);
  int64_t rank = after.size();
  if (!groups || groups->empty() || groups->back().outputBegin + 1 != rank || groups->back().outputEnd != rank || groups->back().inputBegin + 1 < rank)
    return {};
  SmallVector<nn::Dim> dims(ArrayRef(before).take_front(groups->back().inputBegin));
  dims.push_back(after.back());
  return dims == after ? Value() : reshapeTo(rewriter, reshape.getLoc(), x, dims);
}

/// matmul(reshape(x), w) of a matrix w, where the last axis stays -> reshape(matmul(x, w)); where the last axis is made of several, like the heads
/// of an attention, the same with a reshape of nothing else.
struct MatMulBeforeReshape : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getLhs().getDefiningOp<nn::ReshapeOp>();
    if (!reshape || op.getTransposeLhs() || rankOf(op.getRhs()) != 2)
      return failure();
    Value x = withLastAxisOf(reshape, rewriter);
    if (!x)
      return failure();
    Value product = nn::MatMulOp::create(rewriter, op.getLoc(), x, op.getRhs(), op.getBias(), false, op.getTransposeRhs());
    rewriter.replaceOp(op, reshapeTo(rewriter, op.getLoc(), product, nn::dimsOf(op.getType())));
    return success();
  }
};

/// An operand of an elementwise op under the dimensions before the reshape: whole groups of axes map to whole groups,
/// broadcast groups (all 1) to ones. None where the operand broadcasts within a group.
std::optional<SmallVector<nn::Dim>> dimsBefore(Value operand, ArrayRef<AxisGroup> groups, ArrayRef<nn::Dim> before, ArrayRef<nn::Dim> after) {
  SmallVector<nn::Dim> dims = nn::dimsOf(operand.getType());
  nn::Dim one = nn::Dim::constant(operand.getContext(), 1);
  while (dims.size() < after.size())
    dims.insert(dims.begin(), one);
  SmallVector<nn::Dim> result;
  for (const AxisGroup &group : groups) {
    auto axes = llvm::seq(group.outputBegin, group.outputEnd);
    bool full = llvm::all_of(axes, [&](int64_t i) { return dims[i] == after[i]; });
    bool ones = llvm::all_of(axes, [&](int64_t i) { return dims[i] == one; });
    if (!full && !ones)
      return std::nullopt;
    for (int64_t i = group.inputBegin; i < group.inputEnd; ++i)
      result.push_back(full ? before[i] : one);
  }
  return result;
}

/// Whether `value` is what an anchor computes, or elementwise ops of its shape on that: op can be its epilogue.
bool comesFromAnchor(Value value, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<nn::ConvOp, nn::ConvTransposeOp, nn::MatMulOp>(op))
    return true;
  return op && depth > 0 && op->hasTrait<nn::Elementwise>() && llvm::any_of(op->getOperands(), [&](Value operand) {
    return sameShape(operand, value) && comesFromAnchor(operand, depth - 1);
  });
}

/// op(reshape(x), y) -> reshape(op(x, reshape(y))) for the result x of an anchor: op can then be its epilogue. Where y is the
/// result of another anchor as it is, the two shapes would chase each other for ever: then nothing is done.
struct ElementwiseBeforeReshape : RewritePattern {
  explicit ElementwiseBeforeReshape(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<nn::Elementwise>() || op->getNumResults() != 1)
      return failure();
    for (Value operand : op->getOperands())
      if (auto reshape = operand.getDefiningOp<nn::ReshapeOp>())
        if (sameShape(reshape, op->getResult(0)) && succeeded(sink(op, reshape, rewriter)))
          return success();
    return failure();
  }

  static LogicalResult sink(Operation *op, nn::ReshapeOp reshape, PatternRewriter &rewriter) {
    if (!comesFromAnchor(reshape.getInput()) || llvm::any_of(op->getOperands(), [](Value operand) { return comesFromAnchor(operand); }))
      return failure();
    SmallVector<nn::Dim> before = nn::dimsOf(reshape.getInput().getType()), after = nn::dimsOf(reshape.getType());
    auto groups = axisGroups(before, after);
    if (!groups)
      return failure();
    SmallVector<SmallVector<nn::Dim>> shapes;
    for (Value operand : op->getOperands()) {
      auto dims = dimsBefore(operand, *groups, before, after);
      if (!dims)
        return failure();
      shapes.push_back(*dims);
    }
    SmallVector<Value> operands;
    for (auto [operand, dims] : llvm::zip(op->getOperands(), shapes))
      operands.push_back(operand == reshape.getResult() ? reshape.getInput() : reshapeTo(rewriter, op->getLoc(), operand, dims));
    OperationState state(op->getLoc(), op->getName(), operands, nn::tensorOf(before, elementOf(op->getResult(0))), op->getAttrs());
    Value result = rewriter.create(state)->getResult(0);
    rewriter.replaceOp(op, reshapeTo(rewriter, op->getLoc(), result, after));
    return success();
  }
};

} // namespace

void addViewCanonicalizations(RewritePatternSet &patterns) {
  nn::ReshapeOp::getCanonicalizationPatterns(patterns, patterns.getContext());
  nn::TransposeOp::getCanonicalizationPatterns(patterns, patterns.getContext());
  nn::SliceOp::getCanonicalizationPatterns(patterns, patterns.getContext());
  nn::ConcatOp::getCanonicalizationPatterns(patterns, patterns.getContext());
  nn::GatherOp::getCanonicalizationPatterns(patterns, patterns.getContext());
}

void addReshapePatterns(RewritePatternSet &patterns) {
  patterns.add<MatMulBeforeReshape, ElementwiseBeforeReshape>(patterns.getContext());
}

} // namespace tenon::graph
