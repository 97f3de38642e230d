// Verifiers of control flow, and which symbols an op defines.
#include "dialects/nn/Infer.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace tenon::nn {

SmallVector<StringRef> definedSymbols(Operation *op) {
  if (!isa<ReadSizesOp, IfOp, LoopOp>(op))
    return {};
  auto names = op->getAttrOfType<ArrayAttr>("symbols");
  return names ? llvm::to_vector(names.getAsValueRange<StringAttr>()) : SmallVector<StringRef>();
}

namespace {

FailureOr<FunctionType> calleeType(Operation *op, FlatSymbolRefAttr callee, SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, callee);
  auto function = dyn_cast_or_null<FunctionOpInterface>(found);
  if (function)
    if (auto type = dyn_cast<FunctionType>(function.getFunctionType()))
      return type;
  if (found) // a plan.func, after the phase memory
    return failure();
  return op->emitOpError() << "expected " << callee << " to be a function";
}

/// Ranks and element types: sizes are in the symbols of either side.
LogicalResult checkTensors(Operation *op, StringRef what, TypeRange found, TypeRange expected) {
  if (found.size() != expected.size())
    return op->emitOpError() << "expected " << expected.size() << " " << what << ", found " << found.size();
  for (auto [i, types] : llvm::enumerate(llvm::zip_equal(found, expected))) {
    auto a = cast<RankedTensorType>(std::get<0>(types)), b = cast<RankedTensorType>(std::get<1>(types));
    if (a.getElementType() != b.getElementType() || a.getRank() != b.getRank())
      return op->emitOpError() << "expected " << what << " " << i << " of rank " << b.getRank() << " with elements " << b.getElementType()
                               << ", found " << a;
  }
  return success();
}

RankedTensorType scalarOf(MLIRContext *ctx, unsigned width) {
  return RankedTensorType::get({}, IntegerType::get(ctx, width));
}

} // namespace

LogicalResult IfOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (elementOf(getCondition()) != IntegerType::get(getContext(), 1) || !numElements(getCondition().getType()).isConstant(1))
    return emitOpError() << "expected one boolean as the condition, found " << getCondition().getType();
  for (auto [callee, arguments] : {std::pair(getThenFuncAttr(), TypeRange(getThenArgs())), std::pair(getElseFuncAttr(), TypeRange(getElseArgs()))}) {
    FailureOr<FunctionType> type = calleeType(*this, callee, symbols);
    if (failed(type) || failed(checkTensors(*this, "arguments", arguments, type->getInputs())) ||
        failed(checkTensors(*this, "results", getResultTypes(), type->getResults())))
      return failure();
  }
  return success();
}

LogicalResult LoopOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (getTrips() && (elementOf(getTrips()) != IntegerType::get(getContext(), 64) || !numElements(getTrips().getType()).isConstant(1)))
    return emitOpError() << "expected one i64 as the number of trips, found " << getTrips().getType();
  if (getCondition() && (elementOf(getCondition()) != IntegerType::get(getContext(), 1) || !numElements(getCondition().getType()).isConstant(1)))
    return emitOpError() << "expected one boolean as the condition, found " << getCondition().getType();
  if (getCounts() && !getTrips())
    return emitOpError("expected a number of trips of a loop that counts");
  int64_t stacked = getStacked();
  if (stacked < 0 || getCarried().size() + size_t(stacked) != getNumResults())
    return emitOpError() << "expected a result for each of " << getCarried().size() << " carried values and " << stacked << " stacked ones, found "
                         << getNumResults();
  FailureOr<FunctionType> type = calleeType(*this, getBodyAttr(), symbols);
  if (failed(type))
    return failure();
  auto element = [](Type tensor, bool slice) {
    SmallVector<Dim> dims = dimsOf(tensor);
    return tensorOf(slice ? ArrayRef(dims).drop_front() : ArrayRef(dims), cast<ShapedType>(tensor).getElementType());
  };
  SmallVector<Type> arguments{scalarOf(getContext(), 64)}, results;
  if (!getCounts())
    results.push_back(type->getNumResults() ? type->getResult(0) : Type(scalarOf(getContext(), 1)));
  llvm::append_range(arguments, getCarried().getTypes());
  for (Value scanned : getScanned()) {
    if (rankOf(scanned) == 0)
      return emitOpError("expected scanned values of rank 1 or more");
    arguments.push_back(element(scanned.getType(), true));
  }
  llvm::append_range(arguments, getCaptured().getTypes());
  for (auto [i, result] : llvm::enumerate(getResultTypes())) {
    bool isStacked = i >= getCarried().size();
    if (isStacked && cast<RankedTensorType>(result).getRank() == 0)
      return emitOpError("expected stacked results of rank 1 or more");
    results.push_back(element(result, isStacked));
  }
  return success(succeeded(checkTensors(*this, "arguments of the body", arguments, type->getInputs())) &&
                 succeeded(checkTensors(*this, "results of the body", results, type->getResults())));
}

} // namespace tenon::nn
