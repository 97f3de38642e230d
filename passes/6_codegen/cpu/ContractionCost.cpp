// Chooses schedules of contractions: a model of the register tile, of the caches and of the tasks.
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotPairs.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/RegisterTile.h"
#include "passes/6_codegen/cpu/TileRegisters.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
struct RegisterTile {
  int64_t rows, vectors;
  double cycles; // of the whole product, on one core
  bool amx = false;
  int64_t lines = 1;
};

/// What the model knows of a problem: numbers instead of expressions.
struct Sizes {
  int64_t outer, rows, columns, depth, taps, groups; // rows of the tiles' axis; columns of one group
  int64_t multiplications() const { return outer * rows * columns * depth * taps * groups; }
};

class ScheduleChooser {
public:
  ScheduleChooser(const ContractionProblem &p, const Target &target) : p(p), target(target) {
    Type element = p.computeElement();
    bytes = element.getIntOrFloatBitWidth() / 8;
    lanes = target.lanes(bytes * 8);
    readable = p.lhsReadable();
    // Without padding and with rows at even distances the product is one run of rows; else tiles live in boxes of pixels.
    groups = p.rowGroups(readable);
    bool apart = groups.back().first > p.rowAxes() - int64_t(p.taps.size()); // rows of an image do not follow on one another; images need not
    boxed = !p.taps.empty() && (p.tapCount() > 1 || apart || p.padded);
    bool packable = p.tapCount() == 1 && !p.padded && p.groups == 1 && p.depth.isConstant();
    bool skips = p.dot == 1 && llvm::any_of(p.lhsAxes, [](const LhsAxis &axis) { return axis.rowScale != 1; }); // a copy for its own sake takes only what is read
    if (!readable && packable && !skips) {
      boxed = false;
      groups = p.rowGroups(false);
    }
    sizes.taps = p.tapCount();
    sizes.groups = p.groups;
    sizes.columns = p.groupColumns().value_or(p.typical(p.columns));
    sizes.depth = p.typical(p.depth);
    if (boxed) {
      sizes.rows = p.typical(p.extents[p.rowAxes() - 1]) * p.typical(p.extents[p.rowAxes() - 2]);
      sizes.outer = 1;
      for (int axis = 0; axis + 2 < p.rowAxes(); ++axis)
        sizes.outer *= p.typical(p.extents[axis]);
    } else {
      sizes.rows = p.typical(groups.back().extent);
      sizes.outer = 1;
      for (size_t g = 0; g + 1 < groups.size(); ++g)
        sizes.outer *= p.typical(groups[g].extent);
    }
  }

  void list(SmallVectorImpl<ContractionSchedule> &out, size_t most) {
    SmallVector<RegisterTile> tiles = registerTiles();
    constexpr size_t kTilesToTry = 4;
    llvm::SetVector<kernel::ScheduleAttr> seen;
    auto add = [&](const ContractionSchedule &s) {
      if (out.size() < most && validate(p, s, target).empty() && seen.insert(s.attr(p.anchor->getContext())))
        out.push_back(s);
    };
    tiles.truncate(std::min(tiles.size(), kTilesToTry));
    // The guess for every tile before the variants of any: a short search sees the large differences first.
    for (const RegisterTile &tile : tiles)
      add(boxed ? boxSchedule(tile) : runSchedule(tile));
    for (const RegisterTile &tile : tiles)
      for (const ContractionSchedule &s : variants(boxed ? boxSchedule(tile) : runSchedule(tile)))
        add(s);
  }

  double cycles() const { return registerTiles().front().cycles * p.liveShare(); }

private:
  /// Pairs take two instructions for each multiply-add, and one for each vector of weights, on three pipes.
  static double pairCycles(double multiplyAdds, int64_t weightVectors) { return multiplyAdds * 4 / 3 + weightVectors / 3.0; }

  double productCycles(int64_t rows, int64_t vectors) const {
    auto allRows = [&](int64_t v) {
      int64_t steps = sizes.depth * sizes.taps;
      double cycles = balancedTileCycles(sizes.rows, rows, v, steps);
      return p.widens() ? pairCycles(cycles, llvm::divideCeil(sizes.rows, rows) * v * steps) : cycles;
    };
    int64_t width = vectors * lanes, full = sizes.columns / width, rest = sizes.columns % width;
    double cycles = full * allRows(vectors);
    if (rest)
      cycles += allRows(llvm::divideCeil(rest, lanes));
    cycles *= sizes.outer * sizes.groups;
    return cycles + firstPanelCycles(rows, vectors, cycles);
  }

