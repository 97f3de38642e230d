#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/TileRegisters.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

static StringRef nameOf(LhsMode mode) {
  return mode == LhsMode::InPlace ? "in_place" : mode == LhsMode::Packed ? "packed" : "band";
}

ContractionSchedule ContractionSchedule::of(kernel::ScheduleAttr attr) {
  ContractionSchedule s;
  s.rows = attr.get("mr", s.rows);
  s.vectors = attr.get("nv", s.vectors);
  s.unroll = attr.get("ku", s.unroll);
  s.depthBlock = attr.get("kc", s.depthBlock);
  s.blockTiles = attr.get("mt", s.blockTiles);
  s.rowsOuter = attr.get("order", StringRef("ji")) == "ij";
  StringRef mode = attr.get("a", StringRef("in_place"));
  s.lhs = mode == "packed" ? LhsMode::Packed : mode == "band" ? LhsMode::Band : LhsMode::InPlace;
  s.prefetch = attr.get("pf", int64_t(s.prefetch));
  s.rowTasks = attr.get("tm", s.rowTasks);
  s.columnTasks = attr.get("tn", s.columnTasks);
  s.boxHeight = attr.get("bh", s.boxHeight);
  s.boxWidth = attr.get("bw", s.boxWidth);
  s.flat = attr.get("flat", int64_t(s.flat));
  s.amx = attr.get("amx", int64_t(s.amx));
  s.panels = attr.get("np", s.panels);
  s.lines = attr.get("ln", s.lines);
  return s;
}

kernel::ScheduleAttr ContractionSchedule::attr(MLIRContext *ctx) const {
  Builder builder(ctx);
  NamedAttrList list;
  auto number = [&](StringRef name, int64_t value, int64_t absent) {
    if (value != absent)
      list.append(name, builder.getI64IntegerAttr(value));
  };
  constexpr int64_t kAlways = INT64_MIN;
  number("mr", rows, kAlways);
  number("nv", vectors, kAlways);
  number("ku", unroll, kAlways);
  number("kc", depthBlock, 0);
  number("mt", blockTiles, 0);
  list.append("order", builder.getStringAttr(rowsOuter ? "ij" : "ji"));
  list.append("a", builder.getStringAttr(nameOf(lhs)));
  number("pf", prefetch, kAlways);
  number("tm", rowTasks, kAlways);
  number("tn", columnTasks, kAlways);
  number("bh", boxHeight, -1);
  number("bw", boxWidth, 0);
  number("flat", flat, 0);
  number("amx", amx, 0);
  number("np", panels, 1);
  number("ln", lines, 1);
  return kernel::ScheduleAttr::get(ctx, builder.getStringAttr("contraction"), list.getDictionary(ctx));
}

/// The widest panel of at most `widest` columns that no group's border cuts.
static int64_t panelWidth(const ContractionProblem &p, int64_t widest) {
  if (p.groups == 1)
    return widest;
  int64_t columns = *p.groupColumns();
  int64_t width = std::min(widest, columns);
  while (columns % width)
    --width;
  return width;
}

static int64_t channelCount(const ContractionProblem &p) { return nn::dimOf(p.lhs.getType(), p.lhsChannel).asConstant().value_or(0); }

/// Elements from one pixel of a band to the next. The rows of a tile are neighbours: at distances of 2 KiB their lines would meet in two
/// sets of the L1, so that they lie a line further apart.
static int64_t bandPitch(const ContractionProblem &p, int64_t bytes) {
  constexpr int64_t kMeeting = 2048, kLineBytes = 64;
  int64_t channels = p.lhsChannels().asConstant().value_or(0);
  bool meet = channels && channels * p.lhsAxes[p.lhsChannel - 1].rowScale * bytes % kMeeting == 0;
  return meet ? channels + kLineBytes / bytes : channels;
}

int64_t rowPitch(int64_t depth, int64_t elementBytes) {
  constexpr int64_t kMeeting = 1024, kLineBytes = 64;
  int64_t bytes = llvm::alignTo(depth * elementBytes, kLineBytes);
  return (bytes % kMeeting ? bytes : bytes + kLineBytes) / elementBytes;
}

