// The table of ONNX operators that the importer maps: name, opsets, numbers of inputs, handler.
//
// To add an operator: write a handler in the file of its topic and add one line to that file's register function.
#pragma once
#include "lib/Importer/Node.h"
#include "llvm/ADT/StringMap.h"
#include <limits>

namespace tenon::importer {

constexpr int kOldestOpset = 1, kNewestOpset = 28;
constexpr llvm::StringRef kMicrosoftDomain = "com.microsoft", kMachineLearningDomain = "ai.onnx.ml", kPreviewDomain = "ai.onnx.preview",
                          kTrainingDomain = "ai.onnx.preview.training";
constexpr int kAnyNumber = std::numeric_limits<int>::max();

using Handler = void (*)(Node &);

struct Operator {
  llvm::StringRef domain, name;
  int since, until;
  int minInputs, maxInputs; // inputs below minInputs must not be empty
  Handler handler;
  bool takesSequences = false; // and optionals; others take tensors only
  Handler stringHandler = nullptr; // where an input is a tensor of strings; null: it takes none
};

class OperatorTable {
public:
  static const OperatorTable &get();
  const Operator *lookup(llvm::StringRef domain, llvm::StringRef name) const;
  bool knowsDomain(llvm::StringRef domain) const;
  llvm::ArrayRef<Operator> all() const { return operators; }

  void add(llvm::StringRef name, int since, int minInputs, int maxInputs, Handler handler, int until = kNewestOpset);
  /// An operator whose inputs may be sequences or optionals.
  void addSequence(llvm::StringRef name, int since, int minInputs, int maxInputs, Handler handler);
  /// How an operator that was added computes on strings.
  void addForStrings(llvm::StringRef domain, llvm::StringRef name, Handler handler);
  /// Operators of another domain than ONNX's own.
  void addTo(llvm::StringRef domain, llvm::StringRef name, int minInputs, int maxInputs, Handler handler);
  /// Microsoft's operators, which ONNX Runtime's optimizer writes into models.
  void addMicrosoft(llvm::StringRef name, int minInputs, int maxInputs, Handler handler) {
    addTo(kMicrosoftDomain, name, minInputs, maxInputs, handler);
  }

private:
  OperatorTable();
  std::vector<Operator> operators;
  llvm::StringMap<size_t> byName; // "domain:name"
};

void registerElementwise(OperatorTable &table);
void registerActivations(OperatorTable &table);
void registerContractions(OperatorTable &table);
void registerPooling(OperatorTable &table);
void registerQuantization(OperatorTable &table);
void registerMicrosoftLayers(OperatorTable &table);
void registerReductions(OperatorTable &table);
void registerNormalization(OperatorTable &table);
void registerAttention(OperatorTable &table);
void registerRecurrent(OperatorTable &table);
void registerFlexAttention(OperatorTable &table);
void registerRotaryEmbedding(OperatorTable &table);
void registerLinearAttention(OperatorTable &table);
void registerCausalConvolution(OperatorTable &table);
void registerLosses(OperatorTable &table);
void registerSignal(OperatorTable &table);
void registerSampling(OperatorTable &table);
void registerFolding(OperatorTable &table);
void registerSorting(OperatorTable &table);
void registerDeterminant(OperatorTable &table);
void registerTraining(OperatorTable &table);
void registerGradient(OperatorTable &table);
void registerRandom(OperatorTable &table);
void registerMachineLearning(OperatorTable &table);
void registerTrees(OperatorTable &table);
void registerShapes(OperatorTable &table);
void registerSlicing(OperatorTable &table);
void registerIndexing(OperatorTable &table);
void registerResize(OperatorTable &table);
void registerConstants(OperatorTable &table);
void registerControlFlow(OperatorTable &table);
void registerSelection(OperatorTable &table);
void registerTfIdf(OperatorTable &table);
void registerSequences(OperatorTable &table);
void registerStrings(OperatorTable &table);

} // namespace tenon::importer
