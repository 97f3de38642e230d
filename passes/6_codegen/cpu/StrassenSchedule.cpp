#include "passes/6_codegen/cpu/StrassenSchedule.h"
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/RegisterTile.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

StrassenSchedule StrassenSchedule::of(kernel::ScheduleAttr attr) {
  StrassenSchedule s;
  s.rows = attr.get("mr", s.rows);
  s.vectors = attr.get("nv", s.vectors);
  s.depthBlock = attr.get("kc", s.depthBlock);
  s.blockTiles = attr.get("mt", s.blockTiles);
  s.rowTasks = attr.get("tm", s.rowTasks);
  s.columnTasks = attr.get("tn", s.columnTasks);
  s.prefetch = attr.get("pf", int64_t(s.prefetch));
  return s;
}

kernel::ScheduleAttr StrassenSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(ctx, "strassen",
                                   {{"mr", rows}, {"nv", vectors}, {"kc", depthBlock}, {"mt", blockTiles}, {"tm", rowTasks}, {"tn", columnTasks}, {"pf", prefetch}});
}

StrassenLayout::StrassenLayout(const ContractionProblem &p, const StrassenSchedule &s, const Target &target) {
  constexpr int64_t kBytes = 4;
  lanes = target.lanes(32);
  panelColumns = s.vectors * lanes;
  unroll = packedUnroll(target);
  depth = *p.depth.asConstant();
  halfDepth = s.depthBlock / 2;
  depthBlocks = depth / s.depthBlock;
  columns = *p.columns.asConstant();
  pairs = columns / (2 * panelColumns);
  rows = *p.rowGroups(false).front().extent.asConstant();
  pairRows = llvm::divideCeil(rows, 2);
  tiles = llvm::divideCeil(pairRows, s.rows);
  blocks = llvm::divideCeil(tiles, s.blockTiles);
  blockRows = std::min(llvm::divideCeilSigned(tiles, blocks) * s.rows, pairRows);
  packedPitch = rowPitch(halfDepth, kBytes);
  panelsOffset = kProducts * blockRows * packedPitch * kBytes;
  productsOffset = panelsOffset + kSums * halfDepth * panelColumns * kBytes;
  partialOffset = productsOffset + kProducts * s.rows * panelColumns * kBytes;
  partialStride = llvm::divideCeilSigned(pairs, s.columnTasks) * 2 * panelColumns;
  totalBytes = llvm::alignTo(partialOffset + (depthBlocks > 1 ? 2 * blockRows * partialStride * kBytes : 0), 64);
}

std::optional<ContractionProblem> strassenProblem(kernel::FuncOp func) {
  std::optional<ContractionProblem> p = ContractionProblem::of(func);
  if (!p || !isa<nn::MatMulOp>(p->anchor) || !p->computeElement().isF32() || !p->rhsConstant())
    return std::nullopt;
  auto weights = cast<RankedTensorType>(p->rhs.getType());
  if (weights.getRank() != 2 || !weights.getElementType().isF32() || !p->depth.isConstant() || !p->columns.isConstant())
    return std::nullopt;
  if (!cast<RankedTensorType>(p->lhs.getType()).getElementType().isF32() || cast<nn::MatMulOp>(p->anchor).getTransposeLhs())
    return std::nullopt;
  SmallVector<RowGroup> groups = p->rowGroups(false);
  if (groups.size() != 1 || groups.front().extent.asConstant().value_or(0) < 2)
    return std::nullopt;
  if (kernel::UnpackOp unpack = p->unpacked(); unpack && unpack.getPacking().getWinograd())
    return std::nullopt;
  return p;
}

std::string validate(const ContractionProblem &p, const StrassenSchedule &s, const Target &target) {
  if (s.rows < 1 || s.vectors < 1 || s.rows * s.vectors > 64)
    return "a register tile has 1 to 64 vectors: mr * nv";
  if (s.blockTiles < 1 || s.blockTiles > (1 << 20) || s.rowTasks < 1 || s.columnTasks < 1)
    return "mt, tm and tn are at least 1";
  if (s.depthBlock < 1 || s.depthBlock % (2 * StrassenLayout::kStep) || *p.depth.asConstant() % s.depthBlock)
    return "kc is a multiple of 16 that divides the depth";
  if (*p.columns.asConstant() % (2 * s.vectors * target.lanes(32)))
    return "two panels of nv vectors divide the columns";
  constexpr int64_t kMostWorkspace = int64_t(1) << 30;
  if (StrassenLayout(p, s, target).totalBytes > kMostWorkspace)
    return "the workspace of a task would exceed 1 GiB";
  return "";
}

kernel::PackingAttr packingOf(const ContractionProblem &p, const StrassenSchedule &s, const Target &target) {
  StrassenLayout layout(p, s, target);
  MLIRContext *ctx = p.anchor->getContext();
  int64_t half = layout.halfDepth, width = layout.panelColumns;
  if (p.rhsColumn == 1)
    return kernel::PackingAttr::get(ctx, {layout.depth, layout.columns}, {layout.depthBlocks, 2, half, layout.pairs, 2, width}, {0, 3, 1, 4, 2, 5});
  return kernel::PackingAttr::get(ctx, {layout.columns, layout.depth}, {layout.pairs, 2, width, layout.depthBlocks, 2, half}, {3, 0, 4, 1, 5, 2});
}

} // namespace tenon::cpu
