#include "passes/2_quantize/Chain.h"
#include "passes/2_quantize/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_PROPAGATEQUANTIZATION
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;

/// Every element of the result is an element of an operand.
bool onlyMoves(Operation *op) {
  if (auto resize = dyn_cast<nn::ResizeOp>(op))
    return resize.getMode() == nn::ResizeMode::Nearest && resize.getCoordinates() != nn::CoordinateMode::TfCropAndResize;
  return isa<nn::ReshapeOp, nn::TransposeOp, nn::SliceOp, nn::ConcatOp, nn::ExpandOp, nn::DepthToSpaceOp, nn::SpaceToDepthOp>(op);
}

/// Whether the chain's result never falls where its source rises. (It never leaves finite numbers, NaN aside, which maxima keep as it does.)
bool rises(const Chain &chain) {
  return llvm::all_of(chain.ops, [](Operation *op) {
    if (isa<nn::ReluOp, nn::RoundOp, nn::ClipOp, nn::QuantizeOp>(op))
      return true;
    if (auto cast = dyn_cast<nn::CastOp>(op))
      return cast.getTo().isF32() && elementOf(cast.getInput()).isInteger();
    if (isa<nn::AddOp>(op))
      return splatValue(op->getOperand(0)).has_value() != splatValue(op->getOperand(1)).has_value();
    if (isa<nn::SubOp>(op))
      return splatValue(op->getOperand(1)).has_value();
    std::optional<double> factor = isa<nn::MulOp, nn::DivOp>(op) ? splatValue(op->getOperand(1)) : std::nullopt;
    return factor && *factor > 0;
  });
}

bool isMaximum(Operation *op) {
  auto pool = dyn_cast<nn::PoolOp>(op);
  return pool && pool.getKind() == nn::PoolKind::Max;
}

/// A value whose bytes are as good as itself: moving them costs a quarter.
bool comesFromBytes(Value value) {
  Chain chain = Chain::of(value, /*stopAtBytes=*/true);
  return !chain.ops.empty() && llvm::all_of(chain.sources, isByte);
}

/// Cheap arithmetic, as between bytes and numbers.
bool isArithmetic(Operation *op) { return isa<nn::CastOp, nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp>(op); }

struct PropagateQuantization : impl::PropagateQuantizationBase<PropagateQuantization> {
  void runOnOperation() override {
    SmallVector<nn::QuantizeOp> work;
    getOperation().walk([&](nn::QuantizeOp op) { work.push_back(op); });
    while (!work.empty())
      if (nn::QuantizeOp op = work.pop_back_val(); sliceBytes(op) || moveUp(op, work))
        ++moved;
  }

  /// A part of numbers that were made of bytes is made of a part of the bytes: what is left out is neither computed nor quantized again.
  bool sliceBytes(nn::QuantizeOp quantize) {
    Chain chain = Chain::of(quantize, /*stopAtBytes=*/false);
    auto slice = chain.sources.size() == 1 ? chain.sources.front().getDefiningOp<nn::SliceOp>() : nn::SliceOp();
    if (!slice || isByte(slice.getResult()))
      return false;
    Chain above = Chain::of(slice.getInput(), /*stopAtBytes=*/true);
    if (above.sources.size() != 1 || !isByte(above.sources.front()) || !llvm::all_of(above.ops, isArithmetic))
      return false;
    OpBuilder builder(slice);
    Value bytes = above.sources.front();
    auto part = cast<nn::SliceOp>(builder.clone(*slice));
    part->setOperand(0, bytes);
    part.getResult().setType(nn::tensorOf(nn::dimsOf(slice.getType()), elementOf(bytes)));
    slice.replaceAllUsesWith(above.clone(builder, part.getResult()));
    slice.erase();
    for (Operation *op : llvm::reverse(above.ops))
      if (op->use_empty())
        op->erase();
    return true;
  }

  bool moveUp(nn::QuantizeOp quantize, SmallVectorImpl<nn::QuantizeOp> &work) {
    Chain chain = Chain::of(quantize, /*stopAtBytes=*/false);
    if (chain.sources.size() != 1 || !chain.sources.front().getDefiningOp())
      return false;
    Value source = chain.sources.front();
    Operation *mover = source.getDefiningOp();
    if (isa<nn::SliceOp>(mover) && isByte(source))
      return false; // fewer bytes are quantized again behind it
    unsigned operands = isa<nn::ConcatOp>(mover) ? mover->getNumOperands() : 1;
    bool readsHere = llvm::all_of(source.getUsers(), [&](Operation *user) { return chain.ops.contains(user); });
    bool allBytes = llvm::all_of(mover->getOperands().take_front(operands), comesFromBytes);
    bool moves = onlyMoves(mover) || (isMaximum(mover) && rises(chain));
    if (!moves || !(readsHere || allBytes) || mover->getNumResults() != 1)
      return false;
    OpBuilder builder(quantize);
    SmallVector<Value> bytes;
    for (Value operand : mover->getOperands().take_front(operands))
      bytes.push_back(chain.clone(builder, operand));
    Operation *copy = builder.clone(*mover);
    for (auto [i, value] : llvm::enumerate(bytes))
      copy->setOperand(i, value);
    copy->getResult(0).setType(quantize.getType());
    quantize.getResult().replaceAllUsesWith(copy->getResult(0));
    for (Operation *op : llvm::reverse(chain.ops)) {
      if (!op->use_empty())
        continue;
      llvm::erase_if(work, [&](nn::QuantizeOp waiting) { return waiting.getOperation() == op; }); // bytes that were quantized once more
      op->erase();
    }
    for (Value value : bytes)
      if (auto next = value.getDefiningOp<nn::QuantizeOp>())
        work.push_back(next);
    return true;
  }
};
} // namespace
} // namespace tenon::quantize
