// Which blocks attention on matrix units takes.
#include "passes/6_codegen/gpu/AttentionTile.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kRows = AttentionTile::kRows;

bool isOnMatrixUnits(const cpu::AttentionProblem &p, const Target &target) {
  constexpr int kFirstWithHalves = 75;
  constexpr int64_t kLeast = 8, kMost = 256;
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  nn::AttentionOp op = p.op;
  Type element = elementOf(op.getQuery());
  auto fits = [](int64_t size) { return size >= kLeast && size <= kMost; };
  int first = isa<Float16Type>(element) ? kFirstWithHalves : kFirstWithAsyncCopies;
  if (target.computeCapability < first || !isa<Float16Type, BFloat16Type, Float32Type>(element) || !fits(p.depth) || !fits(p.width))
    return false;
  Value operands[] = {op.getQuery(), op.getKey(), op.getValue()};
  return llvm::all_of(operands, [&](Value operand) {
    kernel::View view = kernel::viewOf(operand);
    return elementOf(operand) == element && (view.strides.empty() || view.strides.back().isConstant(1));
  });
}

bool isFull(const cpu::AttentionProblem &p) {
  nn::AttentionOp op = p.op;
  return getElementTypeOrSelf(op.getQuery().getType()).isF32();
}

/// Of f32, which takes twice the registers, fewer, and the fewer the wider heads are.
int64_t keysOfStep(int64_t columns, bool isFull) {
  constexpr int64_t kMost = 32, kNarrow = 128;
  int64_t most = isFull ? kMost / 2 : kMost;
  return columns <= (isFull ? kNarrow : 2 * kNarrow) ? most : most / 2;
}

/// Few keys, in shared memory: of halves, a step for each warp.
std::optional<AttentionTile> sharesTile(const cpu::AttentionProblem &p, const AttentionTile &from, const Target &target) {
  constexpr int64_t kMostWarps = 8;
  auto keys = p.keys.asConstant();
  AttentionTile tile = from;
  tile.slots = 1;
  tile.setColumns(p);
  if (target.computeCapability < kFirstWithAsyncCopies || !keys || *keys <= tile.keys || *keys > kMostWarps * tile.keys || isFull(p))
    return std::nullopt;
  tile.warps = llvm::divideCeil(*keys, tile.keys);
  return tile.sharedBytes() <= sharedLimit(target) ? std::optional(tile) : std::nullopt;
}

/// Rows of their own for each warp, keys and values in shared memory.
SmallVector<AttentionTile> stagedTiles(const cpu::AttentionProblem &p, int64_t tiles, const Target &target, ArrayRef<int64_t> rowWarps = {8, 4}) {
  constexpr int64_t kMostSlots = 4;
  SmallVector<AttentionTile> result;
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  nn::AttentionOp op = p.op;
  auto keys = p.keys.asConstant();
  if (target.computeCapability < kFirstWithAsyncCopies || !keys || *keys < 1 || isFull(p) || elementOf(op.getResult()) != elementOf(op.getQuery()))
    return result;
  for (int64_t most : rowWarps) {
    AttentionTile tile;
    tile.warps = 1;
    tile.rowWarps = llvm::divideCeil(tiles, llvm::divideCeil(tiles, most));
    tile.slots = 1;
    tile.setColumns(p);
    int64_t blocks = llvm::divideCeil(*keys, tile.blockKeys()), fitting = std::min(kMostSlots, sharedLimit(target) / tile.slotBytes());
    tile.slots = std::min(blocks, fitting);
    bool isKnown = llvm::any_of(result, [&](const AttentionTile &other) { return other.rowWarps == tile.rowWarps; });
    if (!isKnown && tile.sharedBytes() <= sharedLimit(target))
      result.push_back(tile);
  }
  return result;
}
/// For a tuner the same rows with other numbers of warps, none of which would be without keys.
SmallVector<AttentionTile> withOtherWarps(const AttentionTile &best, int64_t keys, const Target &target) {
  SmallVector<AttentionTile> result{best};
  for (AttentionTile tile = best; int64_t warps : {1, 2, 4, 8}) {
    tile.warps = warps;
    if (warps != best.warps && (warps - 1) * tile.keys < keys && tile.sharedBytes() <= sharedLimit(target))
      result.push_back(tile);
  }
  return result;
}
} // namespace