  /// Weights arrive cold: other layers' have taken their place since the last run. Every panel is prefetched during the one before it; of the first
  /// one nothing hides the arrival but its own first tile. Where the weights are all that takes time, it makes no difference how they are cut.
  double firstPanelCycles(int64_t rows, int64_t vectors, double compute) const {
    if (!p.rhsConstant() || weightsAreFew() || weightBytes() / kColdBytesPerCycle > compute)
      return 0;
    int64_t tiles = llvm::divideCeil(sizes.rows, rows), steps = sizes.depth * sizes.taps;
    double arrival = vectors * lanes * weightBytesOfStep() / kColdBytesPerCycle * steps;
    double wait = arrival - registerTileCycles(llvm::divideCeil(sizes.rows, tiles), vectors, steps);
    constexpr double kNoticed = 0.02; // less is not worth narrower tiles
    return wait > kNoticed * compute ? wait : 0;
  }

  bool weightsAreFew() const { return weightBytes() <= target.l2Bytes / 8; }

  bool fits(int64_t rows, int64_t vectors) const {
    if (p.split)
      return splitFitsRegisters(target, rows, vectors);
    if (p.widens())
      return pairsFitRegisters(target, rows, vectors);
    return p.dot > 1 ? dotFitsRegisters(target, rows, vectors) : fitsRegisters(target, rows, vectors);
  }

  SmallVector<RegisterTile> registerTiles() const {
    SmallVector<RegisterTile> tiles;
    constexpr int64_t kMostRows = 14, kMostVectors = 8;
    for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
      for (int64_t rows = 1; rows <= kMostRows; ++rows) {
        bool wider = vectors > 1 && (vectors - 1) * lanes >= sizes.columns;
        bool taller = rows > 1 && rows > sizes.rows && groups.back().extent.isConstant();
        if (fits(rows, vectors) && !wider && !taller)
          tiles.push_back({rows, vectors, productCycles(rows, vectors)});
      }
    if (multipliesTiles(p, target))
      addAmxTiles(tiles);
    // Equal costs go to wide tiles: fewer passes over the left operand.
    llvm::sort(tiles, [](const RegisterTile &x, const RegisterTile &y) {
      return std::tuple(x.cycles, -x.vectors, x.rows) < std::tuple(y.cycles, -y.vectors, y.rows);
    });
    return tiles;
  }

  /// Tiles in tile registers: products of 16 cycles that depend on the ones of the step before, loads from the L1, and sums that go through memory.
  void addAmxTiles(SmallVectorImpl<RegisterTile> &tiles) const {
    std::optional<int64_t> line = (boxed ? p.extents[p.rowAxes() - 1] : groups.back().extent).asConstant();
    if (!line || *line == 0)
      return;
    constexpr double kLatency = 52, kRowLoads = 0.5, kTileOverhead = 80, kStoreCycles = 3, kLeastRows = 8, kFetchCycles = 1.5;
    int64_t joined = sizes.depth, outer = sizes.taps;
    if (!p.taps.empty() && p.lhsAxes[p.lhsChannel - 1].tapScale == 1) {
      joined *= p.taps.back();
      outer /= p.taps.back();
    }
    int64_t units = TileProduct::stepOf(joined), steps = joined / units * outer, lines = sizes.outer * sizes.rows / *line;
    auto cycles = [&](int64_t rowTiles, int64_t rows, int64_t vectors) {
      bool isFar = vectors * lanes * sizes.depth * sizes.taps * bytes > target.l1Bytes / 2; // a panel comes from the L2 for every tile
      double step = std::max({rowTiles * vectors * std::max<double>(rows, kLeastRows), kRowLoads * (rowTiles * rows + vectors * units), kLatency,
                              isFar ? kFetchCycles * vectors * units : 0});
      return step * steps + kTileOverhead + kStoreCycles * rowTiles * rows * vectors;
    };
    for (int64_t vectors = 1; vectors <= TileProduct::kMostSums && (vectors - 1) * lanes < sizes.columns; ++vectors)
      for (int64_t rowTiles = 1; rowTiles * vectors <= TileProduct::kMostSums; ++rowTiles) {
        auto allColumns = [&](int64_t rowsOfTile) {
          int64_t full = sizes.columns / (vectors * lanes), rest = llvm::divideCeil(sizes.columns % (vectors * lanes), lanes);
          return full * cycles(rowTiles, rowsOfTile, vectors) + (rest ? cycles(rowTiles, rowsOfTile, rest) : 0);
        };
        // Short lines, a tile of each: several at once, for which weights are loaded once.
        if (boxed && rowTiles > 1 && *line <= TileProduct::kRows)
          tiles.push_back({rowTiles * *line, vectors, allColumns(*line) * llvm::divideCeil(lines, rowTiles), /*amx=*/true, rowTiles});
        int64_t count = llvm::divideCeil(*line, rowTiles * TileProduct::kRows), rows = llvm::divideCeil(llvm::divideCeil(*line, count), rowTiles);
        if (rowTiles * rows > *line)
          continue;
        tiles.push_back({rowTiles * rows, vectors, allColumns(rows) * count * std::max<int64_t>(lines, 1), /*amx=*/true});
      }
  }

