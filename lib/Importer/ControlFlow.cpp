// Branches whose way is known.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;

/// A condition that follows from shapes selects a branch now; that is how exporters write "squeeze if the size is 1".
static void branch(Node &node) {
  std::optional<SmallVector<double>> condition = node.knownReals(0);
  if (!condition)
    return;
  if (condition->size() != 1)
    return node.invalid("the condition must be one boolean");
  const onnx::AttributeProto *chosen = node.attribute(condition->front() != 0 ? "then_branch" : "else_branch");
  if (!chosen || !chosen->has_g())
    return node.invalid("a branch is missing");
  SmallVector<Value> results;
  if (failed(node.importer.inlineBranch(chosen->g(), node.scope, results)))
    return node.stop();
  if (results.size() != size_t(node.proto.output_size()))
    return node.invalid("the branch has " + Twine(results.size()) + " outputs, the node " + Twine(node.proto.output_size()));
  for (auto [i, value] : llvm::enumerate(results)) {
    if (!value)
      return node.unsupported("an operator within the branch");
    node.result(i, value);
  }
}

void registerControlFlow(OperatorTable &table) { table.add("If", 1, 1, 1, branch); }

} // namespace tenon::importer
