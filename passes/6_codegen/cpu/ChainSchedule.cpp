#include "passes/6_codegen/cpu/ChainSchedule.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/RegisterTile.h"

namespace tenon::cpu {
using namespace mlir;

ChainSchedule ChainSchedule::of(kernel::ScheduleAttr attr) {
  ChainSchedule s;
  s.expand = {attr.get("emr", s.expand.rows), attr.get("env", s.expand.vectors)};
  s.project = {attr.get("pmr", s.project.rows), attr.get("pnv", s.project.vectors)};
  s.pixels = attr.get("pixels", s.pixels);
  s.tasks = attr.get("tasks", s.tasks);
  return s;
}

kernel::ScheduleAttr ChainSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(
      ctx, "depthwise_chain",
      {{"emr", expand.rows}, {"env", expand.vectors}, {"pmr", project.rows}, {"pnv", project.vectors}, {"pixels", pixels}, {"tasks", tasks}});
}

std::string ChainSchedule::validate() const {
  constexpr int64_t kMostAccumulators = 64, kMostPixels = 16;
  for (const Tile &tile : {expand, project})
    if (tile.rows < 1 || tile.vectors < 1 || tile.rows > kMostAccumulators || tile.vectors > kMostAccumulators ||
        tile.rows * tile.vectors > kMostAccumulators)
      return "a register tile has 1 to 64 vectors: emr * env, pmr * pnv";
  if (pixels < 1 || pixels > kMostPixels)
    return "a step of the depthwise convolution has 1 to 16 pixels";
  return tasks < 1 ? "tasks are at least 1" : "";
}

ChainLayout::ChainLayout(const ChainProblem &p) {
  constexpr int64_t kLine = 64, kBytes = 4;
  ring = std::min(p.window(), p.height());
  if (p.hasExpand())
    ringBytes = ring * p.width() * p.channels() * kBytes;
  filteredOffset = llvm::alignTo(ringBytes, kLine);
  totalBytes = p.hasProject() ? filteredOffset + p.outWidth() * p.channels() * kBytes : ringBytes;
  totalBytes = llvm::alignTo(totalBytes, kLine);
}

kernel::PackingAttr panelPacking(nn::ConvOp pointwise, int64_t vectors, const Target &target) {
  int64_t width = vectors * target.lanes(32), panels = llvm::divideCeil(columnsOf(pointwise), width), depth = depthOf(pointwise);
  return kernel::PackingAttr::get(pointwise.getContext(), {panels * width, depth, 1, 1}, {panels, width, depth, 1, 1}, {0, 3, 4, 2, 1});
}

namespace {
/// Cycles of a 1x1 convolution over `runs` runs of `pixels` pixels.
double pointwiseCycles(nn::ConvOp conv, ChainSchedule::Tile tile, int64_t runs, int64_t pixels, const Target &target) {
  int64_t width = tile.vectors * target.lanes(32), columns = columnsOf(conv), depth = depthOf(conv);
  double cycles = columns / width * balancedTileCycles(pixels, tile.rows, tile.vectors, depth);
  if (int64_t rest = columns % width)
    cycles += balancedTileCycles(pixels, tile.rows, llvm::divideCeil(rest, target.lanes(32)), depth);
  return cycles * runs;
}

/// Register tiles for rows of `pixels` pixels, the best first.
SmallVector<ChainSchedule::Tile> tilesFor(nn::ConvOp conv, int64_t pixels, const Target &target) {
  constexpr int64_t kMostRows = 14, kMostVectors = 8;
  SmallVector<std::pair<double, ChainSchedule::Tile>> all;
  for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
    for (int64_t rows = 1; rows <= std::min(kMostRows, pixels); ++rows) {
      bool wider = vectors > 1 && (vectors - 1) * target.lanes(32) >= columnsOf(conv);
      if (fitsRegisters(target, rows, vectors) && !wider)
        all.push_back({pointwiseCycles(conv, {rows, vectors}, 1, pixels, target), {rows, vectors}});
    }
  auto key = [](const auto &entry) {
    return std::tuple(entry.first, -entry.second.vectors, entry.second.rows);
  }; // wide tiles first where costs are equal
  llvm::sort(all, [&](const auto &x, const auto &y) { return key(x) < key(y); });
  return llvm::map_to_vector(all, [](const auto &entry) { return entry.second; });
}
} // namespace

