#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_LOWERPRECISION
#include "passes/1_graph/Passes.h.inc"
namespace {

bool isFloat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isF32();
}

/// Ops that are computed and stored in f32: positions, running sums, recurrences, comparisons that decide what a result holds, and the bits of a float.
bool keepsFull(Operation *op) {
  return isa<nn::RangeOp, nn::CumSumOp, nn::LSTMOp, nn::RecurrenceOp, nn::LinearAttentionOp, nn::OneHotOp, nn::TopKOp, nn::SortIndicesOp, nn::SuppressOp,
             nn::GridSampleOp, nn::RoiAlignOp, nn::BitcastOp, nn::ReadSizesOp>(op);
}

struct LowerPrecision : impl::LowerPrecisionBase<LowerPrecision> {
  using LowerPrecisionBase::LowerPrecisionBase;
  explicit LowerPrecision(StringRef element) { to = element.str(); }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    if (to != "f16" && to != "bf16") {
      func.emitError("there is no storage type '") << to << "': f16 and bf16 are";
      return signalPassFailure();
    }
    for (Operation &op : func.getBody().front())
      if (isa<nn::IfOp, nn::LoopOp>(op)) {
        op.emitError("needs branches or loops, whose tensors cannot be stored in ") << to;
        return signalPassFailure();
      }
    lower = to == "f16" ? Type(Float16Type::get(&getContext())) : Type(BFloat16Type::get(&getContext()));
    Block &body = func.getBody().front();
    SmallVector<Value> sources(body.getArguments());
    for (Operation &op : llvm::make_early_inc_range(body)) {
      if (isa<nn::ConstantOp>(op))
        sources.push_back(op.getResult(0));
      else
        lowerResults(&op);
    }
    for (Value source : sources)
      narrow(source);
    widenReturn(body.getTerminator());
  }

private:
  Value cast(OpBuilder &builder, Value value, Type element) { return nn::CastOp::create(builder, value.getLoc(), value, element); }

  void lowerResults(Operation *op) {
    if (op->hasTrait<OpTrait::IsTerminator>())
      return;
    if (keepsFull(op))
      return keep(op);
    for (Value result : op->getResults())
      if (isFloat(result.getType())) {
        result.setType(nn::withElement(mlir::cast<RankedTensorType>(result.getType()), lower));
        ++lowered;
      }
    if (auto toFull = dyn_cast<nn::CastOp>(op); toFull && toFull.getTo().isF32())
      toFull.setTo(lower);
  }

  /// Operands that were lowered before are widened for `op`, and its results narrowed for what follows.
  void keep(Operation *op) {
    OpBuilder builder(op);
    for (OpOperand &operand : op->getOpOperands())
      if (auto tensor = dyn_cast<RankedTensorType>(operand.get().getType()); tensor && tensor.getElementType() == lower)
        operand.set(cast(builder, operand.get(), Float32Type::get(&getContext())));
    builder.setInsertionPointAfter(op);
    for (Value result : op->getResults())
      if (isFloat(result.getType()) && !result.use_empty()) {
        Value narrowed = cast(builder, result, lower);
        result.replaceAllUsesExcept(narrowed, narrowed.getDefiningOp());
      }
  }

  /// Arguments and constants keep their type; what reads them reads a cast. A constant beyond the range (a mask's -1e30) becomes the
  /// largest value, not infinity, of which a product with 0 would be NaN.
  void narrow(Value source) {
    if (!isFloat(source.getType()) || source.use_empty())
      return;
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(source);
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : source.getUses())
      if (!keepsFull(use.getOwner()) && !use.getOwner()->hasTrait<OpTrait::IsTerminator>())
        uses.push_back(&use);
    if (uses.empty())
      return;
    Value value = source;
    if (source.getDefiningOp<nn::ConstantOp>()) {
      const llvm::fltSemantics &semantics = mlir::cast<FloatType>(lower).getFloatSemantics();
      double largest = llvm::APFloat::getLargest(semantics).convertToDouble();
      value =
          nn::ClipOp::create(builder, source.getLoc(), source.getType(), source, builder.getF64FloatAttr(-largest), builder.getF64FloatAttr(largest));
    }
    Value narrowed = cast(builder, value, lower);
    for (OpOperand *use : uses)
      use->set(narrowed);
  }

  void widenReturn(Operation *terminator) {
    OpBuilder builder(terminator);
    for (auto [operand, type] : llvm::zip(terminator->getOpOperands(), getOperation().getResultTypes()))
      if (isFloat(type) && operand.get().getType() != type)
        operand.set(cast(builder, operand.get(), Float32Type::get(&getContext())));
  }

  Type lower;
};

} // namespace

std::unique_ptr<Pass> createLowerPrecision(StringRef element) {
  return std::make_unique<LowerPrecision>(element);
}

} // namespace tenon::graph
