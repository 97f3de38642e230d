#include "lib/Importer/Operators.h"
#include "lib/Importer/Importer.h"

namespace tenon::importer {
using llvm::StringRef;

static std::string key(StringRef domain, StringRef name) {
  return (domain + ":" + name).str();
}

OperatorTable::OperatorTable() {
  registerElementwise(*this);
  registerActivations(*this);
  registerContractions(*this);
  registerPooling(*this);
  registerQuantization(*this);
  registerMicrosoftLayers(*this);
  registerReductions(*this);
  registerNormalization(*this);
  registerAttention(*this);
  registerRecurrent(*this);
  registerFlexAttention(*this);
  registerRotaryEmbedding(*this);
  registerLinearAttention(*this);
  registerCausalConvolution(*this);
  registerLosses(*this);
  registerSignal(*this);
  registerSampling(*this);
  registerFolding(*this);
  registerSorting(*this);
  registerDeterminant(*this);
  registerTraining(*this);
  registerGradient(*this);
  registerRandom(*this);
  registerMachineLearning(*this);
  registerTrees(*this);
  registerShapes(*this);
  registerSlicing(*this);
  registerIndexing(*this);
  registerResize(*this);
  registerConstants(*this);
  registerControlFlow(*this);
  registerSelection(*this);
  registerTfIdf(*this);
  registerSequences(*this);
  registerStrings(*this);
}

const OperatorTable &OperatorTable::get() {
  static const OperatorTable table;
  return table;
}

const Operator *OperatorTable::lookup(StringRef domain, StringRef name) const {
  auto found = byName.find(key(domain, name));
  return found == byName.end() ? nullptr : &operators[found->second];
}

bool OperatorTable::knowsDomain(StringRef domain) const {
  return domain.empty() || llvm::is_contained({kMicrosoftDomain, kMachineLearningDomain, kPreviewDomain, kTrainingDomain}, domain);
}

void OperatorTable::add(StringRef name, int since, int minInputs, int maxInputs, Handler handler, int until) {
  byName[key("", name)] = operators.size();
  operators.push_back({"", name, std::max(since, kOldestOpset), until, minInputs, maxInputs, handler});
}

void OperatorTable::addSequence(StringRef name, int since, int minInputs, int maxInputs, Handler handler) {
  add(name, since, minInputs, maxInputs, handler);
  operators.back().takesSequences = true;
}

void OperatorTable::addForStrings(StringRef domain, StringRef name, Handler handler) {
  operators[byName.lookup(key(domain, name))].stringHandler = handler;
}

void OperatorTable::addTo(StringRef domain, StringRef name, int minInputs, int maxInputs, Handler handler) {
  byName[key(domain, name)] = operators.size();
  operators.push_back({domain, name, 1, 1, minInputs, maxInputs, handler});
}

} // namespace tenon::importer

std::vector<tenon::ImportedOperator> tenon::importedOperators() {
  std::vector<ImportedOperator> out;
  for (const importer::Operator &op : importer::OperatorTable::get().all())
    out.push_back({op.domain.str(), op.name.str(), op.since, op.until});
  llvm::sort(out, [](const ImportedOperator &a, const ImportedOperator &b) { return std::tie(a.domain, a.name) < std::tie(b.domain, b.name); });
  return out;
}
