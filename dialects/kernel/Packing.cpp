// A packing spelt as nn ops, for constant folding to evaluate.
#include "dialects/kernel/Kernel.h"

using namespace mlir;

namespace tenon::kernel {

ArrayRef<std::array<double, 3>> winogradFilterMatrix(int64_t m) {
  static const std::array<double, 3> two[] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
  static const std::array<double, 3> four[] = {{1. / 4, 0, 0},           {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6},
                                               {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1}};
  return m == 2 ? ArrayRef(two) : ArrayRef(four);
}

namespace {
/// Rows of the matrix that a filter becomes.
struct Rows {
  int64_t first, count;
};
} // namespace

/// Rows of G x Gt for every filter at once: the nine taps of a filter times the Kronecker square of G.
static Value transformFilter(OpBuilder &builder, Location loc, Value filter, PackingAttr packing, Rows rows) {
  MLIRContext *ctx = builder.getContext();
  auto type = cast<RankedTensorType>(filter.getType());
  ArrayRef<std::array<double, 3>> g = winogradFilterMatrix(packing.getWinograd());
  int64_t points = rows.count * g.size(), filters = type.getDimSize(0) * type.getDimSize(1);
  SmallVector<float> square;
  for (int tap = 0; tap < 9; ++tap)
    for (const auto &row : g.slice(rows.first, rows.count))
      for (const auto &column : g)
        square.push_back(float(row[tap / 3] * column[tap % 3]));
  auto squareType = RankedTensorType::get({9, points}, builder.getF32Type());
  Value matrix = nn::ConstantOp::create(builder, loc, Attribute(DenseElementsAttr::get(squareType, ArrayRef(square))), squareType);
  Value taps = nn::ReshapeOp::create(builder, loc, filter, nn::dimsAttr(ctx, ArrayRef<int64_t>{filters, 9}));
  Value product = nn::MatMulOp::create(builder, loc, taps, matrix, Value(), false, false);
  SmallVector<int64_t> shape = packing.transformedShape(type.getShape());
  shape[2] = rows.count;
  return nn::ReshapeOp::create(builder, loc, product, nn::dimsAttr(ctx, shape));
}

/// Transforms, pads, splits and transposes. Of transformed filters, `packing` may be that of some rows, from `firstRow` on.
static Value packWhole(OpBuilder &builder, Location loc, Value value, PackingAttr packing, int64_t firstRow = 0) {
  MLIRContext *ctx = builder.getContext();
  if (packing.getWinograd())
    value = transformFilter(builder, loc, value, packing, {firstRow, packing.getPadded()[2]});
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> low(type.getRank(), 0), high;
  for (auto [extent, padded] : llvm::zip_equal(type.getShape(), packing.getPadded()))
    high.push_back(padded - extent);
  if (llvm::any_of(high, [](int64_t amount) { return amount != 0; }))
    value = nn::PadOp::create(builder, loc, value, Value(), nn::dimsAttr(ctx, low), nn::dimsAttr(ctx, high));
  if (packing.getSplit() != packing.getPadded())
    value = nn::ReshapeOp::create(builder, loc, value, nn::dimsAttr(ctx, packing.getSplit()));
  SmallVector<int64_t> identity(llvm::to_vector(llvm::seq<int64_t>(0, packing.getPerm().size())));
  if (packing.getPerm() != ArrayRef<int64_t>(identity))
    value = nn::TransposeOp::create(builder, loc, value, packing.getPerm());
  return value;
}

namespace {
/// The axis along which a packed constant is contiguous pieces: its first axis of more than one index.
struct Pieces {
  int64_t axis = 0;   // of the packed constant
  int64_t part = 0;   // of `split`
  int64_t source = 0; // of the constant itself, whose outermost part it is
  int64_t width = 0;  // indices of `source` in a piece
};
} // namespace

static std::optional<Pieces> piecesOf(PackingAttr packing) {
  Pieces pieces;
  while (pieces.axis < int64_t(packing.getPerm().size()) && packing.getSplit()[packing.getPerm()[pieces.axis]] == 1)
    ++pieces.axis;
  if (pieces.axis == int64_t(packing.getPerm().size()))
    return std::nullopt;
  pieces.part = packing.getPerm()[pieces.axis];
  // `split` refines `padded`: the parts before this one hold as many elements as the axes before its axis.
  int64_t before = 1;
  for (int64_t extent : packing.getSplit().take_front(pieces.part))
    before *= extent;
  for (int64_t extent : packing.getPadded()) {
    if (before == 1 && extent > 1)
      break;
    if (before % extent)
      return std::nullopt;
    before /= extent;
    ++pieces.source;
  }
  if (before != 1 || packing.getPadded()[pieces.source] % packing.getSplit()[pieces.part])
    return std::nullopt;
  pieces.width = packing.getPadded()[pieces.source] / packing.getSplit()[pieces.part];
  return pieces;
}

static Value slice(OpBuilder &builder, Location loc, Value value, int64_t axis, int64_t start, int64_t size) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> starts(type.getRank(), 0), sizes(type.getShape());
  starts[axis] = start;
  sizes[axis] = size;
  return nn::SliceOp::create(builder, loc, value, nn::dimsAttr(builder.getContext(), starts), nn::dimsAttr(builder.getContext(), sizes),
                             SmallVector<int64_t>(type.getRank(), 1));
}

