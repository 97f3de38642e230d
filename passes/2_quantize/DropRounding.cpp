#include "passes/1_graph/Match.h"
#include "passes/2_quantize/Chain.h"
#include "passes/2_quantize/Passes.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_DROPROUNDING
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;

constexpr float kLargestExact = 1 << 24;

/// The numbers of an f32 constant, if all are integers.
std::optional<SmallVector<float>> wholeNumbers(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto type = cast<RankedTensorType>(value.getType());
  if (!constant || !type.hasStaticShape() || !type.getElementType().isF32())
    return std::nullopt;
  SmallVector<float> numbers(type.getNumElements());
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue())) {
    llvm::copy(dense.getValues<float>(), numbers.begin());
  } else {
    auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue());
    AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
    if (!blob || blob->getData().size() != numbers.size() * sizeof(float))
      return std::nullopt;
    std::memcpy(numbers.data(), blob->getData().data(), blob->getData().size());
  }
  if (llvm::any_of(numbers, [](float number) { return !(std::abs(number) <= kLargestExact) || number != std::floor(number); }))
    return std::nullopt;
  return numbers;
}

/// The largest magnitude of bytes in f32, less their zero point; none for other values.
std::optional<double> magnitude(Value value) {
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>())
    return magnitude(transpose.getInput());
  double zeroPoint = 0;
  if (auto sub = value.getDefiningOp<nn::SubOp>()) {
    std::optional<double> number = splatValue(sub.getRhs());
    if (!number || *number != std::floor(*number))
      return std::nullopt;
    zeroPoint = *number;
    value = sub.getLhs();
  }
  auto cast = value.getDefiningOp<nn::CastOp>();
  if (!cast || !isByte(cast.getInput()))
    return std::nullopt;
  constexpr double kWidest = 255;
  return kWidest + std::abs(zeroPoint);
}

struct DropRounding : impl::DropRoundingBase<DropRounding> {
  void runOnOperation() override {
    SmallVector<nn::RoundOp> found;
    getOperation().walk([&](nn::RoundOp op) { found.push_back(op); });
    for (nn::RoundOp op : found)
      rewrite(op);
  }

  void rewrite(nn::RoundOp op) {
    // Filters of one channel are summed product by product; what others are computed by may need the rounding.
    auto conv = op.getInput().getDefiningOp<nn::ConvOp>();
    auto filter = conv ? cast<RankedTensorType>(conv.getWeight().getType()) : RankedTensorType();
    if (!conv || conv.getBias() || !conv->hasOneUse() || !filter.hasStaticShape() || filter.getDimSize(1) != 1 || filter.getDimSize(0) != int64_t(conv.getGroups()))
      return;
    std::optional<double> input = magnitude(conv.getInput());
    std::optional<SmallVector<float>> weights = wholeNumbers(conv.getWeight());
    if (!input || !weights)
      return;
    double largest = 0;
    for (float weight : *weights)
      largest = std::max(largest, double(std::abs(weight)));
    double sum = largest * *input * double(weights->size()) / double(filter.getDimSize(0));
    if (sum > kLargestExact)
      return;
    ++dropped;
    if (takeBias(op, conv, sum))
      return;
    op.getResult().replaceAllUsesWith(conv.getResult());
  }

  /// Starts the sums at the constant that follows, if that is exact too.
  static bool takeBias(nn::RoundOp op, nn::ConvOp conv, double sum) {
    auto add = op->hasOneUse() ? dyn_cast<nn::AddOp>(*op->user_begin()) : nn::AddOp();
    if (!add || !sameShape(add, conv))
      return false;
    Value bias = add.getLhs() == op.getResult() ? add.getRhs() : add.getLhs();
    int64_t channel = conv.getLayout() == nn::Layout::ChannelsFirst ? 1 : rankOf(conv.getResult()) - 1;
    std::optional<SmallVector<float>> numbers = wholeNumbers(bias);
    if (!numbers || int64_t(numbers->size()) != int64_t(conv.getGroups()) || singleAxis(bias, rankOf(conv.getResult())) != channel ||
        llvm::any_of(*numbers, [&](float number) { return std::abs(number) + sum > kLargestExact; }))
      return false;
    OpBuilder builder(conv);
    Value column = reshapeTo(builder, conv.getLoc(), builder.clone(*bias.getDefiningOp())->getResult(0), ArrayRef<int64_t>(int64_t(numbers->size())));
    Value biased = nn::ConvOp::create(builder, conv.getLoc(), conv.getInput(), conv.getWeight(), column, conv.getStridesAttr(), conv.getPadsAttr(), conv.getDilationsAttr(),
                                      conv.getGroupsAttr(), conv.getLayoutAttr());
    add.getResult().replaceAllUsesWith(biased);
    return true;
  }
};
} // namespace
} // namespace tenon::quantize
