// The nodes of a model that are not supported, gathered to be reported all at once.
#pragma once
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Location.h"
#include <string>

namespace onnx {
class NodeProto;
}

namespace tenon::importer {

class UnsupportedNodes {
public:
  void add(const onnx::NodeProto &node, mlir::Location location, std::string why);
  bool empty() const { return groups.empty(); }
  /// "2 operators are not supported (opset 17):" and one aligned line for each operator and reason.
  std::string table(int64_t opset) const;

private:
  struct Group {
    unsigned count = 0;
    std::string first;
  };
  /// Keyed by operator and reason, in the order of their first nodes.
  llvm::MapVector<std::pair<std::string, std::string>, Group, std::map<std::pair<std::string, std::string>, unsigned>> groups;
};

} // namespace tenon::importer
