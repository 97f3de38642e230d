#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_JOINADDEDCONVS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kAlignedChannels = 8; // 16 bytes of halves, which kernels copy at a time

/// A 1x1 convolution of a half type that only a sum reads; null for others.
nn::ConvOp joinable(Value value) {
  auto conv = value.getDefiningOp<nn::ConvOp>();
  if (!conv || !conv->hasOneUse() || conv.getLayout() != nn::Layout::ChannelsLast || conv.getGroups() != 1 || !isConstantExpression(conv.getWeight()) ||
      (conv.getBias() && !isConstantExpression(conv.getBias())) || !isa<Float16Type, BFloat16Type>(elementOf(conv)))
    return {};
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  auto is = [](int64_t expected) { return [expected](int64_t size) { return size == expected; }; };
  bool isOneTap = weight.hasStaticShape() && llvm::all_of(weight.getShape().drop_front(2), is(1)) && llvm::all_of(conv.getPads(), is(0));
  return isOneTap && weight.getDimSize(1) % kAlignedChannels == 0 ? conv : nn::ConvOp();
}

/// What a convolution reads of its input: where it strides, a slice.
Value readBy(OpBuilder &builder, nn::ConvOp conv) {
  if (llvm::all_of(conv.getStrides(), [](int64_t stride) { return stride == 1; }))
    return conv.getInput();
  SmallVector<nn::Dim> dims = nn::dimsOf(conv.getType()), starts(dims.size(), nn::Dim::constant(builder.getContext(), 0));
  dims.back() = nn::dimsOf(conv.getInput().getType()).back();
  SmallVector<int64_t> steps{1};
  llvm::append_range(steps, conv.getStrides());
  steps.push_back(1);
  return nn::SliceOp::create(builder, conv.getLoc(), conv.getInput(), nn::dimsAttr(builder.getContext(), starts),
                             nn::dimsAttr(builder.getContext(), dims), steps);
}

Value sumOf(OpBuilder &builder, Location loc, Value a, Value b) {
  if (!a || !b)
    return a ? a : b;
  return nn::AddOp::create(builder, loc, a, b);
}

struct JoinAddedConvs : impl::JoinAddedConvsBase<JoinAddedConvs> {
  void runOnOperation() override {
    SmallVector<nn::AddOp> sums;
    getOperation().walk([&](nn::AddOp add) {
      nn::ConvOp first = joinable(add.getLhs()), second = joinable(add.getRhs());
      if (first && second && first != second && nn::dimsOf(first.getType()) == nn::dimsOf(second.getType()) && elementOf(first) == elementOf(second))
        sums.push_back(add);
    });
    for (nn::AddOp add : sums)
      join(add, add.getLhs().getDefiningOp<nn::ConvOp>(), add.getRhs().getDefiningOp<nn::ConvOp>());
    joined += sums.size();
  }

  void join(nn::AddOp add, nn::ConvOp first, nn::ConvOp second) {
    constexpr int64_t kInputChannels = 1; // of weights
    OpBuilder builder(add);
    Location loc = builder.getFusedLoc({first.getLoc(), second.getLoc(), add.getLoc()});
    SmallVector<Value> inputs{readBy(builder, first), readBy(builder, second)}, weights{first.getWeight(), second.getWeight()};
    auto both = nn::ConcatOp::create(builder, loc, inputs, rankOf(inputs[0]) - 1);
    both->setAttr(kernel::kSharedDepthAttr, builder.getUnitAttr());
    auto conv = cast<nn::ConvOp>(builder.clone(*first));
    conv->setLoc(loc);
    builder.setInsertionPoint(conv);
    conv.setStrides(SmallVector<int64_t>(first.getStrides().size(), 1));
    conv.getInputMutable().assign(both.getResult());
    conv.getWeightMutable().assign(nn::ConcatOp::create(builder, loc, weights, kInputChannels).getResult());
    if (Value bias = sumOf(builder, loc, first.getBias(), second.getBias()))
      conv.getBiasMutable().assign(bias);
    add.replaceAllUsesWith(conv.getResult());
    add.erase();
    first.erase();
    second.erase();
  }
};

} // namespace
} // namespace tenon::graph
