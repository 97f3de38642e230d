// A packing spelt as nn ops, for constant folding to evaluate.
#include "dialects/kernel/Kernel.h"

using namespace mlir;

namespace tenon::kernel {

Value buildPacking(OpBuilder &builder, Location loc, Value value, PackingAttr packing) {
  MLIRContext *ctx = builder.getContext();
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
