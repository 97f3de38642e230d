// What of an op nothing reads is not computed: slices move before products, norms, elementwise ops and attention.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "passes/1_graph/views/Patterns.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_DROPUNREADROWS
#include "passes/1_graph/Passes.h.inc"
namespace {

bool selectsSame(nn::SliceOp a, nn::SliceOp b) {
  return a.getStarts() == b.getStarts() && a.getSizes() == b.getSizes() && a.getSteps() == b.getSteps();
}

/// Whether only these axes of its input are cut by a slice; forwards.
bool cutsOnly(nn::SliceOp slice, function_ref<bool(int64_t)> mayCut) {
  SmallVector<nn::Dim> whole = nn::dimsOf(slice.getInput().getType()), sizes = slice.getSizes().dims();
  for (auto [axis, step] : llvm::enumerate(slice.getSteps()))
    if (step < 1 || (sizes[axis] != whole[axis] && !mayCut(int64_t(axis))))
      return false;
  return true;
}

/// Whether the axes of `operand` are those of `result` or have one element.
bool broadcasts(Value operand, Value result) {
  SmallVector<nn::Dim> own = nn::dimsOf(operand.getType()), all = nn::dimsOf(result.getType());
  return own.size() <= all.size() && llvm::all_of(llvm::zip(own, ArrayRef(all).take_back(own.size())), [](auto pair) {
           return std::get<0>(pair).isConstant(1) || std::get<0>(pair) == std::get<1>(pair);
         });
}

/// Whether each element of `op`'s result that `slice` selects is computed from what the same slice selects of the operands of its shape.
bool isSliceable(Operation *op, nn::SliceOp slice) {
  int64_t rank = rankOf(slice.getInput());
  if (auto product = dyn_cast<nn::MatMulOp>(op)) {
    bool isOfRows = rankOf(product.getRhs()) == 2 && !product.getTransposeLhs() && rankOf(product.getLhs()) == rank &&
                    (!product.getBias() || rankOf(product.getBias()) == 1);
    return isOfRows && cutsOnly(slice, [&](int64_t axis) { return axis < rank - 1; });
  }
  if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
    constexpr int64_t kRow = 2;
    return !attention.getMask() && !attention.getCausal() && cutsOnly(slice, [](int64_t axis) { return axis == kRow; });
  }
  if (auto norm = dyn_cast<nn::LayerNormOp>(op))
    return cutsOnly(slice, [&](int64_t axis) { return axis < int64_t(norm.getAxis()); });
  if (auto norm = dyn_cast<nn::RMSNormOp>(op))
    return cutsOnly(slice, [&](int64_t axis) { return axis < int64_t(norm.getAxis()); });
  return op->hasTrait<nn::Elementwise>() && op->getNumResults() == 1 && cutsOnly(slice, [](int64_t) { return true; }) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return broadcasts(operand, op->getResult(0)); });
}

bool isNorm(Operation *op) {
  return isa<nn::LayerNormOp, nn::RMSNormOp>(op);
}

/// Whether a product or attention computes less for the slice: behind others a slice would only come between what is one kernel.
bool leadsToProduct(Operation *op, nn::SliceOp slice, int depth = 16) {
  if (!op || !depth || !isSliceable(op, slice))
    return false;
  if (isa<nn::MatMulOp, nn::AttentionOp>(op))
    return true;
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return sameShape(operand, op->getResult(0)) && (isNorm(op) || operand.hasOneUse()) && leadsToProduct(operand.getDefiningOp(), slice, depth - 1);
  });
}

/// slice(op(x)) -> op(slice(x)), where nothing reads anything else of op(x).
struct SliceBeforeRows : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::SliceOp slice, PatternRewriter &rewriter) const override {
    Operation *op = slice.getInput().getDefiningOp();
    auto isSame = [&](Operation *user) { return isa<nn::SliceOp>(user) && selectsSame(cast<nn::SliceOp>(user), slice); };
    if (!op || slice.getType() == slice.getInput().getType() || !llvm::all_of(op->getUsers(), isSame) || !leadsToProduct(op, slice))
      return failure();
    rewriter.setInsertionPoint(op);
    SmallVector<Value> read;
    for (OpOperand &operand : op->getOpOperands())
      read.push_back(readBy(rewriter, slice, operand));
    Operation *sliced = rewriter.clone(*op);
    rewriter.modifyOpInPlace(sliced, [&] {
      sliced->setOperands(read);
      sliced->getResult(0).setType(slice.getType());
    });
    SmallVector<Operation *> slices(op->user_begin(), op->user_end());
    for (Operation *user : slices)
      rewriter.replaceOp(user, sliced->getResult(0));
    rewriter.eraseOp(op);
    return success();
  }

  /// What of an operand is read; all of what broadcasts along the axes that are cut.
  static Value readBy(PatternRewriter &rewriter, nn::SliceOp slice, OpOperand &operand) {
    Operation *op = operand.getOwner();
    bool isOther = (isa<nn::MatMulOp, nn::AttentionOp>(op) || isNorm(op)) && operand.getOperandNumber() > 0;
    SmallVector<nn::Dim> dims = nn::dimsOf(operand.get().getType()), result = nn::dimsOf(op->getResult(0).getType());
    if (isOther || dims.empty())
      return operand.get();
    SmallVector<nn::Dim> starts, sizes, sliceStarts = slice.getStarts().dims(), sliceSizes = slice.getSizes().dims();
    SmallVector<int64_t> steps;
    bool isCut = false;
    for (auto [axis, dim] : llvm::enumerate(dims)) {
      size_t of = axis + result.size() - dims.size();
      bool isWhole = sliceSizes[of] == result[of] || dim.isConstant(1);
      isCut |= !isWhole;
      starts.push_back(isWhole ? nn::Dim::constant(rewriter.getContext(), 0) : sliceStarts[of]);
      sizes.push_back(isWhole ? dim : sliceSizes[of]);
      steps.push_back(isWhole ? 1 : slice.getSteps()[of]);
    }
    if (!isCut)
      return operand.get();
    return nn::SliceOp::create(rewriter, slice.getLoc(), operand.get(), nn::dimsAttr(rewriter.getContext(), starts),
                               nn::dimsAttr(rewriter.getContext(), sizes), steps);
  }
};

struct DropUnreadRows : impl::DropUnreadRowsBase<DropUnreadRows> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    addViewCanonicalizations(patterns);
    addSlicePatterns(patterns);
    patterns.add<SliceBeforeRows>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
  }
};

} // namespace
} // namespace tenon::graph
