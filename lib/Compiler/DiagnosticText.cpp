#include "lib/Compiler/DiagnosticText.h"
#include "llvm/Support/Path.h"

namespace tenon {
using namespace mlir;

static StringRef nodeName(Location location) {
  if (auto named = dyn_cast<NameLoc>(location))
    return named.getName();
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (StringRef name = nodeName(part); !name.empty())
        return name;
  return {};
}

DiagnosticText::DiagnosticText(MLIRContext *context, StringRef path)
    : file(llvm::sys::path::filename(path).str()), handler(context, [this](Diagnostic &diagnostic) { add(diagnostic); }) {}

void DiagnosticText::add(Diagnostic &diagnostic) {
  std::string body = diagnostic.str();
  bool named = StringRef(body).starts_with(file);
  llvm::raw_string_ostream stream(text);
  if (!named)
    stream << file << ": ";
  if (StringRef node = nodeName(diagnostic.getLocation()); !node.empty() && !StringRef(body).contains(node))
    stream << "node '" << node << "': ";
  else if (auto position = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
    stream << "line " << position.getLine() << ": ";
  stream << body << '\n';
  for (Diagnostic &note : diagnostic.getNotes())
    stream << "  " << note.str() << '\n';
}

} // namespace tenon
