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

/// G x Gt for every filter at once: the nine taps of a filter times the Kronecker square of G.
static Value transformFilter(OpBuilder &builder, Location loc, Value filter, PackingAttr packing) {
  MLIRContext *ctx = builder.getContext();
  auto type = cast<RankedTensorType>(filter.getType());
  ArrayRef<std::array<double, 3>> g = winogradFilterMatrix(packing.getWinograd());
  int64_t points = g.size() * g.size(), filters = type.getDimSize(0) * type.getDimSize(1);
  SmallVector<float> square;
  for (int tap = 0; tap < 9; ++tap)
    for (const auto &row : g)
      for (const auto &column : g)
        square.push_back(float(row[tap / 3] * column[tap % 3]));
  auto squareType = RankedTensorType::get({9, points}, builder.getF32Type());
  Value matrix = nn::ConstantOp::create(builder, loc, Attribute(DenseElementsAttr::get(squareType, ArrayRef(square))), squareType);
  Value taps = nn::ReshapeOp::create(builder, loc, filter, nn::dimsAttr(ctx, ArrayRef<int64_t>{filters, 9}));
  Value product = nn::MatMulOp::create(builder, loc, taps, matrix, Value(), false, false);
  return nn::ReshapeOp::create(builder, loc, product, nn::dimsAttr(ctx, packing.transformedShape(type.getShape())));
}

Value buildPacking(OpBuilder &builder, Location loc, Value value, PackingAttr packing) {
  MLIRContext *ctx = builder.getContext();
  if (packing.getWinograd())
    value = transformFilter(builder, loc, value, packing);
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

} // namespace tenon::kernel