  /// Panels of split weights whose sums become bytes together: where few k leave that a large part of the work, and the panels' weights stay in the L1
  /// beside the rows of a tile. Scaling and rounding alone are over before the next tile waits for them.
  int64_t panelsTogether(int64_t shares) const {
    constexpr int64_t kMost = 4, kDeepest = 64; // fours
    if (!p.split || sizes.taps > 1 || sizes.depth > kDeepest || sizes.columns % lanes || !doesMoreThanScale())
      return 1;
    int64_t count = panels(1), together = kMost;
    while (count % together || count / together < shares)
      --together;
    return together;
  }

  /// Whether the sums are added to something, or looked up, on their way to the result, or stay numbers of 32 bits.
  bool doesMoreThanScale() const {
    bool isQuantized = false;
    for (Operation *op = p.anchor->getNextNode(); op && !op->hasTrait<OpTrait::IsTerminator>(); op = op->getNextNode()) {
      if (!isa<nn::ConstantOp, nn::CastOp, nn::MulOp, nn::QuantizeOp>(op))
        return true;
      isQuantized |= isa<nn::QuantizeOp>(op);
    }
    return !isQuantized;
  }

  int64_t unrollFor(int64_t run) const {
    for (int64_t unroll : {4, 3, 2})
      if (run % unroll == 0)
        return unroll;
    return run < 4 ? 1 : 2;
  }

  /// Tasks that are worth their start: none below some 30 thousand multiplications, a few for each core above. Each sorts all weights that it reads where
  /// they are split: one for each core then.
  int64_t wantedTasks() const {
    constexpr int64_t kWorthATask = 32 << 10;
    const int64_t kSharesPerCore = p.split ? 1 : 2;
    if (target.cores <= 1)
      return 1;
    return std::clamp<int64_t>(sizes.multiplications() / kWorthATask, 1, kSharesPerCore * target.cores);
  }

  /// Whether tasks should share columns, as each sorts the weights of its panels (DotSplit.h) for few tiles. Then each measures all rows.
  bool isSplitForFew(int64_t tiles) const {
    constexpr int64_t kFewTiles = 64;
    return p.split && tiles * sizes.outer < kFewTiles;
  }

  /// Shares of at least two tiles: during a single one less of the next panel arrives than it takes. The same number for every core.
  int64_t pairedShares(int64_t tiles) const {
    int64_t cores = std::max(target.cores, 1), pairs = tiles / 2;
    return std::max(pairs / cores * cores, std::min(tiles, cores));
  }

  /// Products of bytes are done so many times sooner than others: passing their weights by is what takes time.
  int64_t byteSpeed() const { return p.dot; }

  /// Of one column: weights that are multiplied in pairs are bytes until they are in registers.
  int64_t weightBytesOfStep() const { return p.widens() ? 2 : bytes; }
  int64_t weightBytes() const { return sizes.columns * sizes.groups * sizes.depth * sizes.taps * weightBytesOfStep(); }
  int64_t panels(int64_t vectors) const { return sizes.groups * llvm::divideCeil(sizes.columns, vectors * lanes); }

