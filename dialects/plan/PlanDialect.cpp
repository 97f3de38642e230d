// Registration of the plan dialect and the verifiers of its ops.
#include "dialects/plan/Plan.h"

using namespace mlir;
using namespace tenon;
using namespace tenon::plan;

#include "dialects/plan/PlanDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"

void PlanDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/plan/PlanTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

LogicalResult FuncOp::verify() {
  auto namesAll = [&](ArrayAttr types, ArrayAttr names, StringRef what) -> LogicalResult {
    if (types.size() != names.size())
      return emitOpError() << "expected " << types.size() << " names of " << what << ", found " << names.size();
    for (Attribute type : types)
      if (!isa<RankedTensorType>(cast<TypeAttr>(type).getValue()))
        return emitOpError() << "expected tensor types of " << what << ", found " << type;
    return success();
  };
  if (failed(namesAll(getInputs(), getInputNames(), "inputs")) || failed(namesAll(getOutputs(), getOutputNames(), "outputs")))
    return failure();
  auto inRange = [](Operation &op, int64_t index, ArrayAttr entries) -> LogicalResult {
    if (index >= 0 && index < static_cast<int64_t>(entries.size()))
      return success();
    return op.emitOpError() << "expected an index in [0, " << entries.size() << "), found " << index;
  };
  for (Operation &op : getBody().front()) {
    if (auto input = dyn_cast<InputOp>(op); input && failed(inRange(op, input.getIndex(), getInputs())))
      return failure();
    if (auto output = dyn_cast<OutputOp>(op); output && failed(inRange(op, output.getIndex(), getOutputs())))
      return failure();
  }
  return success();
}
