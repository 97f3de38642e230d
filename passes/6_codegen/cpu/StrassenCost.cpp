// Chooses schedules of Strassen products: a model of multiply-adds, of the sums around them and of streamed weights.
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/RegisterTile.h"
#include "passes/6_codegen/cpu/StrassenSchedule.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Errors above this part of the output's range fall back to the plain product.
constexpr double kMostError = 1e-4;
/// Rounding errors are a little larger, which has to be worth it.
constexpr double kWorth = 0.97;
/// With fewer rows the sums take what is saved. Tiles of 16 registers and their smaller caches lose at 197 rows what those of 32 win there.
int64_t leastRows(const Target &target) { return target.vectorRegisters >= 32 ? 96 : 384; }

class StrassenChooser {
public:
  StrassenChooser(const ContractionProblem &p, const Target &target) : p(p), target(target) {}

  void list(SmallVectorImpl<StrassenSchedule> &out) const {
    SmallVector<Choice> choices;
    constexpr int64_t kMostRows = 14, kMostVectors = 8;
    for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
      for (int64_t rows = 2; rows <= kMostRows; ++rows)
        for (bool splitColumns : {false, true})
          if (fitsRegisters(target, rows, vectors) && (target.cores > 1 || !splitColumns))
            for (int64_t depthBlock : depthBlocks(vectors))
              if (std::optional<Choice> choice = fill(rows, vectors, depthBlock, splitColumns))
                choices.push_back(*choice);
    double plain = contractionCycles(p, target);
    llvm::erase_if(choices, [&](const Choice &choice) { return choice.inCache > kWorth * plain; });
    llvm::stable_sort(choices, [](const Choice &x, const Choice &y) {
      return std::tuple(x.cycles, -x.schedule.vectors) < std::tuple(y.cycles, -y.schedule.vectors);
    });
    constexpr size_t kTilesToTry = 3;
    for (const Choice &choice : ArrayRef(choices).take_front(kTilesToTry))
      out.push_back(choice.schedule);
    for (const Choice &choice : ArrayRef(choices).take_front(kTilesToTry))
      for (const StrassenSchedule &s : variants(choice.schedule))
        if (validate(p, s, target).empty())
          out.push_back(s);
  }

private:
  struct Choice {
    StrassenSchedule schedule;
    double cycles;  // on one core
    double inCache; // without what the second-level cache costs, as the plain product's are counted
  };

  /// Blocks and shares around a register tile; none where it does not divide the columns. Shares of columns pack the rows once each, shares of
  /// rows sum the weights once each.
  std::optional<Choice> fill(int64_t rows, int64_t vectors, int64_t depthBlock, bool splitColumns) const {
    StrassenSchedule s;
    s.rows = rows;
    s.vectors = vectors;
    s.depthBlock = depthBlock;
    if (!validate(p, s, target).empty())
      return std::nullopt;
    StrassenLayout layout(p, s, target);
    // The packed rows of a block stay in the L2 while the panels pass by.
    int64_t tileBytes = StrassenLayout::kProducts * rows * layout.halfDepth * 4;
    int64_t most = std::max<int64_t>(1, target.l2Bytes * 5 / 8 / tileBytes), blocks = llvm::divideCeil(layout.tiles, most);
    int64_t cores = std::max(target.cores, 1);
    if (splitColumns) {
      s.columnTasks = std::min(cores, layout.pairs);
    } else {
      blocks = llvm::alignTo(blocks, cores);
      s.rowTasks = cores;
    }
    s.blockTiles = llvm::divideCeil(layout.tiles, std::min(blocks, layout.tiles));
    return cost(s);
  }

  /// The largest parts of the depth whose quarters and sums of a pair of panels take at most a fifth of the L2.
  SmallVector<int64_t> depthBlocks(int64_t vectors) const {
    constexpr int64_t kPanels = StrassenLayout::kQuarters + StrassenLayout::kSums;
    int64_t depth = *p.depth.asConstant(), most = target.l2Bytes / 5 / (kPanels * vectors * target.lanes(32) * 4) * 2;
    constexpr int64_t kStep = 2 * StrassenLayout::kStep, kLeast = 128;
    constexpr size_t kMostBlocks = 3;
    SmallVector<int64_t> blocks;
    for (int64_t block = std::min(depth, most) / kStep * kStep; block >= kLeast && blocks.size() < kMostBlocks; block -= kStep)
      if (depth % block == 0)
        blocks.push_back(block);
    return blocks;
  }