  ContractionSchedule runSchedule(const RegisterTile &tile) const {
    ContractionSchedule s;
    s.rows = tile.rows;
    s.vectors = tile.vectors;
    s.amx = tile.amx;
    s.unroll = p.depth.isConstant() ? unrollFor(sizes.depth) : 4;
    if (p.depth.isConstant(0))
      s.unroll = 1;
    int64_t tiles = llvm::divideCeil(sizes.rows, s.rows), count = panels(s.vectors), wanted = wantedTasks();
    bool known = p.columns.isConstant() && p.depth.isConstant();
    // Few k and many rows: all panels stay in the L2 while the rows pass by once. Weights that are more than a small part of it arrive cold, and
    // only panels that are prefetched one by one hide that.
    constexpr int64_t kShortDepth = 256, kManyTiles = 8, kManyPanels = 3;
    bool rhsFits = p.rhsConstant() ? weightsAreFew() : weightBytes() <= target.l2Bytes / 2;
    s.rowsOuter = tiles >= kManyTiles && rhsFits && sizes.depth <= kShortDepth && !p.split && !p.widens(); // panels are split or widened once for all rows
    if (s.rowsOuter && !p.rhsConstant() && !p.rhsReadable())
      s.rowsOuter = false; // a panel is packed once for all rows
    // Few weights are in the L2 once they are sorted.
    s.prefetch = !s.rowsOuter && p.rhsConstant() && !(p.split && weightsAreFew());
    // Far rows of a deep product push each other out of the L1; 12 ways and a panel of whole columns in the L2 bear four times the depth.
    constexpr int64_t kManyWays = 12, kLargeL2 = 1 << 20;
    int64_t inPlaceDepth = target.l1Ways >= kManyWays && target.l2Bytes >= kLargeL2 ? 4 * kShortDepth : kShortDepth;
    bool deep = !s.rowsOuter && known && sizes.depth > inPlaceDepth && tiles >= kManyTiles && count >= kManyPanels;
    if (deep && p.groups == 1 && p.tapCount() == 1 && p.dot == 1) {
      s.lhs = LhsMode::Packed;
      s.depthBlock = dividing(sizes.depth, kShortDepth);
    }
    if (!readable)
      s.lhs = LhsMode::Packed;
    int64_t blockDepth = s.depthBlock ? s.depthBlock : sizes.depth;
    if (s.depthBlock && (!p.columns.isConstant() || s.depthBlock == sizes.depth))
      s.depthBlock = 0;
    if (s.lhs == LhsMode::Packed && p.depth.isConstant())
      s.unroll = std::min(packedUnroll(target) / p.dot, std::max<int64_t>(blockDepth, 1));

    // Shares: of columns where the weights are what moves, of rows otherwise, and where the rows are cut into blocks for every core anyway.
    int64_t cachedTiles = std::max<int64_t>(1, target.l2Bytes / 2 / (s.rows * std::max<int64_t>(blockDepth, 1) * bytes));
    bool cut = s.lhs == LhsMode::Packed || (!s.rowsOuter && p.rhsConstant()); // panels that are staged are staged for each block
    int64_t cachedBlocks = cut ? llvm::divideCeil(tiles, cachedTiles) : 1;
    bool heavyWeights = p.columns.isConstant() && cachedBlocks < std::max(target.cores, 2) && weightBytes() * byteSpeed() > target.l2Bytes / 2 &&
                        weightBytes() > 2 * sizes.rows * sizes.depth * bytes;
    int64_t rowShares = std::min(wanted, s.prefetch ? pairedShares(sizes.outer * tiles) : sizes.outer * tiles);
    if (heavyWeights || tiles * sizes.outer < 2 * target.cores || isSplitForFew(tiles)) {
      // Each share of columns packs or measures the rows once more.
      int64_t shares = s.lhs == LhsMode::Packed || p.split ? std::min<int64_t>(target.cores, count / 2) : count / 2;
      s.columnTasks = std::clamp<int64_t>(shares, 1, std::min(wanted, count));
      rowShares = llvm::divideCeil(wanted, s.columnTasks) > 1 ? std::min<int64_t>(sizes.outer, llvm::divideCeil(wanted, s.columnTasks)) : 1;
    }
    if (!p.columns.isConstant())
      s.columnTasks = 1;
    s.rowTasks = std::max<int64_t>(rowShares, 1);
    // Blocks: at least one a share and outer index, and no larger than what half of the L2 holds while the panels pass by.
    int64_t blocksAnIndex = std::max(cachedBlocks, s.rowTasks / std::max<int64_t>(sizes.outer, 1));
    int64_t blockTiles = llvm::divideCeil(tiles, blocksAnIndex);
    bool bounded = groups.back().extent.isConstant() && blockTiles >= tiles;
    s.blockTiles = bounded ? 0 : std::max<int64_t>(blockTiles, 1);
    if (!groups.back().extent.isConstant() && s.columnTasks == 1) {
      constexpr int64_t kFreeBlock = 16; // tiles of a block where the number of rows is free
      s.blockTiles = std::min<int64_t>(s.blockTiles ? s.blockTiles : kFreeBlock, kFreeBlock);
      s.rowTasks = std::max<int64_t>(s.rowTasks, target.cores > 1 ? 2 * target.cores : 1);
    }
    s.panels = panelsTogether(s.columnTasks);
    return s;
  }

