// supportedOperators: what `tenon ops` lists.
#include "include/tenon/compiler.h"
#include "lib/Importer/Importer.h"

namespace tenon {

std::vector<OperatorSupport> supportedOperators() {
  std::vector<OperatorSupport> operators;
  for (ImportedOperator &op : importedOperators())
    operators.push_back({std::move(op.domain), std::move(op.name), op.since, op.until});
  return operators;
}

} // namespace tenon
