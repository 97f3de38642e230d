#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_PROMOTEHALF
#include "passes/1_graph/Passes.h.inc"
namespace {

bool isHalf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && (tensor.getElementType().isF16() || tensor.getElementType().isBF16());
}

struct PromoteHalf : impl::PromoteHalfBase<PromoteHalf> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    originalTypes.clear();
    Block &body = func.getBody().front();
    if (isOfBf16(body))
      func->setAttr(kOfBf16Attr, UnitAttr::get(&getContext()));
    SmallVector<Value> sources(body.getArguments());
    func.walk([&](nn::ConstantOp constant) { sources.push_back(constant.getResult()); });
    SmallVector<std::pair<OpOperand *, Type>> passed; // whose types stay: in signatures of functions, and where bits are read
    func.walk([&](nn::BitcastOp bitcast) {
      sources.push_back(bitcast.getResult());
      if (isHalf(bitcast.getInput().getType()))
        passed.emplace_back(&bitcast->getOpOperand(0), elementOf(bitcast.getInput()));
    });
    for (Operation &op : llvm::make_early_inc_range(body)) {
      if (!isa<nn::IfOp, nn::LoopOp>(op)) {
        promoteResults(&op);
        continue;
      }
      llvm::append_range(sources, op.getResults());
      for (OpOperand &operand : op.getOpOperands())
        passed.emplace_back(&operand, signatureType(operand));
    }
    for (Value source : sources)
      widen(source);
    narrowReturn(body.getTerminator());
    for (auto [operand, type] : passed)
      narrow(*operand, type);
  }

  static bool isOfBf16(Block &body) {
    auto products = llvm::make_filter_range(body, [](Operation &op) { return isa<nn::ConvOp, nn::MatMulOp>(op) && isFloat(op.getResult(0)); });
    return !products.empty() && llvm::all_of(products, [](Operation &op) { return elementOf(op.getResult(0)).isBF16(); });
  }

  /// The element type with which an operand was imported: what promoted it stands before its user.
  Type signatureType(OpOperand &operand) { return originalTypes.lookup_or(operand.get(), getElementTypeOrSelf(operand.get().getType())); }

  void narrow(OpOperand &operand, Type element) {
    OpBuilder builder(operand.getOwner());
    if (getElementTypeOrSelf(operand.get().getType()) != element)
      operand.set(cast(builder, operand.get(), element));
  }

  Type f32() { return Float32Type::get(&getContext()); }
  Value cast(OpBuilder &builder, Value value, Type element) {
    return nn::CastOp::create(builder, value.getLoc(), value, element);
  }

  /// Everything that is computed in half precision is computed in f32.
  void promoteResults(Operation *op) {
    if (isa<nn::ConstantOp, nn::BitcastOp>(op)) // bits keep their type
      return;
    for (Value result : op->getResults())
      if (isHalf(result.getType())) {
        originalTypes[result] = getElementTypeOrSelf(result.getType());
        result.setType(nn::withElement(mlir::cast<RankedTensorType>(result.getType()), f32()));
        ++promoted;
      }
    if (auto toHalf = dyn_cast<nn::CastOp>(op); toHalf && (toHalf.getTo().isF16() || toHalf.getTo().isBF16()))
      toHalf.setTo(f32());
  }

  /// Arguments and constants keep their type; what reads them reads a cast.
  void widen(Value source) {
    if (!isHalf(source.getType()) || source.use_empty())
      return;
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(source);
    Value wide = cast(builder, source, f32());
    source.replaceAllUsesExcept(wide, wide.getDefiningOp());
  }

  void narrowReturn(Operation *terminator) {
    auto func = getOperation();
    OpBuilder builder(terminator);
    for (auto [operand, type] : llvm::zip(terminator->getOpOperands(), func.getResultTypes()))
      if (isHalf(type) && operand.get().getType() != type)
        operand.set(cast(builder, operand.get(), mlir::cast<RankedTensorType>(type).getElementType()));
  }

  llvm::DenseMap<Value, Type> originalTypes; // of results that are f32 now
};

} // namespace
} // namespace tenon::graph
