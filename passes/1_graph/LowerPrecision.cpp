#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/FullPrecision.h"
#include "passes/1_graph/Passes.h"
#include "passes/1_graph/RoundWeights.h"
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
/// Branches and loops: what passes into bodies and out of them keeps the types that they were imported with, as inputs and outputs of the model do.
bool keepsFull(Operation *op) {
  return isa<nn::RangeOp, nn::CumSumOp, nn::LSTMOp, nn::RecurrenceOp, nn::LinearAttentionOp, nn::OneHotOp, nn::TopKOp, nn::SortIndicesOp, nn::SuppressOp,
             nn::GridSampleOp, nn::RoiAlignOp, nn::BitcastOp, nn::ReadSizesOp, nn::IfOp, nn::LoopOp>(op);
}

/// Whether matrix units multiply `op` by what is its second operand.
bool isMatrixProduct(Operation *op) {
  auto conv = dyn_cast<nn::ConvOp>(op);
  return conv ? conv.getGroups() == 1 : isa<nn::MatMulOp>(op) && mlir::cast<RankedTensorType>(op->getOperand(1).getType()).getRank() == 2;
}

/// Whether `use` is a convolution's bias, which its kernel adds to sums in f32: a bias is an error of every pixel, and f32 costs it four bytes a channel.
bool isBiasOfSums(OpOperand &use) {
  auto conv = dyn_cast<nn::ConvOp>(use.getOwner());
  return conv && conv.getBias() && use.getOperandNumber() == conv.getBiasMutable()[0].getOperandNumber();
}

struct LowerPrecision : impl::LowerPrecisionBase<LowerPrecision> {
  using LowerPrecisionBase::LowerPrecisionBase;
  explicit LowerPrecision(StringRef element) { to = element.str(); }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    if (to == "tf32")
      return shortenFactors(func.getBody().front());
    if (to != "f16" && to != "bf16") {
      func.emitError("there is no precision '") << to << "': f16, bf16 and tf32 are";
      return signalPassFailure();
    }
    lower = to == "f16" ? Type(Float16Type::get(&getContext())) : Type(BFloat16Type::get(&getContext()));
    Block &body = func.getBody().front();
    full = opsInFull(body);
    if (lower.isBF16())
      addOpsForShortMantissa(body, keepsFull, full);
    for (Operation &op : body)
      if (isa<nn::IfOp, nn::LoopOp>(op))
        llvm::append_range(passed[&op], op.getOperandTypes());
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
  /// tf32: tensors stay f32, and products take factors of eleven bits.
  void shortenFactors(Block &body) {
    full = opsInFull(body);
    for (Operation &op : body) {
      bool isOfFloats = llvm::all_of(op.getOperands().take_front(2), [](Value v) { return isFloat(v.getType()); });
      if (!(isMatrixProduct(&op) || isa<nn::AttentionOp>(op)) || !isOfFloats || isFull(&op))
        continue;
      op.setAttr(kernel::kTf32Attr, UnitAttr::get(&getContext()));
      ++lowered;
      auto weights = isa<nn::AttentionOp>(op) ? nn::ConstantOp() : op.getOperand(1).getDefiningOp<nn::ConstantOp>();
      auto elements = weights ? dyn_cast<ElementsAttr>(weights.getValue()) : ElementsAttr();
      ElementsAttr shortened = elements ? shortenWeights(elements) : ElementsAttr();
      if (!shortened)
        continue;
      OpBuilder builder(&op);
      op.setOperand(1, nn::ConstantOp::create(builder, weights.getLoc(), Attribute(shortened), mlir::cast<RankedTensorType>(weights.getType())));
    }
  }

  Value cast(OpBuilder &builder, Value value, Type element) { return nn::CastOp::create(builder, value.getLoc(), value, element); }

  void lowerResults(Operation *op) {
    if (op->hasTrait<OpTrait::IsTerminator>())
      return;
    if (isFull(op))
      return keep(op);
    for (Value result : op->getResults())
      if (isFloat(result.getType())) {
        result.setType(nn::withElement(mlir::cast<RankedTensorType>(result.getType()), lower));
        ++lowered;
      }
    if (auto toFull = dyn_cast<nn::CastOp>(op); toFull && toFull.getTo().isF32())
      toFull.setTo(lower);
  }

  bool isFull(Operation *op) const { return keepsFull(op) || full.contains(op); }

