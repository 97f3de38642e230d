#include "lib/Importer/Locations.h"
#include "lib/Importer/OnnxProto.h"

#include "mlir/IR/BuiltinAttributes.h"

namespace tenon::importer {
using namespace mlir;

StringRef canonicalDomain(StringRef domain) { return domain == "ai.onnx" ? StringRef() : domain; }

std::string operatorName(const onnx::NodeProto &node) {
  StringRef domain = canonicalDomain(node.domain());
  return domain.empty() ? node.op_type() : (domain + "." + node.op_type()).str();
}

Location nodeLocation(MLIRContext *context, StringRef prefix, const onnx::NodeProto &node) {
  StringRef name = node.name();
  if (name.empty() && node.output_size() > 0)
    name = node.output(0);
  return NameLoc::get(StringAttr::get(context, prefix + name), partLocation(context, operatorName(node)));
}

Location partLocation(MLIRContext *context, StringRef name) {
  return NameLoc::get(StringAttr::get(context, name.empty() ? StringRef("(no name)") : name));
}

std::string nodeName(Location location) {
  auto name = dyn_cast<NameLoc>(location);
  return name ? name.getName().str() : std::string();
}

std::string describe(Location location) {
  auto name = dyn_cast<NameLoc>(location);
  if (!name)
    return "";
  std::string quoted = "'" + name.getName().str() + "'";
  auto type = dyn_cast<NameLoc>(name.getChildLoc());
  return type ? "at " + quoted + " (" + type.getName().str() + "): " : quoted + ": ";
}

} // namespace tenon::importer
