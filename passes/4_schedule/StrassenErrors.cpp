#include "passes/4_schedule/StrassenErrors.h"
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>
#include <cstring>

namespace tenon::schedule {
using namespace mlir;

namespace {
/// Whether no element is infinite or NaN; none where they are not known.
std::optional<bool> allFinite(ElementsAttr elements) {
  ArrayRef<char> bytes;
  if (auto dense = dyn_cast<DenseElementsAttr>(elements))
    bytes = dense.getRawData();
  else if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      bytes = blob->getData();
  if (bytes.empty())
    return std::nullopt;
  constexpr uint32_t kExponent = 0x7F800000;
  bool finite = true;
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    uint32_t bits; // blobs need not be aligned
    std::memcpy(&bits, bytes.data() + at, 4);
    finite &= (bits & kExponent) != kExponent;
  }
  return finite;
}
} // namespace

std::optional<double> strassenError(ElementsAttr weights, int64_t depth) {
  if (!cast<ShapedType>(weights.getType()).getElementType().isF32())
    return std::nullopt;
  std::optional<bool> finite = allFinite(weights);
  if (!finite)
    return std::nullopt;
  if (!*finite)
    return NAN;
  // A running sum of n terms rounds with n / 2 of their variance in the mean; a rounding has a third of its bound's square.
  constexpr double kUnit = 1.0 / (1 << 24), kDeviations = 6, kRangeDeviations = 3, kSumRoundings = 8, kAmplification = 44;
  double roundings = (depth / 4.0 + kSumRoundings) / 3;
  return kDeviations / kRangeDeviations * kUnit * std::sqrt(roundings * kAmplification);
}

void markStrassenErrors(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::DenseMap<Attribute, std::optional<double>> known;
  llvm::MapVector<BlockArgument, std::optional<double>> worst;
  module.walk([&](kernel::DispatchOp dispatch) {
    auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
    for (auto product : func.getBody().getOps<nn::MatMulOp>()) {
      auto weights = dyn_cast<BlockArgument>(product.getRhs());
      if (!weights || func.getArgAttr(weights.getArgNumber(), "kernel.strassen_error"))
        continue;
      auto constant = dispatch.getArgs()[weights.getArgNumber()].getDefiningOp<nn::ConstantOp>();
      auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
      auto type = cast<RankedTensorType>(weights.getType());
      // In small products the sums cost more than they save.
      constexpr int64_t kLeast = 128;
      std::optional<double> error;
      if (elements && type.getRank() == 2 && llvm::all_of(type.getShape(), [](int64_t size) { return size >= kLeast; })) {
        auto [found, fresh] = known.try_emplace(elements);
        if (fresh)
          found->second = strassenError(elements, type.getDimSize(product.getTransposeRhs() ? 1 : 0));
        error = found->second;
      }
      auto [entry, first] = worst.try_emplace(weights, error);
      if (first)
        continue;
      if (entry->second && error)
        entry->second = std::isnan(*error) || *error > *entry->second ? *error : *entry->second;
      else
        entry->second = std::nullopt;
    }
  });
  Builder builder(module.getContext());
  for (auto &[weights, error] : worst)
    if (error)
      cast<kernel::FuncOp>(weights.getOwner()->getParentOp())
          .setArgAttr(weights.getArgNumber(), "kernel.strassen_error", builder.getF64FloatAttr(*error));
}

} // namespace tenon::schedule