  Choice cost(const StrassenSchedule &s) const {
    StrassenLayout layout(p, s, target);
    // Cycles for eight k of a pair of rows, of both halves; for a vector of a sum of weights, made between the multiply-adds of a first tile; and for
    // a vector of results that goes through the L2, or through what is behind it, once more.
    constexpr double kPackCycles = 16, kSumCycles = 0.5, kPartialCycles = 4, kFarPartialCycles = 24;
    constexpr int64_t kPacked = 8;
    double products = double(StrassenLayout::kProducts) * layout.pairs * layout.depthBlocks * balancedTileCycles(layout.pairRows, s.rows, s.vectors, layout.halfDepth);
    double packing = double(layout.pairRows) * layout.depth / 2 / kPacked * kPackCycles * s.columnTasks;
    double sums = double(layout.depth) * layout.columns / layout.lanes * kSumCycles * layout.blocks;
    // What every pair of panels reads again: the packed rows of the block; the panels, their sums and the next panels pass by.
    double panels = double(2 * StrassenLayout::kQuarters + StrassenLayout::kSums) * layout.halfDepth * layout.panelColumns * 4;
    double resident = panels + double(StrassenLayout::kProducts) * layout.blockRows * layout.packedPitch * 4, l2 = target.l2Bytes;
    double partialBytes = 2.0 * layout.blockRows * layout.partialStride * 4;
    double farShare = std::clamp((resident + partialBytes) / l2 - 0.75, 0.0, 1.0);
    double partialCycles = kPartialCycles + farShare * (kFarPartialCycles - kPartialCycles);
    double partials = double(layout.rows) * layout.columns / layout.lanes * (layout.depthBlocks - 1);
    // Pages lie in the cache where chance puts them, and some of what fits misses: half of the cache is safe.
    constexpr double kFarBytesPerCycle = 48;
    double missed = std::max(0.0, resident - l2 / 2) / kFarBytesPerCycle * layout.pairs * layout.depthBlocks * layout.blocks;
    double weights = double(layout.depth) * layout.columns * 4;
    // Prefetches hide what weights arrive with, but take their share of the second-level cache.
    constexpr double kPassingBytesPerCycle = 16;
    double passing = weights * layout.blocks / kPassingBytesPerCycle;
    double inCache = products + packing + sums + partials * kPartialCycles, arrival = weights * layout.blocks / kColdBytesPerCycle;
    return {s, std::max(products + packing + sums + partials * partialCycles + missed + passing, arrival), std::max(inCache, arrival)};
  }

  /// What else a tuner may try around a guess.
  SmallVector<StrassenSchedule> variants(const StrassenSchedule &best) const {
    SmallVector<StrassenSchedule> all;
    auto with = [&](auto change) {
      StrassenSchedule s = best;
      change(s);
      all.push_back(s);
    };
    with([](auto &s) { s.blockTiles = std::max<int64_t>(1, s.blockTiles / 2); });
    with([](auto &s) { s.blockTiles *= 2; });
    with([](auto &s) { std::swap(s.rowTasks, s.columnTasks); });
    for (int64_t depth : {256, 384, 512, 768, 1024})
      with([&](auto &s) { s.depthBlock = depth; });
    return all;
  }

  const ContractionProblem &p;
  const Target &target;
};

/// The bound that the actual weights gave; none where they are not known.
FloatAttr errorOf(const ContractionProblem &p) {
  kernel::UnpackOp unpack = p.unpacked();
  auto argument = dyn_cast<BlockArgument>(unpack ? unpack.getPacked() : p.rhs);
  auto func = p.anchor->getParentOfType<kernel::FuncOp>();
  return argument ? func.getArgAttrOfType<FloatAttr>(argument.getArgNumber(), "kernel.strassen_error") : FloatAttr();
}
} // namespace

void listSchedules(const ContractionProblem &p, const Target &target, SmallVectorImpl<StrassenSchedule> &out) {
  FloatAttr error = errorOf(p);
  if (!error || !(error.getValueAsDouble() <= kMostError)) // NaN is no bound
    return;
  if (*p.rowGroups(false).front().extent.asConstant() >= leastRows(target))
    StrassenChooser(p, target).list(out);
}

} // namespace tenon::cpu