  static int64_t dividing(int64_t depth, int64_t most) {
    int64_t block = std::min(depth, most + most / 2);
    for (int64_t candidate = block; candidate >= most / 2; --candidate)
      if (depth % candidate == 0 && candidate % 8 == 0)
        return candidate;
    return depth;
  }

  ContractionSchedule boxSchedule(const RegisterTile &tile) const {
    ContractionSchedule s;
    s.rows = tile.rows;
    s.vectors = tile.vectors;
    s.amx = tile.amx;
    s.lines = tile.lines;
    nn::Dim height = p.extents[p.rowAxes() - 2], width = p.extents[p.rowAxes() - 1];
    int64_t run = p.groups == 1 && p.lhsAxes[p.lhsChannel - 1].tapScale == 1 ? sizes.depth * p.taps.back() : sizes.depth;
    constexpr int64_t kWholeRow = 16; // pairs
    s.unroll = p.joined && sizes.depth <= kWholeRow ? sizes.depth : unrollFor(p.joined ? sizes.depth : run);
    s.lhs = readable ? LhsMode::InPlace : LhsMode::Band;
    int64_t wanted = wantedTasks(), count = panels(s.vectors);
    int64_t high = p.typical(height), wide = p.typical(width);
    // A band holds the input of its outputs; half of the L2 is for it.
    constexpr int64_t kFreeWidth = 64;
    const LhsAxis &down = p.lhsAxes[p.lhsChannel - 2], &across = p.lhsAxes[p.lhsChannel - 1];
    int64_t boxWidth = width.isConstant() ? wide : std::min(wide, kFreeWidth);
    int64_t channels = p.lhsChannels().asConstant().value_or(1);
    auto bandBytes = [&](int64_t h, int64_t w) {
      auto reach = [&](const LhsAxis &axis, int64_t outputs) {
        int64_t part = (outputs - 1) * axis.rowScale + 1;
        return part + (axis.tapAxis < 0 ? 0 : (p.taps[axis.tapAxis] - 1) * std::min(axis.tapScale, part));
      };
      int64_t deep = 1;
      for (int axis = 0; axis + 2 < p.lhsChannel; ++axis)
        deep *= reach(p.lhsAxes[axis], 1);
      return deep * reach(down, h) * reach(across, w) * channels * bytes;
    };
    // Weights that outweigh the input decide: few boxes, so that they pass by few times, and panels in the L2 while bands stay in the L3.
    int64_t inputBytes = ((high - 1) * down.rowScale + 1) * ((wide - 1) * across.rowScale + 1) * channels * bytes;
    bool heavyWeights = (weightBytes() * byteSpeed() > target.l2Bytes && weightBytes() > inputBytes && count >= 2 * target.cores) ||
                        isSplitForFew(llvm::divideCeil(sizes.rows, s.rows));
    // Servers have last caches of hundreds of megabytes, but every thread has a band: memory that the plan holds for nothing.
    constexpr int64_t kMostFarBands = 8; // of an L2
    int64_t share = std::min(target.l3Bytes / std::max(target.cores, 2), kMostFarBands * target.l2Bytes);
    int64_t budget = heavyWeights ? std::max(target.l2Bytes, share) : target.l2Bytes / 2;
    // Where the rows pass by once, what they read should not have gone far since it was copied.
    s.rowsOuter = weightBytes() <= target.l2Bytes / 2 && sizes.depth * sizes.taps <= 256 && sizes.rows > 8 * s.rows && !p.split && !p.widens();
    constexpr int64_t kShortBand = 4;
    bool shortBands = s.rowsOuter && s.lhs == LhsMode::Band;
    if (shortBands)
      budget = target.l2Bytes / 8;
    while (boxWidth > 32 && bandBytes(1, boxWidth) > budget)
      boxWidth = llvm::divideCeil(boxWidth, 2);
    int64_t wantedBands = heavyWeights ? 1 : llvm::divideCeil(wanted, std::max<int64_t>(sizes.outer, 1));
    int64_t boxHeight = std::max<int64_t>(1, high / std::max<int64_t>(1, wantedBands / llvm::divideCeil(wide, boxWidth)));
    if (shortBands)
      boxHeight = std::min(boxHeight, kShortBand);
    while (boxHeight > 1 && bandBytes(boxHeight, boxWidth) > budget)
      --boxHeight;
    if (height.isConstant()) {
      int64_t even = boxHeight;
      while (high % even)
        --even;
      if (even * 2 > boxHeight)
        boxHeight = even;
    }
    s.boxHeight = height.isConstant() && boxHeight >= high ? 0 : boxHeight;
    s.boxWidth = width.isConstant() && boxWidth >= wide ? 0 : boxWidth;
    int64_t boxes = sizes.outer * llvm::divideCeil(high, boxHeight) * llvm::divideCeil(wide, boxWidth);
    s.rowTasks = heavyWeights ? std::min<int64_t>(sizes.outer, wanted) : std::min(wanted, boxes);
    bool free = llvm::any_of(p.extents, [](nn::Dim d) { return !d.isConstant(); });
    if (free && target.cores > 1 && !heavyWeights)
      s.rowTasks = std::max<int64_t>(s.rowTasks, 2 * target.cores);
    // Each share of columns copies the band, or measures the rows, once more.
    int64_t shares = s.lhs == LhsMode::Band || p.split ? std::min<int64_t>(wanted, std::max(target.cores, 1)) : wanted;
    s.columnTasks = std::clamp<int64_t>(shares / s.rowTasks, 1, std::max<int64_t>(1, count / 2));
    int64_t tilesAcross = llvm::divideCeil(boxWidth, s.rows);
    // Tiles of single rows would be too short; lists of places leave no registers for where the rows of others are.
    constexpr int64_t kShortRows = 3;
    s.flat = !s.amx && (!width.isConstant() || boxWidth / tilesAcross < s.rows - (p.split ? kShortRows : 1));
    s.prefetch = !s.rowsOuter && weightBytes() > target.l2Bytes / 4;
    s.panels = panelsTogether(s.columnTasks);
    return s;
  }

