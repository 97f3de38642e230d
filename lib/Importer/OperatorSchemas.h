// What ONNX's schemas say of a node: how many results it has, and which attributes of which types.
#pragma once
#include "lib/Importer/OnnxProto.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace tenon::importer {

/// Where the node's results and attributes are not those of ONNX's operator at this opset of its domain; empty if they are, and for operators
/// that ONNX does not define. Handlers read only what they know: an attribute that they do not would be passed over, and the numbers be wrong.
std::string schemaViolation(const onnx::NodeProto &node, llvm::StringRef domain, int64_t opset);

} // namespace tenon::importer
