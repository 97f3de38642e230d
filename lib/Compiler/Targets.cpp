// knownTargets: what `tenon targets` lists; addAssembler.
#include "include/tenon/compiler.h"
#include "lib/Target/Gpu.h"

namespace tenon {

std::vector<TargetSummary> knownTargets() {
  std::vector<TargetSummary> summaries;
  for (const std::string &name : Target::known()) {
    llvm::Expected<Target> target = Target::parse(name);
    if (!target) {
      llvm::consumeError(target.takeError());
      continue;
    }
    summaries.push_back({name, target->cpu, llvm::join(target->required, " "), target->vectorBytes * 8, target->cores, target->l1Bytes, target->l2Bytes, target->l3Bytes});
  }
  return summaries;
}

void addAssembler(const std::string &path) {
  Ptxas::alsoAt(path);
}

} // namespace tenon
