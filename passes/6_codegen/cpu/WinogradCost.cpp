// Chooses between F(4x4), F(2x2) and the direct convolution: a model of multiply-adds, transforms and streamed weights.
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/RegisterTile.h"
#include "passes/6_codegen/cpu/WinogradCost.h"
#include "passes/6_codegen/cpu/WinogradSchedule.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Errors above this part of the output's range fall back to the smaller tile or to the direct convolution.
constexpr double kMostError = 1e-4;
/// What weights stream with, from memory for all cores together: 4 (desktop) to 10 (server) were measured.
constexpr double kBytesPerCycle = 6;
/// Larger weights and rounding errors have to be worth it.
constexpr double kWorth = 0.9;

class WinogradChooser {
public:
  WinogradChooser(const ContractionProblem &p, const Target &target) : p(p), target(target) {
    images = p.typical(p.extents[0]);
    height = p.typical(p.extents[1]);
    width = p.typical(p.extents[2]);
    known = llvm::all_of(p.extents, [](nn::Dim d) { return d.isConstant(); });
  }

  using Choice = WinogradChoice<WinogradSchedule>;

  /// The best schedule for tiles of m x m outputs.
  Choice best(int64_t m) const {
    constexpr int64_t kMostVectors = 8;
    return bestTile<WinogradSchedule>(
        target, *p.columns.asConstant(), kMostVectors, fitsRegisters, [&](int64_t rows, int64_t vectors, bool splitColumns) { return fill(m, rows, vectors, splitColumns); },
        [&](const WinogradSchedule &s) { return cost(s); });
  }

  double direct() const {
    double compute = contractionCycles(p, target) / std::max(target.cores, 1);
    return std::max(compute, 9.0 * *p.depth.asConstant() * *p.columns.asConstant() * 4 / kBytesPerCycle);
  }

private:
  int64_t tilesOf(int64_t m) const { return images * tilesAlong(height, p.lhsAxes[1].tapScale, m) * tilesAlong(width, p.lhsAxes[2].tapScale, m); }
  static int64_t tilesAlong(int64_t size, int64_t dilation, int64_t m) {
    return std::min(size, dilation) * llvm::divideCeil(llvm::divideCeil(size, dilation), m);
  }

  /// Blocks and shares around a register tile. Shares of tiles read the weights once each; shares of columns transform the input once each.
  WinogradSchedule fill(int64_t m, int64_t rows, int64_t vectors, bool splitColumns) const {
    WinogradSchedule s;
    s.m = m;
    s.rows = rows;
    s.vectors = vectors;
    int64_t depth = *p.depth.asConstant();
    s.unroll = depth % 4 == 0 ? 4 : depth % 3 == 0 ? 3 : depth % 2 == 0 ? 2 : 1;
    WinogradLayout layout(p, s, target);
    constexpr int64_t kFewTiles = 12, kManyTiles = 48, kMostTiles = 256;
    int64_t tiles = tilesOf(m), cores = std::max(target.cores, 1);
    // Weights that do not stay in the L2 should pass by few times: blocks of as many tiles as let one point's inputs stay there instead,
    // and panels enough that the transformed inputs, which then lie further away, pass by few times too.
    bool heavy = weightBytes(layout) / (splitColumns ? cores : 1) > target.l2Bytes / 2;
    int64_t pointBytes = layout.paddedDepth * 4, blockColumns = heavy && layout.points * kManyTiles * pointBytes > target.l2Bytes ? 256 : 64;
    s.panels = std::clamp<int64_t>(blockColumns / layout.panelColumns, 1, layout.panels);
    // Blocks are stored whole: as many of them, but of sizes that leave no panels over.
    s.panels = llvm::divideCeil(layout.panels, llvm::divideCeil(layout.panels, s.panels));
    if (splitColumns)
      s.columnTasks = std::min<int64_t>(cores, llvm::divideCeil(layout.panels, s.panels));
    else if (cores > 1 && tiles >= kFewTiles * cores)
      s.tileTasks = cores * (tiles >= 4 * kManyTiles * cores ? 2 : 1);
    int64_t tileBytes = layout.points * (layout.paddedDepth + s.panels * layout.panelColumns) * 4;
    int64_t most = std::clamp<int64_t>(target.l2Bytes / tileBytes, 2 * kFewTiles, 2 * kManyTiles);
    if (heavy)
      most = std::clamp<int64_t>(target.l2Bytes / 2 / pointBytes, most, kMostTiles);
    int64_t share = llvm::divideCeil(tiles, s.tileTasks);
    s.tiles = llvm::divideCeil(share, llvm::divideCeil(share, most));
    if (!known)
      s.tiles = std::max(s.tiles, std::min(most, 2 * kFewTiles));
    return s;
  }

