#include "passes/6_codegen/cpu/WinogradBytesSchedule.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

WinogradBytesSchedule WinogradBytesSchedule::of(kernel::ScheduleAttr attr) { return {WinogradSchedule::of(attr)}; }

kernel::ScheduleAttr WinogradBytesSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(ctx, StringAttr::get(ctx, "winograd_bytes"), WinogradSchedule::attr(ctx).getParameters());
}

WinogradBytesLayout::WinogradBytesLayout(const ContractionProblem &p, const WinogradBytesSchedule &s, const Target &target) : WinogradTiles(p, s.m) {
  constexpr int64_t kInputBytes = 2, kOutputBytes = 4, kPairBytes = 4, kLineBytes = 64; // planes a cache line apart do not meet in one set of the L1
  stride = winogradStride(p);
  constexpr int64_t kStridedPoints = 5, kStridedInputs = 9, kStridedFilter = 6; // the odd inputs have no point at infinity
  edge = stride == 1 ? s.m + 2 : kStridedPoints;
  points = edge * edge;
  inputEdge = stride == 1 ? s.m + 2 : kStridedInputs;
  inputPoints = inputEdge * inputEdge;
  filterEdge = stride == 1 ? s.m + 2 : kStridedFilter;
  filterPoints = filterEdge * filterEdge;
  lanes = target.lanes(32);
  channelLanes = target.lanes(16);
  panelColumns = s.vectors * lanes;
  depth = *p.depth.asConstant() * p.dot;
  pairs = depth / 2;
  paddedDepth = llvm::alignTo(depth, channelLanes);
  columns = *p.columns.asConstant();
  panels = llvm::divideCeil(columns, panelColumns);
  blockColumns = s.panels * panelColumns;
  columnBlocks = llvm::divideCeil(panels, s.panels);
  inputPlane = s.tiles * paddedDepth + kLineBytes / kInputBytes;
  outputPlane = s.tiles * blockColumns + kLineBytes / kOutputBytes;
  filterPlane = pairs * panelColumns + kLineBytes / kPairBytes;
  filterRows = stride == 1 ? 1 : filterEdge;
  outputOffset = llvm::alignTo(inputPoints * inputPlane * kInputBytes, kLineBytes);
  filterOffset = outputOffset + llvm::alignTo(points * outputPlane * kOutputBytes, kLineBytes);
  patchOffset = filterOffset + llvm::alignTo(filterRows * filterEdge * filterPlane * kPairBytes, kLineBytes);
  totalBytes = llvm::alignTo(patchOffset + inputPoints * paddedDepth, kLineBytes);
  blocks = tiles.ceilDiv(s.tiles);
}

int64_t winogradStride(const ContractionProblem &p) {
  if (isWinogradShape(p))
    return 1;
  bool isThreeByThree = isa<nn::ConvOp>(p.anchor) && p.taps == SmallVector<int64_t>{3, 3} && p.groups == 1;
  auto isStrided = [](const LhsAxis &axis) { return axis.tapAxis < 0 || (axis.rowScale == 2 && axis.tapScale == 1); };
  return isThreeByThree && llvm::all_of(p.lhsAxes, isStrided) ? 2 : 0;
}

std::optional<ContractionProblem> winogradBytesProblem(kernel::FuncOp func) {
  std::optional<ContractionProblem> p = ContractionProblem::of(func);
  if (!p || p->dot == 1 || p->woven || !winogradStride(*p) || !p->rhsConstant() || p->columns.isConstant(0))
    return std::nullopt;
  return p;
}

/// The largest sum that some input gives, if it is known.
static std::optional<int64_t> largestSum(const ContractionProblem &p) {
  kernel::UnpackOp unpack = p.unpacked();
  auto argument = dyn_cast<BlockArgument>(unpack ? unpack.getPacked() : p.rhs);
  auto func = p.anchor->getParentOfType<kernel::FuncOp>();
  auto sum = argument ? func.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), "kernel.largest_sum") : IntegerAttr();
  return sum ? std::optional(sum.getInt()) : std::nullopt;
}

bool isExact(const ContractionProblem &p, int64_t m) {
  // An output is at most 2^6 (F(4x4)) or 2^2 (F(2x2), and F(4x4) of stride 2) times its sum, in 32 bits with a sign.
  constexpr int64_t kBits = 31, kMostShift4 = 6, kMostShift2 = 2;
  std::optional<int64_t> largest = largestSum(p);
  return largest && *largest >= 0 && *largest < int64_t(1) << (kBits - (m == 4 && winogradStride(p) == 1 ? kMostShift4 : kMostShift2));
}

std::string validate(const ContractionProblem &p, const WinogradBytesSchedule &s) {
  if (std::string why = validate(p, static_cast<const WinogradSchedule &>(s)); !why.empty())
    return why;
  if (winogradStride(p) == 2 && s.m != 4)
    return "m is 4 where the stride is 2";
  if (!isExact(p, s.m))
    return "sums with this filter may not fit the bits that F(" + std::to_string(s.m) + "x" + std::to_string(s.m) + ") leaves them (kernel.largest_sum)";
  return "";
}

kernel::PackingAttr packingOf(const ContractionProblem &p, const WinogradBytesSchedule &s, const Target &target) {
  WinogradBytesLayout layout(p, s, target);
  return kernel::PackingAttr::get(p.anchor->getContext(), {layout.panels * layout.panelColumns, layout.depth, 3, 3},
                                  {layout.panels, layout.panelColumns, layout.pairs, 2, 3, 3}, {0, 2, 4, 5, 1, 3});
}

} // namespace tenon::cpu
