// Zeros for weights that are too small to matter and slow to multiply.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>
#include <cstring>

namespace tenon::graph {
#define GEN_PASS_DEF_FLUSHTINYWEIGHTS
#include "passes/1_graph/Passes.h.inc"

namespace {
using namespace mlir;

float elementAt(ArrayRef<char> data, size_t i) { // blobs need not be aligned
  float value;
  std::memcpy(&value, data.data() + i * sizeof(float), sizeof(float));
  return value;
}

struct FlushTinyWeights : impl::FlushTinyWeightsBase<FlushTinyWeights> {
  void runOnOperation() override {
    llvm::DenseMap<Attribute, ElementsAttr> known;
    getOperation().walk([&](Operation *op) {
      if (!isa<nn::ConvOp, nn::MatMulOp>(op))
        return;
      for (OpOperand &operand : op->getOpOperands()) {
        auto constant = operand.get().getDefiningOp<nn::ConstantOp>();
        auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
        if (!elements)
          continue;
        auto [entry, fresh] = known.try_emplace(elements);
        if (fresh)
          entry->second = flush(elements);
        if (!entry->second)
          continue;
        OpBuilder builder(constant);
        operand.set(nn::ConstantOp::create(builder, constant.getLoc(), Attribute(entry->second), cast<RankedTensorType>(operand.get().getType())));
      }
    });
  }

  /// The constant with zeros for what is tiny; null where nothing is.
  ElementsAttr flush(ElementsAttr constant) {
    std::optional<ArrayRef<char>> data = rawFloats(constant);
    if (!data)
      return {};
    size_t count = data->size() / sizeof(float);
    float largest = 0;
    for (size_t i = 0; i < count; ++i)
      largest = std::fmax(largest, std::fabs(elementAt(*data, i)));
    const float limit = std::fmax(std::numeric_limits<float>::min(), std::isfinite(largest) ? std::ldexp(largest, kNegligible) : 0);
    auto tiny = [&](float value) { return value != 0 && std::fabs(value) < limit; };
    size_t found = 0;
    for (size_t i = 0; i < count; ++i)
      found += tiny(elementAt(*data, i));
    if (!found)
      return {};
    flushed += found;
    AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(*data, alignof(float), /*dataIsMutable=*/true);
    MutableArrayRef<float> values(reinterpret_cast<float *>(blob.getMutableData().data()), count);
    for (float &value : values)
      value = tiny(value) ? 0 : value;
    auto type = cast<RankedTensorType>(constant.getType());
    if (isa<DenseElementsAttr>(constant))
      return DenseElementsAttr::get(type, ArrayRef<float>(values));
    auto &manager = DenseResourceElementsHandle::getManagerInterface(&getContext());
    return DenseResourceElementsAttr::get(type, manager.insert("flushed", std::move(blob)));
  }

  /// Powers of two below the largest weight: far past the 24 bits that a sum keeps, even where the inputs differ by 2^70.
  static constexpr int kNegligible = -100;
};
} // namespace
} // namespace tenon::graph