  static double weightBytes(const WinogradLayout &layout) {
    return double(layout.points) * layout.panels * layout.panelColumns * layout.depth * 4;
  }

  double cost(const WinogradSchedule &s) const {
    WinogradLayout layout(p, s, target);
    // Cycles for one vector of channels of a tile, on two load and two arithmetic pipes, the spills included.
    double inputCycles = s.m == 4 ? 120 : 45, outputCycles = s.m == 4 ? 120 : 45;
    int64_t blocks = llvm::divideCeil(tilesOf(s.m), s.tiles), vectors = llvm::divideCeil(layout.columns, layout.lanes);
    double products = double(layout.points) * blocks * layout.panels * balancedTileCycles(s.tiles, s.rows, s.vectors, layout.depth);
    double transforms = double(blocks) * s.tiles * (layout.paddedDepth / layout.lanes * inputCycles * s.columnTasks + vectors * outputCycles);
    double tasks = std::min<double>(std::max(target.cores, 1), s.tileTasks * s.columnTasks);
    // Weights come from memory once for all cores; a share of them that does not stay in a core's L2 comes once more for every block.
    double weights = weightBytes(layout), share = weights / s.columnTasks, inputs = layout.points * layout.inputPlane * 4.0;
    int64_t passes = share <= target.l2Bytes / 2 ? 1 : llvm::divideCeil(blocks, s.tileTasks);
    double far = inputs > target.l2Bytes ? inputs * llvm::divideCeil(blocks, s.tileTasks) * (1 + llvm::divideCeil(layout.columnBlocks, s.columnTasks)) : 0;
    double compute = (products + transforms) / tasks, stream = std::max(weights / kBytesPerCycle, share * passes / kColdBytesPerCycle) + far / kBytesPerCycle;
    constexpr double kNotHidden = 0.1; // of the shorter of the two
    return std::max(compute, stream) + kNotHidden * std::min(compute, stream);
  }

  const ContractionProblem &p;
  const Target &target;
  int64_t images, height, width;
  bool known;
};

/// The bounds for F(2x2) and F(4x4) that the actual filter gave; none where they are not known.
DenseF64ArrayAttr errorsOf(const ContractionProblem &p) {
  kernel::UnpackOp unpack = p.unpacked();
  auto argument = dyn_cast<BlockArgument>(unpack ? unpack.getPacked() : p.rhs);
  auto func = p.anchor->getParentOfType<kernel::FuncOp>();
  return argument ? func.getArgAttrOfType<DenseF64ArrayAttr>(argument.getArgNumber(), "kernel.winograd_errors") : DenseF64ArrayAttr();
}
} // namespace

void listSchedules(const ContractionProblem &p, const Target &target, SmallVectorImpl<WinogradSchedule> &out) {
  DenseF64ArrayAttr errors = errorsOf(p);
  if (!errors)
    return;
  WinogradChooser chooser(p, target);
  SmallVector<WinogradChooser::Choice> choices;
  double bound = kWorth * chooser.direct();
  constexpr int64_t kTileSizes[] = {2, 4};
  for (auto [m, error] : llvm::zip_equal(kTileSizes, errors.asArrayRef())) {
    if (!(error <= kMostError)) // NaN is no bound
      continue;
    WinogradChooser::Choice choice = chooser.best(m);
    if (choice.cycles > bound)
      continue;
    choices.insert(choices.begin(), choice);
    bound = kWorth * choice.cycles; // F(4x4) has 9/4 of the weights of F(2x2)
  }
  listWithBlocks(choices, out);
}

} // namespace tenon::cpu
