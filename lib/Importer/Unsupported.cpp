#include "lib/Importer/Unsupported.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/OnnxProto.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace tenon::importer {

void UnsupportedNodes::add(const onnx::NodeProto &node, mlir::Location location, std::string why) {
  Group &group = groups[{operatorName(node), std::move(why)}];
  if (group.count++ == 0)
    group.first = nodeName(location);
}

std::string UnsupportedNodes::table(int64_t opset) const {
  llvm::StringSet<> operators;
  size_t nameWidth = 0, countWidth = 0;
  for (const auto &[key, group] : groups) {
    operators.insert(key.first);
    nameWidth = std::max(nameWidth, key.first.size());
    countWidth = std::max(countWidth, std::to_string(group.count).size());
  }
  std::string out = llvm::formatv("{0} not supported (opset {1}):",
                                  operators.size() == 1 ? std::string("1 operator is") : llvm::formatv("{0} operators are", operators.size()).str(), opset);
  for (const auto &[key, group] : groups) {
    std::string count = std::to_string(group.count);
    out += "\n  " + key.first + std::string(nameWidth - key.first.size(), ' ') + "   x" + count +
           std::string(countWidth - count.size(), ' ') + (group.count > 1 ? "   first at '" : "   at '") + group.first + "': " + key.second;
  }
  return out + "\n`tenon ops` lists the operators that are supported.";
}

} // namespace tenon::importer
