// Chooses between F(4x4), F(2x2) and the direct convolution of bytes: a model of multiply-adds, transforms and streamed weights.
#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/RegisterTile.h"
#include "passes/6_codegen/cpu/WinogradBytesSchedule.h"
#include "passes/6_codegen/cpu/WinogradCost.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// What weights stream with, from memory for all cores together: 4 (desktop) to 10 (server) were measured.
constexpr double kBytesPerCycle = 6;
/// Of the direct convolution's cycles: transforms have to be worth it.
constexpr double kWorth = 0.9;

/// Whether rows x vectors accumulators, what one step reads and a product fit into the registers. In tiles of one vector LLVM adds into the product's
/// register, as RegisterTile.h says.
bool pairTileFits(const Target &target, int64_t rows, int64_t vectors) {
  constexpr int64_t kMovingSums = 5;
  return rows * vectors + vectors + 2 + (vectors == 1 ? kMovingSums : 0) <= target.vectorRegisters;
}

/// Cycles of one register tile: vpmaddwd and vpaddd share two to three pipes, and what they read comes from two.
double pairTileCycles(int64_t rows, int64_t vectors, int64_t steps) {
  constexpr double kPairCycles = 0.75, kLoadCycles = 0.5, kLatency = 6, kTileOverhead = 24, kStoreCycles = 2;
  constexpr int64_t kEnoughAccumulators = 8;
  double splits = std::clamp<double>(llvm::divideCeil(kEnoughAccumulators, std::max<int64_t>(1, rows * vectors)), 1, 4);
  double step = std::max({rows * vectors * kPairCycles, (rows + vectors) * kLoadCycles, kLatency / splits});
  return step * steps + kTileOverhead + kStoreCycles * rows * vectors;
}

/// Cycles of all tiles of `total` rows, cut into parts of at most `rows` that differ by one row.
double balancedCycles(int64_t total, int64_t rows, int64_t vectors, int64_t steps) {
  int64_t tiles = std::max<int64_t>(1, llvm::divideCeil(total, rows)), low = total / tiles, larger = total % tiles;
  return larger * pairTileCycles(low + 1, vectors, steps) + (tiles - larger) * pairTileCycles(low, vectors, steps);
}

class WinogradBytesChooser {
public:
  WinogradBytesChooser(const ContractionProblem &p, const Target &target) : p(p), target(target) {
    images = p.typical(p.extents[0]);
    height = p.typical(p.extents[1]);
    width = p.typical(p.extents[2]);
    depth = *p.depth.asConstant() * p.dot;
    columns = *p.columns.asConstant();
    known = llvm::all_of(p.extents, [](nn::Dim d) { return d.isConstant(); });
  }

  using Choice = WinogradChoice<WinogradBytesSchedule>;

  /// The best schedule for tiles of m x m outputs.
  Choice best(int64_t m) const {
    constexpr int64_t kMostVectors = 4;
    return bestTile<WinogradBytesSchedule>(
        target, columns, kMostVectors, pairTileFits, [&](int64_t rows, int64_t vectors, bool splitColumns) { return fill(m, rows, vectors, splitColumns); },
        [&](const WinogradBytesSchedule &s) { return cost(s); });
  }

  /// The direct convolution: bytes are widened and multiplied in pairs (DotPairs.h), or their products added up in 16 bits (DotSplit.h).
  double direct() const {
    constexpr double kPairsPerLane = 2.5, kSplitPerLane = 4, kShortSplitPerLane = 3; // products a cycle
    constexpr int64_t kShortDepth = 64;
    double perLane = !isSplit(p, target) ? kPairsPerLane : depth < kShortDepth ? kShortSplitPerLane : kSplitPerLane;
    double products = 9.0 * images * height * width * depth * llvm::alignTo(columns, target.lanes(32));
    double compute = products / (perLane * target.lanes(32)) / std::max(target.cores, 1);
    return std::max(compute, 9.0 * depth * columns / kBytesPerCycle);
  }

private:
  int64_t tilesOf(int64_t m) const { return images * tilesAlong(height, p.lhsAxes[1].tapScale, m) * tilesAlong(width, p.lhsAxes[2].tapScale, m); }
  static int64_t tilesAlong(int64_t size, int64_t dilation, int64_t m) {
    return std::min(size, dilation) * llvm::divideCeil(llvm::divideCeil(size, dilation), m);
  }

