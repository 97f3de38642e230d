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
/// With fewer rows the sums of the weights take what is saved: 197 rows came out even, 1024 a tenth faster.
constexpr int64_t kLeastRows = 384;

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
            if (std::optional<Choice> choice = fill(rows, vectors, splitColumns))
              choices.push_back(*choice);
    if (choices.empty())
      return;
    llvm::stable_sort(choices, [](const Choice &x, const Choice &y) {
      return std::tuple(x.cycles, -x.schedule.vectors) < std::tuple(y.cycles, -y.schedule.vectors);
    });
    if (choices.front().cycles > kWorth * contractionCycles(p, target))
      return;
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
    double cycles; // on one core
  };

  /// Blocks and shares around a register tile; none where it does not divide the columns. Shares of columns pack the rows once each, shares of
  /// rows sum the weights once each.
  std::optional<Choice> fill(int64_t rows, int64_t vectors, bool splitColumns) const {
    StrassenSchedule s;
    s.rows = rows;
    s.vectors = vectors;
    s.depthBlock = depthBlock(vectors);
    if (!s.depthBlock || !validate(p, s, target).empty())
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
    return Choice{s, cost(s)};
  }

  /// The largest part of the depth whose quarters and sums of a pair of panels take at most a fifth of the L2.
  int64_t depthBlock(int64_t vectors) const {
    constexpr int64_t kPanels = StrassenLayout::kQuarters + StrassenLayout::kSums;
    int64_t depth = *p.depth.asConstant(), most = target.l2Bytes / 5 / (kPanels * vectors * target.lanes(32) * 4) * 2;
    constexpr int64_t kStep = 2 * StrassenLayout::kStep, kLeast = 128;
    for (int64_t block = std::min(depth, most) / kStep * kStep; block >= kLeast; block -= kStep)
      if (depth % block == 0)
        return block;
    return 0;
  }

  double cost(const StrassenSchedule &s) const {
    StrassenLayout layout(p, s, target);
    // Cycles for eight k of a pair of rows, of both halves; for a vector of a sum of weights, made between the multiply-adds of a first tile; and for
    // a vector of results that goes through memory once more.
    constexpr double kPackCycles = 16, kSumCycles = 0.5, kPartialCycles = 4;
    constexpr int64_t kPacked = 8;
    double products = double(StrassenLayout::kProducts) * layout.pairs * layout.depthBlocks * balancedTileCycles(layout.pairRows, s.rows, s.vectors, layout.halfDepth);
    double packing = double(layout.pairRows) * layout.depth / 2 / kPacked * kPackCycles * s.columnTasks;
    double sums = double(layout.depth) * layout.columns / layout.lanes * kSumCycles * layout.blocks;
    double partials = double(layout.rows) * layout.columns / layout.lanes * (layout.depthBlocks - 1) * kPartialCycles;
    double weights = double(layout.depth) * layout.columns * 4;
    return std::max(products + packing + sums + partials, weights * layout.blocks / kColdBytesPerCycle);
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
  if (*p.rowGroups(false).front().extent.asConstant() >= kLeastRows)
    StrassenChooser(p, target).list(out);
}

} // namespace tenon::cpu