SmallVector<AttentionTile> attentionTiles(const cpu::AttentionProblem &p, const Target &target) {
  if (!isOnMatrixUnits(p, target))
    return {};
  AttentionTile tile;
  tile.setColumns(p);
  // So few keys are one step of each warp: their loads are all on their way at once. In f32, whose steps are short, few steps.
  constexpr int64_t kMostTogether = 8;
  int64_t known = p.keys.asConstant().value_or(tile.warps * tile.keys);
  if (known > tile.warps * tile.keys && (isFull(p) || known <= kMostTogether * tile.keys))
    tile.warps = kMostTogether;
  while (tile.warps > 1 && (known <= (tile.warps / 2) * tile.keys || tile.sharedBytes() > sharedLimit(target)))
    tile.warps /= 2;
  // With so many rows every multiprocessor is busy without sharing.
  constexpr int64_t kMostRowWarps = 8, kBusyWarps = 8;
  int64_t tiles = p.rows.ceilDiv(kRows).asConstant().value_or(1), all = (p.batch * p.heads).asConstant().value_or(1) * tiles;
  if (tiles == 1 || all < target.cores * kBusyWarps) {
    SmallVector<AttentionTile> few = withOtherWarps(tile, known, target);
    if (std::optional<AttentionTile> shares = sharesTile(p, tile, target))
      few.insert(few.begin(), *shares);
    else if (tiles > 1) {
      // Where each multiprocessor has a block of four, keys in shared memory for all of them take half to nine tenths of the time (72 to 160
      // columns).
      constexpr int64_t kWarpsOfBlock = 4;
      SmallVector<AttentionTile> staged = stagedTiles(p, tiles, target, {kWarpsOfBlock, 8, 2});
      few.insert(all >= target.cores * kWarpsOfBlock ? few.begin() : few.end(), staged.begin(), staged.end());
    }
    return few;
  }
  SmallVector<AttentionTile> result = stagedTiles(p, tiles, target);
  tile.warps = 1;
  int64_t fitting = std::min(kMostRowWarps, sharedLimit(target) / tile.groupBytes());
  tile.rowWarps = llvm::divideCeil(tiles, llvm::divideCeil(tiles, fitting));
  result.push_back(tile);
  return result;
}

std::optional<AttentionTile> AttentionTile::of(kernel::ScheduleAttr schedule, const cpu::AttentionProblem &problem) {
  AttentionTile tile{schedule.get("warps", 0), schedule.get("row_warps", 1), schedule.get("slots", 0)};
  tile.setColumns(problem);
  return tile.warps ? std::optional(tile) : std::nullopt;
}

void AttentionTile::setColumns(const cpu::AttentionProblem &p) {
  // From memory to registers: the values of a step and their sums. Staged, only sums are in registers all the time.
  constexpr int64_t kStep = 32, kMostOfPass = 128;
  passes = slots ? 1 : llvm::divideCeil(p.width, kMostOfPass);
  depth = llvm::alignTo(p.depth, kStep);
  width = llvm::alignTo(llvm::divideCeil(p.width, passes), kStep);
  keys = keysOfStep(depth + width, isFull(p));
}

kernel::ScheduleAttr AttentionTile::attr(MLIRContext *context) const {
  return kernel::ScheduleAttr::get(context, "gpu.attention", {{"warps", warps}, {"row_warps", rowWarps}, {"slots", slots}});
}

int64_t AttentionTile::together() const {
  // Sixteen warps leave 128 registers to a thread, eight 255: a warp keeps its queries and its sums there.
  constexpr int64_t kNarrow = 128, kWarps = 16, kSharedOfMultiprocessor = 220 << 10;
  if (!slots || isOfShares())
    return 1;
  int64_t most = depth + width <= kNarrow ? kWarps : kWarps / 2;
  return std::max<int64_t>(1, std::min(most / rowWarps, kSharedOfMultiprocessor / sharedBytes()));
}

} // namespace tenon::gpu
