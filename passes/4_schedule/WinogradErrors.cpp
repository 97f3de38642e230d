#include "passes/4_schedule/WinogradErrors.h"
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>
#include <cstring>

namespace tenon::schedule {
using namespace mlir;

namespace {
constexpr int kTaps = 9;
/// Sums over the input channels of products of two taps, for one output channel.
using Gram = std::array<std::array<double, kTaps>, kTaps>;

struct Points {
  int64_t m;
  SmallVector<double> inputs;               // |Bt[p]|^2
  SmallVector<SmallVector<double>> outputs; // A[p][i]^2
};

const Points &pointsOf(int64_t m) {
  static const Points two{2, {2, 2, 2, 2}, {{1, 0}, {1, 1}, {1, 1}, {0, 1}}};
  static const Points four{4, {42, 34, 34, 10, 10, 42}, {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 4, 16, 64}, {1, 4, 16, 64}, {0, 0, 0, 1}}};
  return m == 2 ? two : four;
}

/// The largest of the sums that the header names, over the positions of a tile.
double amplification(const Gram &gram, int64_t m) {
  const Points &points = pointsOf(m);
  ArrayRef<std::array<double, 3>> g = kernel::winogradFilterMatrix(m);
  SmallVector<double> sums(m * m, 0.0);
  for (size_t p = 0; p < g.size(); ++p)
    for (size_t q = 0; q < g.size(); ++q) {
      double square = 0;
      for (int s = 0; s < kTaps; ++s)
        for (int t = 0; t < kTaps; ++t)
          square += g[p][s / 3] * g[q][s % 3] * g[p][t / 3] * g[q][t % 3] * gram[s][t];
      square *= points.inputs[p] * points.inputs[q];
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < m; ++j)
          sums[i * m + j] += points.outputs[p][i] * points.outputs[q][j] * square;
    }
  return *llvm::max_element(sums);
}

/// The bytes of a constant's elements, and whether they stand for all elements.
std::optional<std::pair<ArrayRef<char>, bool>> bytesOf(ElementsAttr elements) {
  if (auto dense = dyn_cast<DenseElementsAttr>(elements))
    return std::pair(dense.getRawData(), dense.isSplat());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return std::pair(blob->getData(), false);
  return std::nullopt;
}
} // namespace

std::optional<std::array<double, 2>> winogradErrors(ElementsAttr filter) {
  auto type = cast<ShapedType>(filter.getType());
  auto bytes = bytesOf(filter);
  if (!bytes || !type.getElementType().isF32() || type.getRank() != 4 || type.getDimSize(2) != 3 || type.getDimSize(3) != 3 ||
      (!bytes->second && int64_t(bytes->first.size()) != type.getNumElements() * 4))
    return std::nullopt;
  double range = 0;
  std::array<double, 2> worst{0, 0};
  for (int64_t k = 0; k < type.getDimSize(0); ++k) {
    Gram gram{};
    for (int64_t c = 0; c < type.getDimSize(1); ++c) {
      std::array<float, kTaps> taps; // blobs need not be aligned
      std::memcpy(taps.data(), bytes->first.data() + (bytes->second ? 0 : (k * type.getDimSize(1) + c) * sizeof taps), bytes->second ? 4 : sizeof taps);
      if (bytes->second)
        taps.fill(taps[0]);
      for (int s = 0; s < kTaps; ++s)
        for (int t = 0; t < kTaps; ++t)
          gram[s][t] += double(taps[s]) * taps[t];
    }
    double square = 0;
    for (int t = 0; t < kTaps; ++t)
      square += gram[t][t];
    if (!std::isfinite(square))
      return std::array<double, 2>{NAN, NAN};
    range = std::max(range, square);
    worst = {std::max(worst[0], amplification(gram, 2)), std::max(worst[1], amplification(gram, 4))};
  }
  if (range == 0)
    return std::array<double, 2>{0, 0};
  // A running sum of C terms rounds with C / 2 of their variance in the mean; a rounding has a third of its bound's square.
  constexpr double kUnit = 1.0 / (1 << 24), kDeviations = 6, kRangeDeviations = 3, kTransformRoundings = 8;
  double roundings = (type.getDimSize(1) / 2.0 + kTransformRoundings) / 3;
  for (double &w : worst)
    w = kDeviations / kRangeDeviations * kUnit * std::sqrt(roundings * w / range);
  return worst;
}

void markWinogradErrors(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::DenseMap<Attribute, std::optional<std::array<double, 2>>> known;
  llvm::MapVector<BlockArgument, std::optional<std::array<double, 2>>> worst;
  module.walk([&](kernel::DispatchOp dispatch) {
    auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
    for (auto conv : func.getBody().getOps<nn::ConvOp>()) {
      auto filter = dyn_cast<BlockArgument>(conv.getWeight());
      if (!filter || func.getArgAttr(filter.getArgNumber(), "kernel.winograd_errors"))
        continue;
      auto constant = dispatch.getArgs()[filter.getArgNumber()].getDefiningOp<nn::ConstantOp>();
      auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
      std::optional<std::array<double, 2>> errors;
      if (elements) {
        auto [found, fresh] = known.try_emplace(elements);
        if (fresh)
          found->second = winogradErrors(elements);
        errors = found->second;
      }
      auto [entry, first] = worst.try_emplace(filter, errors);
      auto larger = [](double a, double b) { return std::isnan(a) || a > b ? a : b; };
      if (!first && entry->second && errors)
        entry->second = {larger((*entry->second)[0], (*errors)[0]), larger((*entry->second)[1], (*errors)[1])};
      else if (!errors)
        entry->second = std::nullopt;
    }
  });
  for (auto &[filter, errors] : worst)
    if (errors)
      cast<kernel::FuncOp>(filter.getOwner()->getParentOp())
          .setArgAttr(filter.getArgNumber(), "kernel.winograd_errors", DenseF64ArrayAttr::get(module.getContext(), *errors));
}

} // namespace tenon::schedule