Value buildPacking(OpBuilder &builder, Location loc, Value value, PackingAttr packing) {
  // A large constant is packed in parts, one behind the other in memory: what is transformed or padded on the way is a copy of one part, not of all.
  constexpr int64_t kPartBytes = 8 << 20;
  auto type = cast<RankedTensorType>(value.getType());
  std::optional<Pieces> pieces = piecesOf(packing);
  auto packed = RankedTensorType::get(packing.packedShape(), type.getElementType());
  int64_t bytes = packed.getNumElements() * llvm::divideCeil(packed.getElementTypeBitWidth(), 8);
  bool isCopied = packing.getWinograd() || packing.getPadded() != type.getShape();
  if (!pieces || !isCopied || bytes <= 2 * kPartBytes)
    return packWhole(builder, loc, value, packing);
  // Filters are transformed row by row where the rows are the pieces.
  bool isByRows = packing.getWinograd() && pieces->source == 2;
  int64_t count = packing.getSplit()[pieces->part], extent = isByRows ? packing.getPadded()[2] : type.getDimSize(pieces->source);
  if ((packing.getWinograd() && pieces->source > 2) || (count - 1) * pieces->width >= extent) // the last: nothing but padding at the end
    return packWhole(builder, loc, value, packing);

  bool isWholeCopied = packing.getWinograd();
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    isWholeCopied |= axis != pieces->source && packing.getPadded()[axis] != type.getDimSize(axis);
  int64_t step = isWholeCopied ? llvm::divideCeil(kPartBytes, bytes / count) : std::max<int64_t>(extent / pieces->width, 1); // or only the last one
  SmallVector<Value> parts;
  for (int64_t first = 0; first < count; first += step) {
    int64_t taken = std::min(step, count - first), start = first * pieces->width;
    SmallVector<int64_t> padded(packing.getPadded()), split(packing.getSplit());
    padded[pieces->source] = taken * pieces->width;
    split[pieces->part] = taken;
    auto part = PackingAttr::get(builder.getContext(), padded, split, packing.getPerm(), packing.getWinograd());
    parts.push_back(isByRows ? packWhole(builder, loc, value, part, start)
                             : packWhole(builder, loc, slice(builder, loc, value, pieces->source, start, std::min(extent - start, padded[pieces->source])), part));
  }
  return parts.size() == 1 ? parts.front() : nn::ConcatOp::create(builder, loc, parts, pieces->axis).getResult();
}

} // namespace tenon::kernel
