#include "passes/4_schedule/ByteSums.h"
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::schedule {
using namespace mlir;

std::optional<int64_t> largestByteSum(ElementsAttr filter) {
  auto type = cast<ShapedType>(filter.getType());
  ArrayRef<char> bytes;
  bool isSplat = false;
  if (auto dense = dyn_cast<DenseElementsAttr>(filter)) {
    bytes = dense.getRawData();
    isSplat = dense.isSplat();
  } else if (auto resource = dyn_cast<DenseResourceElementsAttr>(filter)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      bytes = blob->getData();
  }
  int64_t count = type.getNumElements();
  if (!type.getElementType().isSignlessInteger(8) || count == 0 || int64_t(bytes.size()) != (isSplat ? 1 : count))
    return std::nullopt;
  constexpr int64_t kLargestByte = 255;
  int64_t largest = 0, each = count / type.getDimSize(0);
  for (int64_t k = 0; k < type.getDimSize(0); ++k) {
    int64_t positive = 0, negative = 0;
    for (int64_t i = 0; i < each; ++i) {
      auto weight = int8_t(bytes[isSplat ? 0 : k * each + i]);
      (weight < 0 ? negative : positive) += std::abs(int64_t(weight));
    }
    largest = std::max({largest, positive, negative});
  }
  return kLargestByte * largest;
}

static bool isFilterOfBytes(BlockArgument weight) {
  auto type = weight ? cast<RankedTensorType>(weight.getType()) : RankedTensorType();
  return type && type.getRank() == 4 && type.getElementType().isSignlessInteger(8) && type.getDimSize(2) == 3 && type.getDimSize(3) == 3;
}

void markByteSums(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::DenseMap<Attribute, std::optional<int64_t>> known;
  llvm::MapVector<BlockArgument, std::optional<int64_t>> largest;
  module.walk([&](kernel::DispatchOp dispatch) {
    auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
    for (auto conv : func.getBody().getOps<nn::ConvOp>()) {
      auto filter = dyn_cast<BlockArgument>(conv.getWeight());
      if (!isFilterOfBytes(filter) || func.getArgAttr(filter.getArgNumber(), "kernel.largest_sum"))
        continue;
      auto constant = dispatch.getArgs()[filter.getArgNumber()].getDefiningOp<nn::ConstantOp>();
      auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
      std::optional<int64_t> sum;
      if (elements) {
        auto [found, fresh] = known.try_emplace(elements);
        if (fresh)
          found->second = largestByteSum(elements);
        sum = found->second;
      }
      auto [entry, first] = largest.try_emplace(filter, sum);
      if (first)
        continue;
      entry->second = entry->second && sum ? std::optional(std::max(*entry->second, *sum)) : std::nullopt;
    }
  });
  Builder builder(module.getContext());
  for (auto &[filter, sum] : largest)
    if (sum)
      cast<kernel::FuncOp>(filter.getOwner()->getParentOp()).setArgAttr(filter.getArgNumber(), "kernel.largest_sum", builder.getI64IntegerAttr(*sum));
}

} // namespace tenon::schedule
