// Softmax as ONNX means it, of any tensor with the shape of a node's first input.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// Along the node's attribute `axis`, `usualAxis` without, as `opset` reads it. Null after a report.
mlir::Value softmaxOf(Node &node, mlir::Value value, int64_t opset, int64_t usualAxis);

} // namespace tenon::importer
