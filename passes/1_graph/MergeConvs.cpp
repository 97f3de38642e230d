#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_MERGECONVS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kAlignedChannels = 8; // 16 bytes of halves: slices begin where vectors may

int64_t channelsOf(nn::ConvOp conv) {
  return cast<RankedTensorType>(conv.getWeight().getType()).getShape().front();
}

/// The activation that alone reads a convolution; null if there is none.
Operation *activationOf(nn::ConvOp conv) {
  Operation *user = conv->hasOneUse() ? *conv->user_begin() : nullptr;
  bool isActivation = user && user->hasTrait<nn::Elementwise>() && user->getNumOperands() == 1 && user->getResultTypes() == conv->getResultTypes();
  return isActivation ? user : nullptr;
}

/// Whether only convolutions of all channels read `value`: they read slices in place.
bool isReadByConvs(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    auto conv = dyn_cast<nn::ConvOp>(use.getOwner());
    return conv && use.getOperandNumber() == 0 && conv.getGroups() == 1 && conv.getLayout() == nn::Layout::ChannelsLast;
  });
}

bool isMergeable(nn::ConvOp conv) {
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  Operation *activation = activationOf(conv);
  return conv.getLayout() == nn::Layout::ChannelsLast && conv.getGroups() == 1 && weight.hasStaticShape() && isConstantExpression(conv.getWeight()) &&
         (!conv.getBias() || isConstantExpression(conv.getBias())) && weight.getDimSize(0) % kAlignedChannels == 0 && isFloat(conv) && activation &&
         !activation->use_empty() && isReadByConvs(activation->getResult(0));
}

/// Whether two convolutions of one input differ in their weights only.
bool isAlike(nn::ConvOp a, nn::ConvOp b) {
  auto shape = [](nn::ConvOp conv) { return cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(); };
  Operation *first = activationOf(a), *second = activationOf(b);
  return a.getInput() == b.getInput() && a->getAttrDictionary() == b->getAttrDictionary() && shape(a) == shape(b) && !a.getBias() == !b.getBias() &&
         first->getName() == second->getName() && first->getAttrDictionary() == second->getAttrDictionary() && a->getBlock() == b->getBlock();
}

struct MergeConvs : impl::MergeConvsBase<MergeConvs> {
  void runOnOperation() override {
    SmallVector<SmallVector<nn::ConvOp>> siblings;
    getOperation().walk([&](nn::ConvOp conv) {
      if (!isMergeable(conv))
        return;
      auto *found = llvm::find_if(siblings, [&](ArrayRef<nn::ConvOp> group) { return isAlike(group[0], conv); });
      found == siblings.end() ? siblings.push_back({conv}) : found->push_back(conv);
    });
    for (ArrayRef<nn::ConvOp> group : siblings)
      if (group.size() > 1)
        merge(group);
  }

  /// Constant expressions may be written after the first of the convolutions: they move before it.
  static void moveBefore(Value value, Operation *position) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != position->getBlock() || op->isBeforeInBlock(position))
      return;
    for (Value operand : op->getOperands())
      moveBefore(operand, position);
    op->moveBefore(position);
  }

  void merge(ArrayRef<nn::ConvOp> convs) {
    nn::ConvOp first = convs.front();
    SmallVector<Value> weights, biases;
    SmallVector<Location> locations, activationLocations;
    int64_t channels = 0;
    for (nn::ConvOp conv : convs) {
      moveBefore(conv.getWeight(), first);
      weights.push_back(conv.getWeight());
      if (conv.getBias()) {
        moveBefore(conv.getBias(), first);
        biases.push_back(conv.getBias());
      }
      locations.push_back(conv.getLoc());
      activationLocations.push_back(activationOf(conv)->getLoc());
      channels += channelsOf(conv);
    }
    OpBuilder builder(first);
    Location loc = builder.getFusedLoc(locations);
    SmallVector<nn::Dim> dims = nn::dimsOf(first.getType());
    dims.back() = nn::Dim::constant(&getContext(), channels);
    RankedTensorType type = nn::tensorOf(dims, elementOf(first));
    auto conv = cast<nn::ConvOp>(builder.clone(*first));
    conv->setLoc(loc);
    conv.getResult().setType(type);
    builder.setInsertionPoint(conv);
    conv.getWeightMutable().assign(nn::ConcatOp::create(builder, loc, weights, 0));
    if (!biases.empty())
      conv.getBiasMutable().assign(nn::ConcatOp::create(builder, loc, biases, 0));
    builder.setInsertionPointAfter(conv);
    Operation *activation = builder.clone(*activationOf(first));
    activation->setLoc(builder.getFusedLoc(activationLocations));
    activation->setOperand(0, conv.getResult());
    activation->getResult(0).setType(type);
    int64_t offset = 0;
    for (nn::ConvOp part : convs) {
      Operation *old = activationOf(part);
      SmallVector<nn::Dim> starts(dims.size(), nn::Dim::constant(&getContext(), 0));
      starts.back() = nn::Dim::constant(&getContext(), offset);
      offset += channelsOf(part);
      Value slice = nn::SliceOp::create(builder, old->getLoc(), activation->getResult(0), nn::dimsAttr(&getContext(), starts),
                                        nn::dimsAttr(&getContext(), nn::dimsOf(old->getResult(0).getType())), SmallVector<int64_t>(dims.size(), 1));
      old->getResult(0).replaceAllUsesWith(slice);
    }
    for (nn::ConvOp part : convs) {
      activationOf(part)->erase();
      part.erase();
    }
    merged += convs.size();
  }
};

} // namespace
} // namespace tenon::graph
