#include "passes/6_codegen/cpu/WinogradSchedule.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

WinogradSchedule WinogradSchedule::of(kernel::ScheduleAttr attr) {
  WinogradSchedule s;
  s.m = attr.get("m", s.m);
  s.rows = attr.get("mr", s.rows);
  s.vectors = attr.get("nv", s.vectors);
  s.unroll = attr.get("ku", s.unroll);
  s.tiles = attr.get("tb", s.tiles);
  s.panels = attr.get("pb", s.panels);
  s.tileTasks = attr.get("tm", s.tileTasks);
  s.columnTasks = attr.get("tn", s.columnTasks);
  s.prefetch = attr.get("pf", int64_t(s.prefetch));
  return s;
}

kernel::ScheduleAttr WinogradSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(ctx, "winograd",
                                   {{"m", m}, {"mr", rows}, {"nv", vectors}, {"ku", unroll}, {"tb", tiles}, {"pb", panels},
                                    {"tm", tileTasks}, {"tn", columnTasks}, {"pf", prefetch}});
}

WinogradTiles::WinogradTiles(const ContractionProblem &p, int64_t m) : dilationDown(p.lhsAxes[1].tapScale), dilationAcross(p.lhsAxes[2].tapScale) {
  auto phases = [&](int axis, int64_t dilation) { return p.extents[axis].min(nn::Dim::constant(p.anchor->getContext(), dilation)); };
  runDown = p.extents[1].ceilDiv(dilationDown).ceilDiv(m);
  runAcross = p.extents[2].ceilDiv(dilationAcross).ceilDiv(m);
  tilesDown = dilationDown == 1 ? runDown : phases(1, dilationDown) * runDown;
  tilesAcross = dilationAcross == 1 ? runAcross : phases(2, dilationAcross) * runAcross;
  tiles = p.extents[0] * tilesDown * tilesAcross;
}

WinogradLayout::WinogradLayout(const ContractionProblem &p, const WinogradSchedule &s, const Target &target) : WinogradTiles(p, s.m) {
  constexpr int64_t kBytes = 4, kLine = 16; // planes a cache line apart do not meet in one set of the L1
  edge = s.m + 2;
  points = edge * edge;
  lanes = target.lanes(32);
  panelColumns = s.vectors * lanes;
  depth = *p.depth.asConstant();
  paddedDepth = llvm::alignTo(depth, lanes);
  columns = *p.columns.asConstant();
  panels = llvm::divideCeil(columns, panelColumns);
  blockColumns = s.panels * panelColumns;
  columnBlocks = llvm::divideCeil(panels, s.panels);
  inputPlane = s.tiles * paddedDepth + kLine;
  outputPlane = s.tiles * blockColumns + kLine;
  outputOffset = llvm::alignTo(points * inputPlane * kBytes, 64);
  patchOffset = outputOffset + llvm::alignTo(points * outputPlane * kBytes, 64);
  totalBytes = llvm::alignTo(patchOffset + points * paddedDepth * kBytes, 64);
  blocks = tiles.ceilDiv(s.tiles);
}

bool isWinogradShape(const ContractionProblem &p) {
  return isa<nn::ConvOp>(p.anchor) && p.taps == SmallVector<int64_t>{3, 3} && p.groups == 1 &&
         llvm::all_of(p.lhsAxes, [](const LhsAxis &axis) { return axis.tapAxis < 0 || axis.rowScale == 1; });
}

std::optional<ContractionProblem> winogradProblem(kernel::FuncOp func) {
  std::optional<ContractionProblem> p = ContractionProblem::of(func);
  if (!p || !isWinogradShape(*p))
    return std::nullopt;
  auto filter = cast<RankedTensorType>(p->rhs.getType());
  if (!p->computeElement().isF32() || !filter.getElementType().isF32() || !p->rhsConstant() || p->depth.isConstant(0) || p->columns.isConstant(0))
    return std::nullopt;
  if (kernel::UnpackOp unpack = p->unpacked(); unpack && !unpack.getPacking().getWinograd())
    return std::nullopt;
  return p;
}

std::string validate(const ContractionProblem &p, const WinogradSchedule &s) {
  if (s.m != 2 && s.m != 4)
    return "m is 2 or 4";
  if (s.rows < 1 || s.vectors < 1 || s.rows * s.vectors > 64)
    return "a register tile has 1 to 64 vectors: mr * nv";
  if (s.unroll < 1 || s.unroll > 64 || s.tiles < 1 || s.tiles > 4096 || s.panels < 1 || s.panels > 4096 || s.tileTasks < 1 || s.columnTasks < 1)
    return "ku is 1 to 64, tb and pb 1 to 4096, tm and tn at least 1";
  return "";
}

kernel::PackingAttr packingOf(const ContractionProblem &p, const WinogradSchedule &s, const Target &target) {
  WinogradLayout layout(p, s, target);
  int64_t padded = layout.columnBlocks * layout.blockColumns;
  return kernel::PackingAttr::get(p.anchor->getContext(), {padded, layout.depth, layout.edge, layout.edge},
                                  {layout.columnBlocks, s.panels, layout.panelColumns, layout.depth, layout.edge, layout.edge},
                                  {0, 4, 5, 1, 3, 2}, s.m);
}

} // namespace tenon::cpu
