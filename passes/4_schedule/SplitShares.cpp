#include "passes/4_schedule/SplitShares.h"
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::schedule {
using namespace mlir;

namespace {
/// Signed bytes as columns of k, for each tap.
struct Weights {
  ArrayRef<char> bytes;
  int64_t columns, depth, columnStride, depthStride, taps = 1;

  int at(int64_t column, int64_t k, int64_t tap) const { return int8_t(bytes[column * columnStride + k * depthStride + tap]); }
};
} // namespace

/// The weights of a matmul or a convolution; none where they are not known.
static std::optional<Weights> weightsOf(Operation *op, Value constant) {
  auto definition = constant.getDefiningOp<nn::ConstantOp>();
  auto type = cast<RankedTensorType>(constant.getType());
  if (!definition || !type.hasStaticShape() || !type.getElementType().isSignlessInteger(8))
    return std::nullopt;
  ArrayRef<char> bytes;
  if (auto dense = dyn_cast<DenseElementsAttr>(definition.getValue()))
    bytes = dense.getRawData();
  else if (auto resource = dyn_cast<DenseResourceElementsAttr>(definition.getValue()))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      bytes = blob->getData();
  if (int64_t(bytes.size()) != type.getNumElements() || bytes.empty()) // one byte for all of a splat
    return std::nullopt;
  if (auto matmul = dyn_cast<nn::MatMulOp>(op)) {
    if (type.getRank() != 2)
      return std::nullopt;
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    return matmul.getTransposeRhs() ? Weights{bytes, rows, columns, columns, 1} : Weights{bytes, columns, rows, 1, columns};
  }
  int64_t taps = 1;
  for (int64_t size : type.getShape().drop_front(2))
    taps *= size;
  return Weights{bytes, type.getDimSize(0), type.getDimSize(1), type.getDimSize(1) * taps, taps, taps};
}

/// Vectors of fours of which two neighbours of one sign add up to more than 128, in a hundred.
static int64_t shareOf(const Weights &weights, int64_t lanes) {
  constexpr int kMostSum = 128, kFour = 4;
  auto exceeds = [&](int64_t column, int64_t k, int64_t tap) { return std::abs(weights.at(column, k, tap) + weights.at(column, k + 1, tap)) > kMostSum; };
  int64_t vectors = 0, split = 0;
  for (int64_t first = 0; first < weights.columns; first += lanes)
    for (int64_t k = 0; k + kFour <= weights.depth; k += kFour)
      for (int64_t tap = 0; tap < weights.taps; ++tap) {
        auto columns = llvm::seq(first, std::min(first + lanes, weights.columns));
        split += llvm::any_of(columns, [&](int64_t column) { return exceeds(column, k, tap) || exceeds(column, k + 2, tap); });
        ++vectors;
      }
  return vectors ? llvm::divideCeil(100 * split, vectors) : 0;
}

void markSplitShares(ModuleOp module, const Target &target) {
  if (!cpu::splitsFours(target))
    return;
  SymbolTable symbols(module);
  llvm::MapVector<BlockArgument, std::optional<int64_t>> shares; // none: not known for some dispatch
  module.walk([&](kernel::DispatchOp dispatch) {
    auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
    for (Operation &op : func.getBody().front()) {
      auto argument = isa<nn::ConvOp, nn::MatMulOp>(op) ? dyn_cast<BlockArgument>(op.getOperand(1)) : BlockArgument();
      if (!argument || func.getArgAttr(argument.getArgNumber(), cpu::kSplitShareAttr))
        continue;
      std::optional<Weights> weights = weightsOf(&op, dispatch.getArgs()[argument.getArgNumber()]);
      std::optional<int64_t> share = weights ? std::optional(shareOf(*weights, target.lanes(32))) : std::nullopt;
      auto [entry, isFirst] = shares.try_emplace(argument, share);
      if (!isFirst)
        entry->second = entry->second && share ? std::optional(std::max(*entry->second, *share)) : std::nullopt;
    }
  });
  Builder builder(module.getContext());
  for (auto &[argument, share] : shares)
    if (share)
      cast<kernel::FuncOp>(argument.getOwner()->getParentOp()).setArgAttr(argument.getArgNumber(), cpu::kSplitShareAttr, builder.getI64IntegerAttr(*share));
}

} // namespace tenon::schedule
