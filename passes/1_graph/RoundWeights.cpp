#include "passes/1_graph/RoundWeights.h"
#include "passes/1_graph/Match.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/APFloat.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;

namespace tenon::graph {
namespace {

/// The neighbours of a value in steps of a shorter type, by its mantissa and its smallest normal number.
class Steps {
public:
  explicit Steps(const llvm::fltSemantics &semantics)
      : digits(llvm::APFloat::semanticsPrecision(semantics)), lowest(llvm::APFloat::semanticsMinExponent(semantics)),
        largest(llvm::APFloat::getLargest(semantics).convertToDouble()) {}

  double nearest(double value) const {
    if (value == 0)
      return 0;
    int step = std::max(std::ilogb(value), lowest) - (digits - 1);
    return std::clamp(std::ldexp(std::nearbyint(std::ldexp(value, -step)), step), -largest, largest);
  }
  bool holds(float value) const { return std::fabs(value) <= largest; } // not NaN

private:
  int digits, lowest;
  double largest;
};

/// Rounds `values` from the largest to the smallest: the error of all is that of the last, whose steps are the finest.
void roundTogether(MutableArrayRef<float> values, const Steps &half, double &error, SmallVectorImpl<size_t> &order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) { return std::fabs(values[a]) > std::fabs(values[b]); });
  for (size_t i : order) {
    if (values[i] == 0)
      break; // what was pruned stays so
    double wanted = values[i] + error, rounded = half.nearest(wanted);
    error = wanted - rounded;
    values[i] = float(rounded);
  }
}

/// Rounds the weights of filters [K, C, R...] so that what one loses the next ones gain. Neighbouring pixels are alike, so a channel's taps are
/// rounded together; of single taps, channels are.
void roundFiltersTogether(MutableArrayRef<float> values, RankedTensorType type, const Steps &steps) {
  if (values.empty())
    return;
  size_t filter = values.size() / type.getDimSize(0), taps = filter / type.getDimSize(1), together = taps > 1 ? taps : filter;
  SmallVector<size_t> order;
  for (size_t first = 0; first < values.size(); first += filter) {
    double error = 0;
    for (size_t part = 0; part < filter; part += together)
      roundTogether(values.slice(first + part, together), steps, error, order);
  }
}

/// A copy of a constant's bytes.
struct Copy {
  explicit Copy(ArrayRef<char> data)
      : blob(HeapAsmResourceBlob::allocateAndCopyWithAlign(data, alignof(float), /*dataIsMutable=*/true)),
        values(reinterpret_cast<float *>(blob.getMutableData().data()), data.size() / sizeof(float)) {}

  ElementsAttr replace(ElementsAttr like) && {
    auto type = cast<RankedTensorType>(like.getType());
    if (isa<DenseElementsAttr>(like))
      return DenseElementsAttr::getFromRawBuffer(type, blob.getData());
    auto &manager = DenseResourceElementsHandle::getManagerInterface(type.getContext());
    return DenseResourceElementsAttr::get(type, manager.insert("rounded", std::move(blob)));
  }

  AsmResourceBlob blob;
  MutableArrayRef<float> values;
};

constexpr int64_t kRankOfFilters = 3; // and more

} // namespace

ElementsAttr shortenWeights(ElementsAttr weights) {
  // Of a factor whose mantissa is spread as those of measured quantities are (Benford), 2^-11 / (2 ln 2) is cut off in the mean.
  constexpr double kCutOff = 0x1p-11 * 0.7213475;
  auto type = cast<RankedTensorType>(weights.getType());
  std::optional<ArrayRef<char>> data = rawFloats(weights);
  if (!data)
    return {};
  Copy copy(*data);
  Steps mantissa(llvm::APFloat::FloatTF32());
  auto holds = [&](float value) { return mantissa.holds(float(value * (1 + kCutOff))); };
  bool areFilters = type.getRank() >= kRankOfFilters && llvm::all_of(copy.values, holds);
  for (float &value : copy.values)
    if (double larger = value * (1 + kCutOff); areFilters)
      value = float(larger);
    else if (mantissa.holds(value))
      value = float(mantissa.nearest(larger));
  if (areFilters)
    roundFiltersTogether(copy.values, type, mantissa);
  return std::move(copy).replace(weights);
}

ElementsAttr roundFilters(ElementsAttr weights, const llvm::fltSemantics &semantics) {
  auto type = cast<RankedTensorType>(weights.getType());
  std::optional<ArrayRef<char>> data = rawFloats(weights);
  if (!data || type.getRank() < kRankOfFilters)
    return {};
  Copy copy(*data);
  Steps half(semantics);
  if (!llvm::all_of(copy.values, [&](float value) { return half.holds(value); }))
    return {};
  roundFiltersTogether(copy.values, type, half);
  return std::move(copy).replace(weights);
}

} // namespace tenon::graph
