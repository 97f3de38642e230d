#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_MERGEMATMULS
#include "passes/1_graph/Passes.h.inc"
namespace {

/// Whether everything that reads `value` can read a slice of a larger tensor in place: matrix products and attention do,
/// also through transposes and reshapes. An elementwise op would rather be the product's epilogue; a concat or a result
/// of the function would need a copy.
bool isReadThroughViews(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    if (isa<nn::TransposeOp, nn::ReshapeOp, nn::SliceOp>(user))
      return isReadThroughViews(user->getResult(0));
    return isa<nn::AttentionOp, nn::MatMulOp>(user);
  });
}

bool isMergeable(nn::MatMulOp op) {
  return rankOf(op.getRhs()) == 2 && isConstantExpression(op.getRhs()) && !op.getTransposeLhs() && !isConstantExpression(op.getLhs()) &&
         (!op.getBias() || isConstantExpression(op.getBias())) && cast<RankedTensorType>(op.getRhs().getType()).hasStaticShape() &&
         isFloat(op) && isReadThroughViews(op);
}

struct MergeMatMuls : impl::MergeMatMulsBase<MergeMatMuls> {
  void runOnOperation() override {
    llvm::MapVector<std::pair<Value, unsigned>, SmallVector<nn::MatMulOp>> siblings;
    getOperation().walk([&](nn::MatMulOp op) {
      if (isMergeable(op))
        siblings[{op.getLhs(), op.getTransposeRhs()}].push_back(op);
    });
    for (auto &[key, ops] : siblings)
      if (ops.size() > 1)
        merge(ops, key.second);
  }

  static int64_t columns(nn::MatMulOp op) { return cast<RankedTensorType>(op.getType()).getShape().back(); }

  /// Constant expressions may be written after the first of the products: they move before it.
  static void moveBefore(Value value, Operation *position) {
    Operation *op = value.getDefiningOp();
    if (op->getBlock() != position->getBlock() || op->isBeforeInBlock(position))
      return;
    for (Value operand : op->getOperands())
      moveBefore(operand, position);
    op->moveBefore(position);
  }

  static Value biasOf(OpBuilder &builder, nn::MatMulOp op) {
    if (op.getBias())
      return op.getBias();
    Value zero = scalarConstant(builder, op.getLoc(), elementOf(op), 0.0);
    return expandTo(builder, op.getLoc(), zero, {columns(op)});
  }

  void merge(ArrayRef<nn::MatMulOp> ops, bool transposed) {
    nn::MatMulOp first = ops.front();
    SmallVector<Value> weights, biases;
    SmallVector<Location> locations;
    bool hasBias = llvm::any_of(ops, [](nn::MatMulOp op) { return op.getBias() != nullptr; });
    for (nn::MatMulOp op : ops) {
      moveBefore(op.getRhs(), first);
      if (op.getBias())
        moveBefore(op.getBias(), first);
    }
    OpBuilder builder(first);
    for (nn::MatMulOp op : ops) {
      weights.push_back(op.getRhs());
      locations.push_back(op.getLoc());
      if (hasBias)
        biases.push_back(biasOf(builder, op));
    }
    Location loc = builder.getFusedLoc(locations);
    Value weight = nn::ConcatOp::create(builder, loc, weights, transposed ? 0 : 1);
    Value bias = hasBias ? nn::ConcatOp::create(builder, loc, biases, 0).getResult() : Value();
    Value product = nn::MatMulOp::create(builder, loc, first.getLhs(), weight, bias, false, transposed);
    int64_t offset = 0, rank = rankOf(product);
    for (nn::MatMulOp op : ops) {
      SmallVector<nn::Dim> starts(rank, nn::Dim::constant(&getContext(), 0));
      starts.back() = nn::Dim::constant(&getContext(), offset);
      offset += columns(op);
      Value part = nn::SliceOp::create(builder, op.getLoc(), product, nn::dimsAttr(&getContext(), starts),
                                       nn::dimsAttr(&getContext(), nn::dimsOf(op.getType())), SmallVector<int64_t>(rank, 1));
      op.getResult().replaceAllUsesWith(part);
    }
    for (nn::MatMulOp op : ops)
      op.erase();
    merged += ops.size();
  }
};

} // namespace
} // namespace tenon::graph