void listSchedules(const ChainProblem &p, const Target &target, SmallVectorImpl<ChainSchedule> &out) {
  constexpr size_t kTilesToTry = 4;
  auto add = [&](const ChainSchedule &s) {
    if (s.validate().empty() &&
        !llvm::is_contained(llvm::map_to_vector(out, [&](const ChainSchedule &o) { return o.attr(p.context()); }), s.attr(p.context())))
      out.push_back(s);
  };
  ChainSchedule best;
  SmallVector<ChainSchedule::Tile> expands, projects;
  if (p.hasExpand())
    expands = tilesFor(p.expand, p.width(), target);
  if (p.hasProject())
    projects = tilesFor(p.project, p.outWidth(), target);
  best.expand = expands.empty() ? ChainSchedule::Tile{1, int64_t(llvm::divideCeil(p.channels(), target.lanes(32)))} : expands.front();
  best.project = projects.empty() ? ChainSchedule::Tile{1, 1} : projects.front();
  best.pixels = depthwisePixels(target, p.windowWidth(), p.stride());
  best.tasks = std::max(target.cores, 1); // every share computes the rows above it again
  add(best);
  auto with = [&](auto change) {
    ChainSchedule s = best;
    change(s);
    add(s);
  };
  for (ChainSchedule::Tile tile : ArrayRef(expands).take_front(kTilesToTry))
    with([&](ChainSchedule &s) { s.expand = tile; });
  for (ChainSchedule::Tile tile : ArrayRef(projects).take_front(kTilesToTry))
    with([&](ChainSchedule &s) { s.project = tile; });
  for (int64_t pixels : {4, 5, 6, 7, 8})
    with([&](ChainSchedule &s) { s.pixels = pixels; });
  for (int64_t shares : {2, 4})
    with([&](ChainSchedule &s) { s.tasks = shares * target.cores; });
}

ChainGain chainGain(const ChainProblem &p, const Target &target) {
  // Measured on a server with AVX-512 and 2 MiB of second-level cache, which a tensor of 0.6 MB stays in and one of 1.6 MB does not: to write and
  // to read a byte that leaves it takes a twentieth of a cycle, beside the arithmetic and the prefetches of the processor.
  constexpr double kFarCyclesPerByte = 1. / 20;
  constexpr double kBytes = 4;
  double cores = std::max(target.cores, 1);
  ChainGain gain;
  auto move = [&](double elements) {
    double bytes = elements * kBytes, room = target.l2Bytes / 2;
    double lost = std::clamp((bytes - room) / room, 0., 1.) * bytes * kFarCyclesPerByte;
    gain.separate += lost;
    gain.won += lost;
  };
  // A tile does not go past the end of a row.
  auto cutIntoRows = [&](nn::ConvOp conv, int64_t height, int64_t width) {
    double whole = pointwiseCycles(conv, tilesFor(conv, height * width, target).front(), 1, height * width, target);
    double rows = pointwiseCycles(conv, tilesFor(conv, width, target).front(), height, width, target);
    gain.separate += whole;
    gain.won -= rows - whole;
    return rows / height;
  };
  if (p.hasExpand()) {
    double row = cutIntoRows(p.expand, p.height(), p.width());
    gain.won -= row * std::max<int64_t>(p.window() - p.stride(), 0) * (cores - 1);
    move(double(p.height()) * p.width() * p.channels());
  }
  // Two loads and a multiply-add for a tap, at best.
  gain.separate += double(p.outHeight()) * p.outWidth() * p.channels() * p.tapCount() / target.lanes(32);
  if (p.hasProject()) {
    cutIntoRows(p.project, p.outHeight(), p.outWidth());
    move(double(p.outHeight()) * p.outWidth() * p.channels());
  }
  return gain;
}

} // namespace tenon::cpu