/// The same for rows of pairs, of which single elements are read: whole lines are not needed, and rows without gaps are copied as one.
static int64_t pairPitch(int64_t depth) {
  constexpr int64_t kMeeting = 1024, kPairBytes = 4, kLine = 16;
  return depth * kPairBytes % kMeeting ? depth : depth + kLine;
}

/// The largest extent of a box along one axis; none if it is not bounded.
static std::optional<int64_t> boxBound(int64_t chosen, nn::Dim extent) {
  return chosen > 0 ? chosen : extent.asConstant();
}

ContractionLayout::ContractionLayout(const ContractionProblem &p, const ContractionSchedule &s, const Target &target) {
  MLIRContext *ctx = p.anchor->getContext();
  Type element = p.computeElement();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  lanes = target.lanes(element.getIntOrFloatBitWidth());
  panelColumns = panelWidth(p, s.vectors * lanes);
  depth = p.depth.asConstant();
  if (auto columns = p.columns.asConstant())
    panels = llvm::divideCeil(*columns, panelColumns);

  if (s.boxed()) {
    for (int axis = 0; axis < p.rowAxes(); ++axis)
      groups.push_back({axis, axis, axis, p.extents[axis]});
  } else {
    groups = p.rowGroups(s.lhs == LhsMode::InPlace);
  }
  auto cut = [&](int64_t chosen, nn::Dim extent) { return chosen > 0 ? extent.ceilDiv(chosen) : nn::Dim::constant(ctx, 1); };
  blocks = s.boxed() ? cut(s.boxWidth, groups.back().extent) * cut(s.boxHeight, groups[groups.size() - 2].extent)
                     : cut(s.blockTiles, groups.back().extent.ceilDiv(s.rows)); // runs of whole tiles
  for (size_t g = 0; g + (s.boxed() ? 2 : 1) < groups.size(); ++g)
    blocks = blocks * groups[g].extent;

  int64_t blockRows = 0;
  if (!s.boxed() && s.blockTiles)
    blockRows = s.blockTiles * s.rows;
  else if (!s.boxed())
    blockRows = llvm::alignTo(groups.back().extent.asConstant().value_or(0), s.rows);
  else
    blockRows = boxBound(s.boxHeight, groups[groups.size() - 2].extent).value_or(0) * boxBound(s.boxWidth, groups.back().extent).value_or(0);

  int64_t packedDepth = s.depthBlock ? s.depthBlock : depth.value_or(0);
  packedPitch = p.widens() ? pairPitch(packedDepth) : rowPitch(packedDepth, bytes);
  if (s.lhs == LhsMode::Packed)
    lhsBytes = blockRows * packedPitch * bytes;
  if (s.lhs == LhsMode::Band && s.boxed()) {
    lhsBytes = bytes;
    for (auto [axis, info] : llvm::enumerate(p.lhsAxes)) {
      int64_t count = 1;
      if (static_cast<int>(axis) == p.lhsChannel)
        count = bandPitch(p, bytes);
      else if (info.rowAxis == p.rowAxes() - 1)
        count = boxBound(s.boxWidth, groups.back().extent).value_or(0);
      else if (info.rowAxis == p.rowAxes() - 2)
        count = boxBound(s.boxHeight, groups[groups.size() - 2].extent).value_or(0);
      int64_t step = info.tapScale;
      if (p.joined && static_cast<int>(axis) >= p.lhsChannel - 1) { // pairs of pixels, whose channels are as many pairs
        count = static_cast<int>(axis) == p.lhsChannel ? channelCount(p) : count > 0 ? llvm::divideCeil((count - 1) * info.rowScale + p.joined, 2) : 0;
        step = 1;
      } else if (static_cast<int>(axis) != p.lhsChannel && count > 0) {
        int64_t part = (count - 1) * info.rowScale + 1; // what one tap reads
        step = std::min(step, part);
        count = part + (info.tapAxis < 0 ? 0 : (p.taps[info.tapAxis] - 1) * step);
      }
      bandSizes.push_back(count);
      bandTaps.push_back(step);
      lhsBytes *= count;
    }
  }
  rhsStaged = !p.rhsConstant() && !p.rhsReadable() && depth;
  rhsOffset = llvm::alignTo(lhsBytes, 64);
  if (rhsStaged)
    rhsBytes = *depth * p.tapCount() * panelColumns * bytes + s.vectors * lanes * bytes;
  if (p.split)
    rhsBytes = SplitPanel::bytes(*depth * p.tapCount(), lanes, s.panels);
  // For many tiles it is less to widen a panel once than as each tile loads it.
  constexpr int64_t kManyTiles = 8;
  rhsWidened = p.joined || (p.widens() && !s.rowsOuter && depth && groups.back().extent.isConstant() && blockRows >= kManyTiles * s.rows);
  if (rhsWidened)
    rhsBytes = *depth * p.tapCount() * panelColumns * bytes;
  partialOffset = llvm::alignTo(rhsOffset + rhsBytes, 64);
  if (s.depthBlock && panels) {
    partialStride = llvm::divideCeil(*panels, s.columnTasks) * llvm::alignTo(panelColumns, lanes);
    partialBytes = blockRows * partialStride * bytes;
  }
  totalBytes = partialBytes ? partialOffset + partialBytes : rhsBytes ? rhsOffset + rhsBytes : lhsBytes;
  totalBytes = llvm::alignTo(totalBytes, 64);
  sumsOffset = totalBytes;
  if (s.amx || s.panels > 1)
    totalBytes += s.rows * s.panels * s.vectors * lanes * bytes;
}

