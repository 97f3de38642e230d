#include "passes/6_codegen/cpu/ChainProblem.h"
#include "passes/6_codegen/cpu/Elementwise.h"

namespace tenon::cpu {
using namespace mlir;

static ArrayRef<int64_t> shapeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getShape();
}
static bool isAll(ArrayRef<int64_t> list, int64_t value) {
  return llvm::all_of(list, [&](int64_t x) { return x == value; });
}

int64_t depthOf(nn::ConvOp pointwise) {
  return shapeOf(pointwise.getWeight())[1];
}
int64_t columnsOf(nn::ConvOp pointwise) {
  return shapeOf(pointwise.getWeight())[0];
}

/// f32 images [N, H, W, C] of which only N may be free.
static bool isPlainImage(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return type.getRank() == 4 && type.getElementType().isF32() && llvm::none_of(type.getShape().drop_front(), ShapedType::isDynamic);
}

static bool isPlain(nn::ConvOp conv) {
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  auto isMemory = [](Value operand) {
    kernel::View view = kernel::viewOf(operand);
    return isa<BlockArgument>(view.source) && view.strides.back().isConstant(1);
  };
  // One that another convolution reads too could not be packed for both.
  bool hasFilter = (conv.getWeight().getDefiningOp<kernel::UnpackOp>() || isa<BlockArgument>(conv.getWeight())) && conv.getWeight().hasOneUse();
  return conv.getLayout() == nn::Layout::ChannelsLast && isPlainImage(conv.getInput()) && isPlainImage(conv.getResult()) && hasFilter &&
         weight.hasStaticShape() && weight.getRank() == 4 && weight.getElementType().isF32() && (!conv.getBias() || isMemory(conv.getBias()));
}

static bool isPointwise(nn::ConvOp conv) {
  return conv.getGroups() == 1 && isAll(shapeOf(conv.getWeight()).drop_front(2), 1) && isAll(conv.getPads(), 0) && isAll(conv.getStrides(), 1);
}

static bool isDepthwise(nn::ConvOp conv) {
  ArrayRef<int64_t> weight = shapeOf(conv.getWeight());
  return int64_t(conv.getGroups()) == weight[0] && weight[0] > 1 && weight[1] == 1 && weight[0] == shapeOf(conv.getInput()).back();
}

std::optional<ChainProblem> ChainProblem::of(kernel::FuncOp func) {
  SmallVector<nn::ConvOp> convs(func.getBody().getOps<nn::ConvOp>());
  if (convs.size() < 2 || convs.size() > 3 || !llvm::all_of(convs, isPlain))
    return std::nullopt;
  auto *depthwise = llvm::find_if(convs, isDepthwise);
  if (depthwise == convs.end() || depthwise - convs.begin() > 1 || convs.end() - depthwise > 2)
    return std::nullopt;
  ChainProblem p;
  p.depthwise = *depthwise;
  if (depthwise != convs.begin())
    p.expand = convs.front();
  if (std::next(depthwise) != convs.end())
    p.project = convs.back();
  if ((p.expand && !isPointwise(p.expand)) || (p.project && !isPointwise(p.project)))
    return std::nullopt;

  kernel::View input = kernel::viewOf(p.first().getInput());
  if (!isa<BlockArgument>(input.source) || !input.strides.back().isConstant(1) || !Epilogue::matches(p.last().getResult()))
    return std::nullopt;
  for (size_t i = 0; i + 1 < convs.size(); ++i)
    if (!Epilogue::matchesUpTo(convs[i].getResult(), convs[i + 1]))
      return std::nullopt;
  return p;
}

bool ChainProblem::filtersConstant() const {
  auto isConstant = [](nn::ConvOp conv) {
    if (!conv || conv.getWeight().getDefiningOp<kernel::UnpackOp>())
      return true;
    auto argument = cast<BlockArgument>(conv.getWeight());
    return bool(cast<kernel::FuncOp>(argument.getOwner()->getParentOp()).getArgAttr(argument.getArgNumber(), "kernel.constant"));
  };
  return isConstant(expand) && isConstant(depthwise) && isConstant(project);
}

nn::Dim ChainProblem::batch() const {
  return nn::dimOf(nn::ConvOp(depthwise).getType(), 0);
}
int64_t ChainProblem::height() const {
  return shapeOf(nn::ConvOp(depthwise).getInput())[1];
}
int64_t ChainProblem::width() const {
  return shapeOf(nn::ConvOp(depthwise).getInput())[2];
}
int64_t ChainProblem::outHeight() const {
  return shapeOf(nn::ConvOp(depthwise).getResult())[1];
}
int64_t ChainProblem::outWidth() const {
  return shapeOf(nn::ConvOp(depthwise).getResult())[2];
}
int64_t ChainProblem::channels() const {
  return shapeOf(nn::ConvOp(depthwise).getInput())[3];
}

int64_t ChainProblem::window() const {
  nn::ConvOp conv = depthwise;
  return (shapeOf(conv.getWeight())[2] - 1) * conv.getDilations()[0] + 1;
}

int64_t ChainProblem::windowWidth() const {
  return shapeOf(nn::ConvOp(depthwise).getWeight())[3];
}

int64_t ChainProblem::tapCount() const {
  ArrayRef<int64_t> weight = shapeOf(nn::ConvOp(depthwise).getWeight());
  return weight[2] * weight[3];
}

} // namespace tenon::cpu
