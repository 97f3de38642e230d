#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_CHANNELSLAST
#include "passes/1_graph/Passes.h.inc"
namespace {

/// [N, C, Y...] -> [N, Y..., C], as the permutation of a transpose.
SmallVector<int64_t> toChannelsLast(int64_t rank) {
  SmallVector<int64_t> perm{0};
  for (int64_t axis = 2; axis < rank; ++axis)
    perm.push_back(axis);
  perm.push_back(1);
  return perm;
}

/// A resize of nothing but the spatial axes; others have no channels-last form.
bool keepsBatchAndChannels(nn::ResizeOp op) {
  SmallVector<nn::Dim> in = nn::dimsOf(op.getInput().getType()), out = op.getSizes().dims();
  for (int64_t axis : {0, 1})
    if (in[axis] != out[axis] || (op.getScales()[axis] != 0.0 && op.getScales()[axis] != 1.0) ||
        (op.getScaleBits() && !op.getScaleBits()->dims()[axis].isConstant(0)))
      return false;
  return true;
}

/// Attributes of a resize that list axes follow the layout.
void permuteResize(Operation *op, ArrayRef<int64_t> perm) {
  auto resize = cast<nn::ResizeOp>(op);
  MLIRContext *context = op->getContext();
  resize.setSizesAttr(nn::dimsAttr(context, permuted<nn::Dim>(resize.getSizes().dims(), perm)));
  resize.setScales(permuted<double>(resize.getScales(), perm));
  if (resize.getScaleBits())
    resize.setScaleBitsAttr(nn::dimsAttr(context, permuted<nn::Dim>(resize.getScaleBits()->dims(), perm)));
  if (std::optional<ArrayRef<double>> roi = resize.getRoi(); roi && roi->size() == 2 * perm.size()) {
    SmallVector<double> moved = permuted<double>(roi->take_front(perm.size()), perm);
    llvm::append_range(moved, permuted<double>(roi->drop_front(perm.size()), perm));
    resize.setRoi(ArrayRef<double>(moved));
  }
}

bool isChannelsFirst(Operation *op) {
  return TypeSwitch<Operation *, bool>(op)
      .Case<nn::ConvOp, nn::ConvTransposeOp, nn::PoolOp, nn::DepthToSpaceOp, nn::SpaceToDepthOp>(
          [](auto layer) { return layer.getLayout() == nn::Layout::ChannelsFirst; })
      .Case([](nn::ResizeOp resize) {
        return resize.getLayout() == nn::Layout::ChannelsFirst && rankOf(resize) >= 3 && keepsBatchAndChannels(resize);
      })
      .Default(false);
}

struct ChannelsLast : impl::ChannelsLastBase<ChannelsLast> {
  void runOnOperation() override {
    SmallVector<Operation *> layers;
    getOperation().walk([&](Operation *op) {
      if (isChannelsFirst(op) && !isConstantExpression(op->getOperand(0)))
        layers.push_back(op);
    });
    for (Operation *op : layers)
      convert(op);
    assigned += layers.size();
  }

  void convert(Operation *op) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    SmallVector<int64_t> perm = toChannelsLast(type.getRank());
    OpBuilder builder(op);
    Value input = transposeBy(builder, op->getLoc(), op->getOperand(0), perm);
    Operation *layer = builder.clone(*op);
    layer->setOperand(0, input);
    layer->setAttr("layout", nn::LayoutAttr::get(&getContext(), nn::Layout::ChannelsLast));
    if (isa<nn::ResizeOp>(layer))
      permuteResize(layer, perm);
    SmallVector<nn::Dim> dims = permuted<nn::Dim>(nn::dimsOf(type), perm);
    layer->getResult(0).setType(nn::tensorOf(dims, type.getElementType()));
    op->getResult(0).replaceAllUsesWith(transposeBy(builder, op->getLoc(), layer->getResult(0), inverse(perm)));
    op->erase();
  }
};

} // namespace
} // namespace tenon::graph
