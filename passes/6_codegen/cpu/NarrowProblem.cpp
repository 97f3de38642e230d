#include "passes/6_codegen/cpu/NarrowProblem.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/SingleOp.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
bool isF32(Value v) {
  return cast<RankedTensorType>(v.getType()).getElementType().isF32();
}

/// The filter is known at compile time: it is packed, or will be.
bool isConstantFilter(Value v, kernel::FuncOp func) {
  if (v.getDefiningOp<kernel::UnpackOp>())
    return true;
  auto argument = dyn_cast<BlockArgument>(v);
  return argument && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
}

/// An argument whose rows of pixels are runs of memory.
bool hasDenseRows(Value v, int64_t channels) {
  kernel::View view = kernel::viewOf(v);
  size_t rank = view.strides.size();
  return isa<BlockArgument>(view.source) && rank >= 3 && view.strides[rank - 1].isConstant(1) && view.strides[rank - 2].isConstant(channels);
}

/// Vector multiply-adds a pixel, and what comes on top: sums across lanes here, half-used panels and their broadcasts there.
bool gains(const NarrowProblem &p, int64_t lanes) {
  constexpr double kLoadBound = 1.5; // of the peak that a contraction reaches; loads that cross cache lines
  int64_t rows = p.vertical.size, chunks = llvm::divideCeil(p.run(), lanes);
  double narrow = double(rows * chunks * p.channels) * kLoadBound + 4.0 * double(p.channels);
  return 2 * p.channels <= lanes && narrow < double(rows * p.run());
}
} // namespace

std::optional<NarrowProblem> NarrowProblem::of(kernel::FuncOp func, const Target &target) {
  NarrowProblem p;
  p.conv = onlyOp<nn::ConvOp>(func);
  if (!p.conv || p.conv.getLayout() != nn::Layout::ChannelsLast || p.conv.getGroups() != 1)
    return std::nullopt;
  unsigned spatial = p.conv.getStrides().size(), last = spatial - 1;
  auto input = nn::dimsOf(p.conv.getInput().getType()), result = nn::dimsOf(p.conv.getType());
  auto weight = cast<RankedTensorType>(p.conv.getWeight().getType());
  auto width = input[spatial].asConstant(), columns = result[spatial].asConstant();
  if (spatial > 2 || !weight.hasStaticShape() || !width || !columns || !input.back().isConstant() || p.conv.getDilations()[last] != 1)
    return std::nullopt;
  if (!isF32(p.conv.getInput()) || !isF32(p.conv.getWeight()) || !isF32(p.conv.getResult()) || !isConstantFilter(p.conv.getWeight(), func))
    return std::nullopt;
  p.channels = weight.getDimSize(0);
  p.inputChannels = weight.getDimSize(1);
  p.width = *width;
  p.columns = *columns;
  auto axis = [&](unsigned d) { return WindowAxis{weight.getDimSize(2 + d), p.conv.getStrides()[d], p.conv.getPads()[d], p.conv.getDilations()[d]}; };
  p.horizontal = axis(last);
  p.vertical = spatial == 2 ? axis(0) : WindowAxis();
  p.padded = p.horizontal.pad > 0 || (p.columns - 1) * p.horizontal.stride + p.horizontal.size > p.width;
  bool isBiasRead = !p.conv.getBias() || (isF32(p.conv.getBias()) && isa<BlockArgument>(p.conv.getBias()));
  if (!hasDenseRows(p.conv.getInput(), p.inputChannels) || !isBiasRead || !gains(p, target.lanes(32)) || !Epilogue::matches(p.conv.getResult()))
    return std::nullopt;
  return p;
}

kernel::PackingAttr NarrowProblem::packing() {
  auto shape = cast<RankedTensorType>(conv.getWeight().getType()).getShape();
  SmallVector<int64_t> order{0};
  for (size_t tap = 2; tap < shape.size(); ++tap)
    order.push_back(tap);
  order.push_back(1);
  return kernel::PackingAttr::get(conv.getContext(), shape, shape, order);
}

int64_t NarrowProblem::mostPixels(const Target &target) const {
  // Besides the accumulators: a vector of each pixel, one of weights, masks. The sums of all pixels meet in one vector.
  const int64_t mostPixels = std::min<int64_t>(8, target.lanes(32));
  int64_t accumulators = target.vectorRegisters >= 32 ? 24 : 12;
  return std::clamp<int64_t>(accumulators / channels, 1, std::min(mostPixels, columns));
}

} // namespace tenon::cpu