  /// Operands that were lowered before are widened for `op`, and its results narrowed for what follows and is not f32 itself.
  void keep(Operation *op) {
    OpBuilder builder(op);
    auto types = passed.find(op);
    for (OpOperand &operand : op->getOpOperands())
      if (auto tensor = dyn_cast<RankedTensorType>(operand.get().getType());
          tensor && tensor.getElementType() == lower && (types == passed.end() || isFloat(types->second[operand.getOperandNumber()])))
        operand.set(cast(builder, operand.get(), Float32Type::get(&getContext())));
    builder.setInsertionPointAfter(op);
    for (Value result : op->getResults())
      if (auto isNarrow = [&](OpOperand &use) { return !full.contains(use.getOwner()) && !use.getOwner()->hasTrait<OpTrait::IsTerminator>(); };
          isFloat(result.getType()) && llvm::any_of(result.getUses(), isNarrow)) {
        Value narrowed = cast(builder, result, lower);
        result.replaceUsesWithIf(narrowed, [&](OpOperand &use) { return use.getOwner() != narrowed.getDefiningOp() && isNarrow(use); });
      }
  }

  /// Arguments and constants keep their type; what reads them reads a cast. A constant beyond the range (a mask's -1e30) becomes the
  /// largest value, not infinity, of which a product with 0 would be NaN.
  void narrow(Value source) {
    if (!isFloat(source.getType()) || source.use_empty())
      return;
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(source);
    bool isConstant = bool(source.getDefiningOp<nn::ConstantOp>());
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : source.getUses())
      if (!isFull(use.getOwner()) && !use.getOwner()->hasTrait<OpTrait::IsTerminator>() && !(isConstant && isBiasOfSums(use)))
        uses.push_back(&use);
    if (uses.empty())
      return;
    Value value = source;
    const llvm::fltSemantics &semantics = mlir::cast<FloatType>(lower).getFloatSemantics();
    if (Value filters = roundedFilters(builder, source, uses, semantics)) {
      value = filters;
    } else if (isConstant) {
      double largest = llvm::APFloat::getLargest(semantics).convertToDouble();
      value =
          nn::ClipOp::create(builder, source.getLoc(), source.getType(), source, builder.getF64FloatAttr(-largest), builder.getF64FloatAttr(largest));
    }
    Value narrowed = cast(builder, value, lower);
    for (OpOperand *use : uses)
      use->set(narrowed);
  }

  /// The constant with values of the half type, where all that read it are convolutions of its filters; or null.
  static Value roundedFilters(OpBuilder &builder, Value source, ArrayRef<OpOperand *> uses, const llvm::fltSemantics &semantics) {
    auto constant = source.getDefiningOp<nn::ConstantOp>();
    auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
    if (!elements || !llvm::all_of(uses, [](OpOperand *use) { return isa<nn::ConvOp>(use->getOwner()) && use->getOperandNumber() == 1; }))
      return {};
    ElementsAttr rounded = roundFilters(elements, semantics);
    return rounded ? nn::ConstantOp::create(builder, source.getLoc(), Attribute(rounded), mlir::cast<RankedTensorType>(source.getType())).getResult() : Value();
  }

  void widenReturn(Operation *terminator) {
    OpBuilder builder(terminator);
    for (auto [operand, type] : llvm::zip(terminator->getOpOperands(), getOperation().getResultTypes()))
      if (isFloat(type) && operand.get().getType() != type)
        operand.set(widened(builder, operand.get()));
  }

  /// A returned value in f32. What a concat is made of is widened in its place, where that is computed: the whole is not read and written again.
  Value widened(OpBuilder &builder, Value value) {
    Type full = Float32Type::get(&getContext());
    auto concat = value.getDefiningOp<nn::ConcatOp>();
    if (!concat || !value.hasOneUse())
      return cast(builder, value, full);
    SmallVector<Value> parts;
    for (Value part : concat.getInputs())
      parts.push_back(cast(builder, behindTranspose(builder, part), full));
    return nn::ConcatOp::create(builder, concat.getLoc(), parts, concat.getAxis());
  }

  /// transpose(f(x)) of an elementwise f as f(transpose(x)), to which a cast can be added.
  Value behindTranspose(OpBuilder &builder, Value value) {
    auto transpose = value.getDefiningOp<nn::TransposeOp>();
    Operation *before = transpose ? transpose.getInput().getDefiningOp() : nullptr;
    if (!before || !before->hasTrait<nn::Elementwise>() || before->getNumOperands() != 1 || !before->hasOneUse() || !value.hasOneUse() ||
        before->getOperand(0).getType() != value.getDefiningOp()->getOperand(0).getType())
      return value;
    Value moved = nn::TransposeOp::create(builder, transpose.getLoc(), before->getOperand(0), transpose.getPerm());
    Operation *after = builder.clone(*before);
    after->setOperand(0, moved);
    after->getResult(0).setType(value.getType());
    return after->getResult(0);
  }

  Type lower;
  llvm::DenseSet<Operation *> full;
  llvm::DenseMap<Operation *, SmallVector<Type>> passed; // to bodies, as they take it
};

} // namespace

std::unique_ptr<Pass> createLowerPrecision(StringRef element) {
  return std::make_unique<LowerPrecision>(element);
}

} // namespace tenon::graph