  /// What else a tuner may try around a guess.
  SmallVector<ContractionSchedule> variants(const ContractionSchedule &best) const {
    SmallVector<ContractionSchedule> all;
    auto with = [&](auto change) {
      ContractionSchedule s = best;
      change(s);
      all.push_back(s);
    };
    with([](auto &s) { s.prefetch = !s.prefetch; });
    with([](auto &s) { s.rowsOuter = !s.rowsOuter; });
    for (int64_t panels : {1, 2, 4})
      with([&](auto &s) { s.panels = panels; });
    for (int64_t unroll : {1, 2, 4, 8})
      with([&](auto &s) { s.unroll = unroll; });
    if (boxed) {
      with([](auto &s) { s.flat = !s.flat; });
      for (int64_t height : {1, 2, 4, 7, 8, 14})
        with([&](auto &s) { s.boxHeight = height; });
      return all;
    }
    with([](auto &s) {
      s.lhs = LhsMode::InPlace;
      s.depthBlock = 0;
    });
    for (int64_t depth : {128, 192, 256, 384, 512})
      with([&](auto &s) {
        s.lhs = LhsMode::Packed;
        s.depthBlock = depth;
      });
    for (int64_t tiles : {4, 8, 16, 32})
      with([&](auto &s) { s.blockTiles = tiles; });
    with([](auto &s) { std::swap(s.rowTasks, s.columnTasks); });
    return all;
  }

  const ContractionProblem &p;
  const Target &target;
  Sizes sizes{};
  SmallVector<RowGroup> groups;
  int64_t bytes = 4, lanes = 8;
  bool readable = false, boxed = false;
};
} // namespace

void listSchedules(const ContractionProblem &p, const Target &target, SmallVectorImpl<ContractionSchedule> &out, size_t most) {
  ScheduleChooser(p, target).list(out, most);
}

double contractionCycles(const ContractionProblem &p, const Target &target) {
  return p.dot == 4 && !multipliesFours(target) ? contractionCycles(inPairs(p), target) : ScheduleChooser(p, target).cycles();
}

} // namespace tenon::cpu
