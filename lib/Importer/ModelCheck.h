// What onnx.checker demands of a model and the import would pass over: all graphs and functions are looked at, also branches that
// shapes rule out and functions that nothing calls.
#pragma once
#include "lib/Importer/OnnxProto.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LLVM.h"

namespace tenon::importer {

/// Failure after a diagnostic at the node or part. The order of nodes, operators that are not known, and types are the import's concern.
mlir::LogicalResult checkModel(const onnx::ModelProto &model, mlir::MLIRContext *context);

} // namespace tenon::importer
