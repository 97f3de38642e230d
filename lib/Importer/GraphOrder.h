// The order in which nodes can be imported.
#pragma once
#include "lib/Importer/OnnxProto.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <string>

namespace tenon::importer {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

/// Indices of the nodes, producers first, otherwise as they are listed. ONNX asks for sorted graphs; not all exporters
/// heed it. None with `error` set for a cycle, and for a name that two nodes produce.
std::optional<llvm::SmallVector<int>> importOrder(const NodeList &nodes, std::string &error);

} // namespace tenon::importer