/// Why tiles of this problem cannot be multiplied in tile registers, or an empty string.
static std::string validateAmx(const ContractionProblem &p, const ContractionSchedule &s, const ContractionLayout &layout, const Target &target) {
  int64_t rowTiles = s.lines > 1 ? s.lines : llvm::divideCeil(s.rows, TileProduct::kRows);
  if (!multipliesTiles(p, target) || s.flat || s.depthBlock || s.lhs == LhsMode::Packed)
    return "amx is for bytes, pairs of bf16 and targets with tile registers for them, without flat, kc and a = packed";
  if (s.rows % rowTiles || s.rows / rowTiles > TileProduct::kRows || rowTiles * s.vectors > TileProduct::kMostSums)
    return "amx takes up to four tiles of up to 16 rows (mr) and 16 columns (nv)";
  std::optional<int64_t> line = layout.groups.back().extent.asConstant();
  if (!line || *line < s.rows / s.lines || (s.boxed() && s.boxWidth) || !layout.depth)
    return "amx needs whole lines of a known length, of mr rows at least";
  std::optional<int64_t> height = s.boxed() ? layout.groups[layout.groups.size() - 2].extent.asConstant() : std::nullopt;
  if (s.lines > 1 && (!height || *height < s.lines || (s.boxHeight > 0 && (*height % s.boxHeight || s.boxHeight < s.lines))))
    return "ln is for boxes (bh) of equal heights, of that many lines at least";
  if (llvm::any_of(p.lhsAxes, [&](const LhsAxis &axis) { return p.skipsTaps(axis); }))
    return "amx leaves out no taps";
  return "";
}

