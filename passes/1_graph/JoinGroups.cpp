#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_JOINGROUPS
#include "passes/1_graph/Passes.h.inc"
namespace {

/// How many groups become one; 1 where they are wide enough, or where that would not make them so.
int64_t joinedGroups(nn::ConvOp conv) {
  constexpr int64_t kFragment = 16, kMost = 8;
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  int64_t groups = conv.getGroups();
  if (conv.getLayout() != nn::Layout::ChannelsLast || !weight.hasStaticShape() || !isConstantExpression(conv.getWeight()) ||
      !isFloat(conv.getWeight()) || weight.getDimSize(1) == 1)
    return 1;
  for (int64_t count = 1; count <= std::min(groups, kMost); ++count)
    if (groups % count == 0 && count * weight.getDimSize(1) % kFragment == 0 && count * weight.getDimSize(0) / groups % kFragment == 0)
      return count;
  return 1;
}

/// Weights of `count` neighbouring groups as those of one: zeros where a filter reads other groups' channels.
Value onDiagonal(OpBuilder &builder, nn::ConvOp conv, int64_t count) {
  Location loc = conv.getLoc();
  MLIRContext *context = conv.getContext();
  auto shape = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
  int64_t groups = conv.getGroups(), filters = shape[0] / groups, channels = shape[1], taps = 1;
  for (int64_t tap : shape.drop_front(2))
    taps *= tap;
  Value weight = reshapeTo(builder, loc, conv.getWeight(), ArrayRef<int64_t>{groups / count, count, filters, channels, taps});
  SmallVector<Value> each;
  for (int64_t i = 0; i < count; ++i) {
    Value own = builder.createOrFold<nn::SliceOp>(loc, weight, nn::dimsAttr(context, ArrayRef<int64_t>{0, i, 0, 0, 0}),
                                                  nn::dimsAttr(context, ArrayRef<int64_t>{groups / count, 1, filters, channels, taps}),
                                                  ArrayRef<int64_t>{1, 1, 1, 1, 1});
    each.push_back(nn::PadOp::create(builder, loc, own, Value(), nn::dimsAttr(context, ArrayRef<int64_t>{0, 0, 0, i * channels, 0}),
                                     nn::dimsAttr(context, ArrayRef<int64_t>{0, 0, 0, (count - 1 - i) * channels, 0}), nn::PadMode::Constant));
  }
  SmallVector<int64_t> joined(shape);
  joined[1] = count * channels;
  return reshapeTo(builder, loc, nn::ConcatOp::create(builder, loc, each, 1), joined);
}

struct JoinGroups : impl::JoinGroupsBase<JoinGroups> {
  void runOnOperation() override {
    getOperation().walk([&](nn::ConvOp conv) {
      int64_t count = joinedGroups(conv);
      if (count == 1)
        return;
      OpBuilder builder(conv);
      conv.getWeightMutable().assign(onDiagonal(builder, conv, count));
      conv.setGroups(conv.getGroups() / count);
      ++joined;
    });
  }
};

} // namespace
} // namespace tenon::graph