  /// Blocks and shares around a register tile. Shares of tiles read the weights once each; shares of columns transform the input once each.
  WinogradBytesSchedule fill(int64_t m, int64_t rows, int64_t vectors, bool splitColumns) const {
    WinogradBytesSchedule s;
    s.m = m;
    s.rows = rows;
    s.vectors = vectors;
    s.unroll = depth / 2 % 4 == 0 ? 4 : 2;
    WinogradBytesLayout layout(p, s, target);
    constexpr int64_t kFewTiles = 12, kManyTiles = 48, kMostTiles = 256, kColumns = 64;
    int64_t tiles = tilesOf(m), cores = std::max(target.cores, 1);
    s.panels = std::clamp<int64_t>(kColumns / layout.panelColumns, 1, splitColumns ? llvm::divideCeil(layout.panels, cores) : layout.panels);
    // Blocks are stored whole: as many of them, but of sizes that leave no panels over.
    s.panels = llvm::divideCeil(layout.panels, llvm::divideCeil(layout.panels, s.panels));
    if (splitColumns)
      s.columnTasks = std::min<int64_t>(cores, llvm::divideCeil(layout.panels, s.panels));
    else if (cores > 1 && tiles >= kFewTiles * cores)
      s.tileTasks = cores * (tiles >= 4 * kManyTiles * cores ? 2 : 1);
    int64_t pointBytes = layout.paddedDepth * 2, tileBytes = layout.inputPoints * pointBytes + layout.points * s.panels * layout.panelColumns * 4;
    int64_t most = std::clamp<int64_t>(target.l2Bytes / tileBytes, 2 * kFewTiles, 2 * kManyTiles);
    // Filters that do not stay in the L2 should pass by few times: blocks of as many tiles as let one point's inputs stay there instead.
    int64_t filterBytes = layout.filterPoints * layout.panels * layout.panelColumns * layout.depth * 2;
    if (filterBytes / (splitColumns ? cores : 1) > target.l2Bytes / 2)
      most = std::clamp<int64_t>(target.l2Bytes / 2 / pointBytes, most, kMostTiles);
    int64_t share = llvm::divideCeil(tiles, s.tileTasks);
    s.tiles = llvm::divideCeil(share, llvm::divideCeil(share, most));
    if (!known)
      s.tiles = std::max(s.tiles, std::min(most, 2 * kFewTiles));
    return s;
  }

  static double weightBytes(const WinogradBytesLayout &layout) { return 9.0 * layout.panels * layout.panelColumns * layout.depth; }

  /// Of one panel and one block of tiles.
  static double productCycles(const WinogradBytesSchedule &s, const WinogradBytesLayout &layout) {
    auto cycles = [&](int64_t parities) { return balancedCycles(s.tiles, s.rows, s.vectors, parities * layout.pairs); };
    if (layout.stride == 1)
      return layout.points * cycles(1);
    int64_t finite = layout.edge - 1; // points along an axis that even and odd inputs share
    return finite * finite * cycles(4) + 2 * finite * cycles(2) + cycles(1);
  }

  double cost(const WinogradBytesSchedule &s) const {
    WinogradBytesLayout layout(p, s, target);
    // Cycles for one vector of channels of a tile, the spills included, and for two channels of a vector of columns of the filter.
    bool isStrided = layout.stride == 2;
    double inputCycles = isStrided ? 250 : s.m == 4 ? 120 : 45, outputCycles = isStrided ? 130 : s.m == 4 ? 160 : 50, filterCycles = isStrided ? 110 : s.m == 4 ? 60 : 30;
    int64_t blocks = llvm::divideCeil(tilesOf(s.m), s.tiles), vectors = llvm::divideCeil(layout.columns, layout.lanes);
    double products = blocks * layout.panels * productCycles(s, layout);
    double transforms = double(blocks) * s.tiles * (layout.paddedDepth / layout.channelLanes * inputCycles * s.columnTasks + vectors * outputCycles);
    double filters = double(blocks) * vectors * layout.pairs * filterCycles;
    double tasks = std::min<double>(std::max(target.cores, 1), s.tileTasks * s.columnTasks);
    // Weights come from memory once for all cores; a share of them that does not stay in a core's L2 comes once more for every block.
    double weights = weightBytes(layout), share = weights / s.columnTasks, inputs = layout.inputPoints * layout.inputPlane * 2.0;
    int64_t ofTask = llvm::divideCeil(blocks, s.tileTasks), passes = share <= target.l2Bytes / 2 ? 1 : ofTask;
    double far = inputs > target.l2Bytes ? inputs * ofTask * (1 + llvm::divideCeil(layout.columnBlocks, s.columnTasks)) : 0;
    double compute = (products + transforms + filters) / tasks, stream = std::max(weights / kBytesPerCycle, share * passes / kColdBytesPerCycle) + far / kBytesPerCycle;
    constexpr double kNotHidden = 0.3; // of the shorter of the two
    return std::max(compute, stream) + kNotHidden * std::min(compute, stream);
  }

  const ContractionProblem &p;
  const Target &target;
  int64_t images, height, width, depth, columns;
  bool known;
};
} // namespace

void listSchedules(const ContractionProblem &p, const Target &target, SmallVectorImpl<WinogradBytesSchedule> &out) {
  // Instructions that multiply four bytes at once are faster than any transform.
  if (!llvm::Triple(target.triple).isX86() || target.vnni)
    return;
  WinogradBytesChooser chooser(p, target);
  SmallVector<WinogradBytesChooser::Choice> choices;
  double bound = kWorth * chooser.direct();
  for (int64_t m : {2, 4}) {
    if (!isExact(p, m) || (m == 2 && winogradStride(p) == 2))
      continue;
    WinogradBytesChooser::Choice choice = chooser.best(m);
    if (choice.cycles > bound)
      continue;
    choices.insert(choices.begin(), choice);
    bound = choice.cycles;
  }
  listWithBlocks(choices, out);
}

} // namespace tenon::cpu