std::string validate(const ContractionProblem &p, const ContractionSchedule &s, const Target &target) {
  constexpr int64_t kMostAccumulators = 64;
  if (s.rows < 1 || s.vectors < 1 || s.rows * s.vectors > kMostAccumulators)
    return "a register tile has 1 to 64 vectors: mr * nv";
  if (s.lines < 1 || (s.lines > 1 && !s.amx))
    return "ln is at least 1, and for amx";
  if (s.unroll < 1 || s.unroll > 64 || s.rowTasks < 1 || s.columnTasks < 1 || s.blockTiles < 0)
    return "ku, tm and tn are at least 1, mt at least 0";
  ContractionLayout layout(p, s, target);
  if (s.boxed() && (p.rowAxes() < 2 || llvm::any_of(p.rhsRows, [](int axis) { return axis >= 0; })))
    return "boxes (bh) need a convolution";
  if (s.lhs == LhsMode::InPlace && !p.lhsReadable())
    return "a = in_place needs an input without padding that is an argument in the computation type";
  if (s.lhs == LhsMode::Band && (!s.boxed() || llvm::is_contained(layout.bandSizes, 0)))
    return "a = band needs boxes (bh, bw) of known size and a known number of channels";
  if (s.lhs == LhsMode::Packed) {
    if (p.dot > 1 && !p.widens())
      return "a = packed is for operands that are neither bytes nor pairs of bf16, or where bytes are widened";
    if (s.boxed() || p.padded || p.tapCount() != 1 || p.groups != 1 || !layout.depth)
      return "a = packed needs a product without taps, groups and padding, and a known depth";
    if (layout.lhsBytes == 0 && !layout.blocks.isConstant(0))
      return "a = packed needs blocks of known size (mt)";
  }
  if (p.joined && s.rowsOuter)
    return "filters on few channels are widened panel by panel (order = ji)";
  if (s.depthBlock && p.dot > 1)
    return "kc is not for bytes and pairs of bf16, whose panels hold all k";
  if (s.depthBlock) {
    if (!layout.depth || s.depthBlock < 1 || *layout.depth % s.depthBlock || p.tapCount() != 1 || p.groups != 1)
      return "kc divides the depth of a product without taps and groups";
    if (!layout.panels || layout.partialBytes == 0)
      return "kc needs a known number of columns and blocks of known size (mt)";
  }
  if (p.split && (s.rowsOuter || s.depthBlock || s.lhs == LhsMode::Packed || !splitFitsRegisters(target, s.rows, s.vectors)))
    return "products of bytes whose weights are split take panels of one vector (nv = 1, order = ji), without a = packed and kc";
  if (s.panels < 1 || (s.panels > 1 && (!p.split || !layout.panels || *layout.panels % s.panels || !p.columns.dividedExactlyBy(nn::Dim::constant(p.anchor->getContext(), layout.panelColumns)))))
    return "np divides the number of panels of products whose weights are split, each of whole vectors";
  if (s.amx)
    if (std::string why = validateAmx(p, s, layout, target); !why.empty())
      return why;
  constexpr int64_t kMostWorkspace = int64_t(1) << 30;
  if (layout.totalBytes > kMostWorkspace)
    return "the workspace of a task would exceed 1 GiB";
  return "";
}

kernel::PackingAttr packingOf(const ContractionProblem &p, const ContractionSchedule &s, const Target &target) {
  auto type = cast<RankedTensorType>(p.rhs.getType());
  bool whole = p.rhsArgument() || p.unpacked();
  if (!whole || !type.hasStaticShape() || (p.taps.empty() && type.getRank() != 2))
    return {};
  ContractionLayout layout(p, s, target);
  int64_t depth = *layout.depth, block = s.depthBlock ? s.depthBlock : depth, width = layout.panelColumns;
  int64_t panels = *layout.panels, padded = panels * width;
  MLIRContext *ctx = p.anchor->getContext();
  if (p.dot > 1)
    return dotPacking(p, panels, width);
  if (p.taps.empty()) {
    if (p.rhsColumn == 1)
      return kernel::PackingAttr::get(ctx, {depth, padded}, {depth / block, block, panels, width}, {0, 2, 1, 3});
    return kernel::PackingAttr::get(ctx, {padded, depth}, {panels, width, depth / block, block}, {2, 0, 3, 1});
  }
  SmallVector<int64_t> shape{padded, depth}, split{panels, width, depth / block, block}, order{2, 0};
  for (auto [tap, size] : llvm::enumerate(p.taps)) {
    shape.push_back(size);
    split.push_back(size);
    order.push_back(4 + tap);
  }
  order.append({3, 1});
  return kernel::PackingAttr::get(ctx, shape, split, order);
}

} // namespace tenon::cpu
