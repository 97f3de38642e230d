// Masks that hide nothing.
#include "passes/1_graph/Passes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::graph {
#define GEN_PASS_DEF_DROPMASKS
#include "passes/1_graph/Passes.h.inc"

namespace {
using namespace mlir;

/// Whether every element is plus or minus zero.
bool isZero(ArrayRef<char> data, unsigned elementBytes) {
  constexpr unsigned char kMagnitude = 0x7f; // of the byte with the sign, the last one
  for (auto [i, byte] : llvm::enumerate(data))
    if (i % elementBytes == elementBytes - 1 ? (byte & kMagnitude) != 0 : byte != 0)
      return false;
  return true;
}

/// Whether adding `mask`, or keeping what it says, changes nothing.
bool hidesNothing(ElementsAttr mask) {
  Type element = mask.getElementType();
  auto dense = dyn_cast<DenseElementsAttr>(mask);
  if (element.isInteger(1))
    return dense && dense.isSplat() && dense.getSplatValue<bool>();
  auto resource = dyn_cast<DenseResourceElementsAttr>(mask);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!isa<FloatType>(element) || (!dense && !blob))
    return false;
  return isZero(dense ? dense.getRawData() : blob->getData(), element.getIntOrFloatBitWidth() / 8);
}

struct DropMasks : impl::DropMasksBase<DropMasks> {
  void runOnOperation() override {
    llvm::DenseMap<Attribute, bool> known;
    getOperation().walk([&](nn::AttentionOp op) {
      auto constant = op.getMask() ? op.getMask().getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
      auto mask = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
      if (!mask)
        return;
      auto [entry, fresh] = known.try_emplace(mask);
      if (fresh)
        entry->second = hidesNothing(mask);
      if (!entry->second)
        return;
      op.getMaskMutable().clear();
      ++dropped;
    });
  }
};

} // namespace
} // namespace tenon::graph
