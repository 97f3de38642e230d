#include "dialects/nn/PackedWeights.h"

using namespace mlir;

namespace tenon::nn {

constexpr StringLiteral kMark = "nn.kept_packed";

void keepPacked(Operation *unpacking) { unpacking->setAttr(kMark, UnitAttr::get(unpacking->getContext())); }
bool isKeptPacked(Operation *op) { return op && op->hasAttr(kMark); }
void unpackAtCompileTime(Operation *root) {
  root->walk([](Operation *op) { op->removeAttr(kMark); });
}

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Which operand of a commutative op is computed by `Op`, and what the other one is.
template <typename Op, typename Binary> static std::pair<Op, Value> operandsOf(Binary binary) {
  if (!binary)
    return {};
  if (Op op = binary.getLhs().template getDefiningOp<Op>())
    return {op, binary.getRhs()};
  return {binary.getRhs().template getDefiningOp<Op>(), binary.getLhs()};
}

std::optional<PackedWeights> PackedWeights::of(Value weights) {
  auto type = dyn_cast<RankedTensorType>(weights.getType());
  if (!type || type.getRank() != 2 || !type.hasStaticShape())
    return std::nullopt;
  PackedWeights found;
  found.columns = type.getDimSize(1);
  auto slice = weights.getDefiningOp<SliceOp>();
  auto reshape = (slice ? slice.getInput() : weights).getDefiningOp<ReshapeOp>();
  auto scaled = reshape ? reshape.getInput().getDefiningOp<MulOp>() : MulOp();
  auto [centred, scales] = operandsOf<SubOp>(scaled);
  auto cast = centred ? centred.getLhs().getDefiningOp<CastOp>() : CastOp();
  auto masked = cast ? cast.getInput().getDefiningOp<BitwiseAndOp>() : BitwiseAndOp();
  auto [shift, mask] = operandsOf<BitShiftOp>(masked);
  bool isByte = cast && isKeptPacked(cast);
  if (!isByte && (!shift || !isKeptPacked(shift)))
    return std::nullopt;
  constexpr int64_t kFour = 4, kEight = 8;
  found.bits = isByte ? kEight : kFour;
  found.codes = isByte ? cast.getInput() : shift.getLhs();
  found.zeroPoints = centred.getRhs();
  found.scales = scales;
  ArrayRef<int64_t> codes = shapeOf(found.codes);
  if (codes.size() != 5 || codes[3] != found.bits / kFour || codes[4] != kHalfTile || !type.getElementType().isF32())
    return std::nullopt;
  found.blocks = codes[0], found.size = codes[1], found.tiles = codes[2];
  SmallVector<int64_t> perBlock{found.blocks, 1, found.tiles, 2, kHalfTile};
  bool areZeroPointsKnown = shapeOf(found.zeroPoints).empty() || shapeOf(found.zeroPoints) == ArrayRef(perBlock);
  if (!areZeroPointsKnown || shapeOf(found.scales) != ArrayRef(perBlock) || type.getDimSize(0) != found.depth() || found.columns > found.tiles * kTileColumns)
    return std::nullopt;
  if (slice)
    found.ops.push_back(slice);
  found.ops.append({reshape, scaled, centred, cast});
  if (!isByte)
    found.ops.append({masked, shift});
  return found;
}

} // namespace tenon::nn
