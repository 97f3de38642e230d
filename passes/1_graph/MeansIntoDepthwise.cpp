// The mean of all pixels that a depthwise convolution has made, as squeeze-and-excitation begins: its kernel gives sums of rows, whose mean is small work.
#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_MEANSINTODEPTHWISE
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kRank = 4, kRows = 1, kColumns = 2;
constexpr int64_t kLongestRow = 512; // pixels that the threads of a block stand for
constexpr int64_t kMostTaps = 49;    // whose weights fit into registers

bool isFloatOfKernels(Value value) { return isa<Float16Type, BFloat16Type, Float32Type>(elementOf(value)); }

/// A filter of each channel, of floats, in whole vectors of channels.
bool isDepthwise(nn::ConvOp conv) {
  constexpr int64_t kVectorBits = 128;
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  if (!weight.hasStaticShape() || weight.getRank() != kRank || conv.getLayout() != nn::Layout::ChannelsLast || !isConstantExpression(conv.getWeight()))
    return false;
  bool isOfChannels = conv.getGroups() > 1 && weight.getDimSize(0) == int64_t(conv.getGroups()) && weight.getDimSize(1) == 1;
  // Perhaps bytes that its kernel decodes, or a view that it does not read in place: such kernels give no sums.
  auto isOther = [](Operation *op) { return op && (isa<nn::CastOp, nn::SubOp>(op) || op->hasTrait<nn::ViewLike>()); };
  return isOfChannels && weight.getDimSize(2) * weight.getDimSize(3) <= kMostTaps && elementOf(conv.getInput()) == weight.getElementType() &&
         weight.getDimSize(0) * weight.getElementTypeBitWidth() % kVectorBits == 0 && !isOther(conv.getInput().getDefiningOp());
}

/// Whether `value` is what a depthwise convolution computes at its end: functions of its result that nothing else reads.
bool endsDepthwise(Value value) {
  constexpr int kMostSteps = 4;
  for (int step = 0; step < kMostSteps && isFloatOfKernels(value); ++step) {
    Operation *op = value.getDefiningOp();
    if (auto conv = dyn_cast_or_null<nn::ConvOp>(op))
      return isDepthwise(conv);
    if (!op || !op->hasTrait<nn::Elementwise>() || op->getNumOperands() != 1 || !op->getOperand(0).hasOneUse())
      return false;
    value = op->getOperand(0);
  }
  return false;
}

bool isMeanOfPixels(nn::ReduceOp mean) {
  Value x = mean.getInput();
  SmallVector<nn::Dim> dims = nn::dimsOf(x.getType());
  if (mean.getKind() != nn::ReduceKind::Mean || !mean.getKeepDims() || dims.size() != kRank || mean.getAxes() != ArrayRef<int64_t>{kRows, kColumns})
    return false;
  if (llvm::any_of(x.getUsers(), [](Operation *user) { return user->hasAttr(kernel::kRowSumsAttr); }))
    return false; // another mean of the same
  bool isKnown = llvm::all_of(ArrayRef(dims).drop_front(), [](nn::Dim dim) { return dim.isConstant(); });
  return isKnown && *dims[kColumns].asConstant() <= kLongestRow && endsDepthwise(x);
}

void rewrite(nn::ReduceOp mean) {
  OpBuilder builder(mean);
  Location loc = mean.getLoc();
  Value x = mean.getInput();
  Type f32 = builder.getF32Type();
  auto ofConvolution = [&](Value value) {
    value.getDefiningOp()->setAttr(kernel::kRowSumsAttr, builder.getUnitAttr());
    return value;
  };
  bool isHalf = !elementOf(x).isF32();
  Value wide = isHalf ? ofConvolution(nn::CastOp::create(builder, loc, x, f32)) : x;
  Value sums = ofConvolution(nn::ReduceOp::create(builder, loc, wide, nn::ReduceKind::Sum, SmallVector<int64_t>{kColumns}, true));
  Value total = nn::ReduceOp::create(builder, loc, sums, nn::ReduceKind::Sum, SmallVector<int64_t>{kRows}, true);
  double pixels = double(*nn::dimOf(x.getType(), kRows).asConstant() * *nn::dimOf(x.getType(), kColumns).asConstant());
  Value result = nn::MulOp::create(builder, loc, total, scalarConstant(builder, loc, f32, 1 / pixels));
  if (isHalf)
    result = nn::CastOp::create(builder, loc, result, elementOf(mean));
  mean.replaceAllUsesWith(result);
  mean.erase();
}

struct MeansIntoDepthwise : impl::MeansIntoDepthwiseBase<MeansIntoDepthwise> {
  void runOnOperation() override {
    SmallVector<nn::ReduceOp> reductions;
    getOperation().walk([&](nn::ReduceOp reduce) { reductions.push_back(reduce); });
    for (nn::ReduceOp reduce : reductions) {
      if (!isMeanOfPixels(reduce))
        continue;
      rewrite(reduce);
      ++taken;
    }
  }
};

} // namespace
} // namespace tenon::graph
