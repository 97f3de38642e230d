// Layers between DequantizeLinear nodes, computed on the integers.
//
// sum (x - zx) sx (w - zw) sw = sx sw sum (x - zx) (w - zw): the sum on the right is exact, so that the result does not depend on the order
// of additions, and with it on the machine. A rounding that falls the other way changes everything behind it in a quantized network.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Quantization.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

void rememberDequantized(Node &node, Value result, Dequantized parts) {
  Type element = getElementTypeOrSelf(parts.x.getType()), scale = getElementTypeOrSelf(parts.scale.getType());
  bool isWide = element.isSignlessInteger(32);
  if (result && element.isInteger() && scale.isF32() && (isWide || element.getIntOrFloatBitWidth() == 8))
    node.importer.dequantized[result] = parts;
}

static std::optional<Dequantized> find(Node &node, Value value) {
  auto found = node.importer.dequantized.find(value);
  return value && found != node.importer.dequantized.end() ? std::optional(found->second) : std::nullopt;
}

/// One number, or one for each entry of axis `axis` of a tensor of rank `rank` (-1: only one number).
static bool fits(Value parameter, int64_t rank, int64_t axis) {
  if (!parameter)
    return true;
  SmallVector<Dim> dims = nn::dimsOf(parameter.getType());
  for (auto [i, dim] : llvm::enumerate(dims))
    if (!dim.isConstant(1) && int64_t(i) != axis - (rank - int64_t(dims.size())))
      return false;
  return int64_t(dims.size()) <= rank;
}

std::optional<QuantizedOperands> QuantizedOperands::of(Node &node, int64_t weightAxis) {
  std::optional<Dequantized> x = find(node, node.in(0)), w = find(node, node.in(1));
  auto isByte = [](const Dequantized &d) { return getElementTypeOrSelf(d.x.getType()).getIntOrFloatBitWidth() == 8; };
  if (!x || !w || !isByte(*x) || !isByte(*w) || !isa_and_nonnull<nn::ConstantOp>(w->x.getDefiningOp()))
    return std::nullopt;
  int64_t rank = cast<RankedTensorType>(w->x.getType()).getRank();
  if (!fits(x->scale, 0, -1) || !fits(x->zeroPoint, 0, -1) || !fits(w->scale, rank, weightAxis) || !fits(w->zeroPoint, rank, weightAxis))
    return std::nullopt;
  return QuantizedOperands{*x, *w};
}

Value QuantizedOperands::left(Node &node) const { return centred(node, x.x, x.zeroPoint); }
Value QuantizedOperands::right(Node &node) const { return centred(node, w.x, w.zeroPoint); }

/// A parameter of one number, or as a column of the results with `trailing` axes behind.
static Value asColumn(Node &node, Value parameter, int64_t trailing) {
  Dim count = nn::numElements(parameter.getType());
  if (count.isConstant(1))
    return node.reshape(parameter, {});
  SmallVector<Dim> dims{count};
  dims.append(trailing, node.dim(1));
  return node.reshape(parameter, dims);
}

static std::optional<SmallVector<float>> contentsOf(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!dense || !dense.getElementType().isF32())
    return std::nullopt;
  return llvm::to_vector(dense.getValues<float>());
}

/// Whether a bias counts in the steps of the sums, as quantizers make it.
static bool hasScale(const Dequantized &bias, const Dequantized &x, const Dequantized &w) {
  std::optional<SmallVector<float>> own = contentsOf(bias.scale), left = contentsOf(x.scale), right = contentsOf(w.scale);
  if (!own || !left || !right || left->size() != 1 || own->empty() || right->empty())
    return false;
  constexpr float kRelative = 1e-6f; // roundings of a product
  for (size_t i = 0; i < std::max(own->size(), right->size()); ++i) {
    float expected = (*left)[0] * (*right)[right->size() == 1 ? 0 : i % right->size()], found = (*own)[own->size() == 1 ? 0 : i % own->size()];
    if (!(std::abs(found - expected) <= kRelative * std::abs(expected)))
      return false;
  }
  return true;
}

Value QuantizedOperands::scaled(Node &node, Value sums, Value bias, int64_t trailing) const {
  std::optional<Dequantized> steps = find(node, bias);
  bool isExact = steps && getElementTypeOrSelf(steps->x.getType()).isSignlessInteger(32) && hasScale(*steps, x, w);
  if (isExact)
    sums = node.make<nn::AddOp>(sums, asColumn(node, centred(node, steps->x, steps->zeroPoint), trailing));
  Value factor = node.make<nn::MulOp>(asColumn(node, x.scale, trailing), asColumn(node, w.scale, trailing));
  Value real = node.make<nn::MulOp>(node.cast(sums, node.builder.getF32Type()), factor);
  return bias && !isExact ? node.make<nn::AddOp>(real, asColumn(node, bias, trailing)) : real;
}

} // namespace tenon::importer
