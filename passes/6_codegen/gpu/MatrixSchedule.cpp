#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include <cmath>

namespace tenon::gpu {
using namespace mlir;

MatrixSchedule MatrixSchedule::of(kernel::ScheduleAttr attr) {
  MatrixSchedule s;
  s.tileRows = attr.get("rows", s.tileRows);
  s.tileColumns = attr.get("columns", s.tileColumns);
  s.warpRows = attr.get("warp_rows", s.warpRows);
  s.warpColumns = attr.get("warp_columns", s.warpColumns);
  s.warpDepth = attr.get("warp_depth", s.warpDepth);
  s.stages = attr.get("stages", s.stages);
  s.splits = attr.get("splits", s.splits);
  s.direct = attr.get("direct", s.direct);
  return s;
}

kernel::ScheduleAttr MatrixSchedule::attr(MLIRContext *context) const {
  return kernel::ScheduleAttr::get(context, "gpu.matrix",
                                   {{"rows", tileRows},
                                    {"columns", tileColumns},
                                    {"warp_rows", warpRows},
                                    {"warp_columns", warpColumns},
                                    {"warp_depth", warpDepth},
                                    {"stages", stages},
                                    {"splits", splits},
                                    {"direct", direct}});
}

std::optional<MatrixProblem> MatrixProblem::of(kernel::FuncOp func, const Target &target) {
  constexpr int kFirstWithAsyncCopies = 80;
  if (target.computeCapability < kFirstWithAsyncCopies)
    return std::nullopt;
  std::optional<cpu::ContractionProblem> contraction = cpu::ContractionProblem::of(func);
  if (!contraction)
    return std::nullopt;
  MatrixProblem p;
  p.contraction = *contraction;
  const cpu::ContractionProblem &c = p.contraction;
  auto elementOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); };
  Type element = elementOf(c.rhs);
  auto depth = c.depth.asConstant(), columns = c.columns.asConstant();
  bool isMatrix = cast<RankedTensorType>(c.rhs.getType()).getRank() == 2 || !c.taps.empty();
  if (!isa<Float16Type, BFloat16Type>(element) || elementOf(c.lhs) != element || !depth || !columns || c.groups != 1 || !isMatrix)
    return std::nullopt;
  bool isPackable = c.rhsConstant() && (c.unpacked() || c.rhsArgument());
  bool hasRows = llvm::any_of(c.rhsRows, [](int axis) { return axis >= 0; });
  if (!isPackable || hasRows || !cpu::Epilogue::matches(c.result) || !cpu::Prologue::matches(c.lhs))
    return std::nullopt;
  if (c.bias && !isa<BlockArgument>(kernel::viewOf(c.bias).source))
    return std::nullopt;
  p.bfloat = isa<BFloat16Type>(element);
  p.columns = *columns;
  p.channels = *depth;
  constexpr int64_t kImageChannels = 4;
  p.paddedChannels = p.channels <= kImageChannels && c.tapCount() > 1 ? kImageChannels : llvm::alignTo(p.channels, MatrixSchedule::kChunk);
  p.paddedTaps = c.taps;
  if (p.paddedChannels % MatrixSchedule::kChunk)
    p.paddedTaps.back() += p.paddedTaps.back() % 2;
  p.depth = p.paddedChannels;
  for (int64_t tap : p.paddedTaps)
    p.depth *= tap;
  if (c.unpacked() && c.unpacked().getPacking() != p.packing())
    return std::nullopt;
  return p;
}

nn::Dim MatrixProblem::rows() const {
  return nn::product(contraction.anchor->getContext(), ArrayRef(contraction.extents).drop_back());
}

kernel::PackingAttr MatrixProblem::packing() const {
  const cpu::ContractionProblem &c = contraction;
  SmallVector<int64_t> padded(cast<RankedTensorType>(c.rhs.getType()).getShape());
  padded[c.rhsColumn] = packedColumns();
  padded[c.rhsDepth] = paddedChannels;
  SmallVector<int64_t> perm{c.rhsColumn};
  for (auto [axis, size] : llvm::enumerate(paddedTaps)) {
    padded[c.rhsTap + axis] = size;
    perm.push_back(c.rhsTap + axis);
  }
  perm.push_back(c.rhsDepth);
  return kernel::PackingAttr::get(c.anchor->getContext(), padded, padded, perm);
}

namespace {
constexpr int64_t kSharedLimit = 96 << 10; // two blocks on a multiprocessor, and every architecture from sm_80 on
constexpr int64_t kSharedOfMultiprocessor = 220 << 10, kThreadsOfMultiprocessor = 2048, kRegistersOfMultiprocessor = 65536;

/// Registers of a thread of a direct schedule, about.
int64_t directRegisters(const MatrixSchedule &s) {
  constexpr int64_t kOther = 50, kWordsOfChunk = 4, kAddress = 3;
  int64_t fragments = (s.tileRows + s.tileColumns) / MatrixSchedule::kChunk;
  return kOther + fragments * (kWordsOfChunk * s.stages + kAddress) + s.tileRows * s.tileColumns / 32;
}

/// Blocks of the busiest multiprocessor.
int64_t blocksOfMultiprocessor(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns);
  return std::max<int64_t>(1, llvm::divideCeil(tiles * s.splits, int64_t(target.cores)));
}

/// Microseconds of a kernel of a chain, where each starts while the one before ends. Fitted to a sweep of all direct schedules over 40 layers of
/// ResNet-50, MobileNetV2, YOLOv8n, BERT and ViT on an H100: what it chooses is 5% slower than the best of each on average.
double directCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 1.27, kLatency = 1.2;                                            // of a kernel; of a load under way with others
  constexpr double kCycles = 4 * 1700;                                                       // of the four schedulers, in a microsecond
  constexpr double kRowCycles = 7.25, kColumnCycles = 15, kProductCycles = 1.1, kRest = 180; // a warp's, of a step
  constexpr double kBytesPerMicrosecond = 61e3, kAllBytesPerMicrosecond = 7.85e6;            // to a multiprocessor, to all
  constexpr double kElement = 2.7e-4, kPart = 0.024;                                         // of the epilogue; of reading a warp's sums
  constexpr int64_t kBlocksOfMultiprocessor = 32;
  int64_t blocks = blocksOfMultiprocessor(s, rows, p, target);
  int64_t together = std::min({blocks, kBlocksOfMultiprocessor, kSharedOfMultiprocessor / s.sharedBytes(), kThreadsOfMultiprocessor / s.threads(),
                               std::max<int64_t>(1, kRegistersOfMultiprocessor / (s.threads() * directRegisters(s)))});
  double warps = double(together * s.warpDepth), rowFragments = double(s.tileRows) / 8, columnFragments = double(s.tileColumns) / 8;
  double cycles = kRest + kRowCycles * rowFragments + kColumnCycles * columnFragments + kProductCycles * rowFragments * columnFragments;
  double bytes = double(s.tileRows + s.tileColumns) * double(MatrixSchedule::kDirectStep) * 2;
  double busy = std::max(cycles * warps / kCycles, bytes * warps / kBytesPerMicrosecond);
  double steps = double(llvm::divideCeil(p.steps(s), s.warpDepth)), ahead = std::min(steps, double(s.stages));
  double loop = (steps - ahead) * std::max(kLatency / double(s.stages), busy) + ahead * busy;
  double ends = kElement * double(s.tileRows * s.tileColumns * together) + kPart * double(s.warpDepth);
  double tiles = double(llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns));
  double traffic = tiles * double(s.warpDepth) * (double(s.tileRows) * steps + double(s.tileColumns) * (steps + double(s.stages))) * 64;
  return kStart + std::max(double(llvm::divideCeil(blocks, together)) * (loop + ends), traffic / kAllBytesPerMicrosecond);
}

/// The same of a schedule with stages, fitted to 53 kernels of the same networks: most of them within 15%.
double costOf(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  if (s.direct)
    return directCost(s, rows, p, target);
  constexpr double kStart = 1.3;                                              // of a block, until its first stage is there
  constexpr double kFlopsPerMicrosecond = 1.2e6, kBytesPerMicrosecond = 86e3; // of a multiprocessor
  constexpr double kStep = 0.008, kProducts = 0.25;  // of a step: barrier and copies, and the chain of its products, which warps share
  constexpr double kLatency = 0.88;                  // from a copy's start to its end
  constexpr double kCluster = 2.6, kShared = 1.9e-4; // adding up the sums of a cluster: a fixed part, and for each element of the tile
  constexpr double kElement = 1.1e-4, kPart = 0.038; // of the epilogue; of reading one more warp's or block's sums
  int64_t blocks = blocksOfMultiprocessor(s, rows, p, target);
  int64_t together = std::min({blocks, kSharedOfMultiprocessor / s.sharedBytes(), kThreadsOfMultiprocessor / s.threads()});
  double elements = double(s.tileRows * s.tileColumns), flops = 2 * elements * double(MatrixSchedule::kStep * together);
  double step = std::max({flops / kFlopsPerMicrosecond, double(s.stageBytes() * together) / kBytesPerMicrosecond,
                          kStep + kProducts / double(s.warpDepth), kLatency / double(s.stages - 1)});
  double steps = double(llvm::divideCeil(p.steps(s), s.splits)), waves = double(llvm::divideCeil(blocks, together));
  double ends = kElement * elements * double(together) + kPart * double(s.splits * s.warpDepth);
  return waves * (kStart + steps * step + ends) + (s.splits == 1 ? 0 : kCluster + kShared * elements);
}

SmallVector<MatrixSchedule> directSchedules(const MatrixProblem &p) {
  constexpr int64_t kMostRegisters = 240, kLargestTile = 2048;
  SmallVector<MatrixSchedule> schedules;
  if (p.channels % MatrixSchedule::kChunk || !isa<BlockArgument>(kernel::viewOf(p.contraction.lhs).source))
    return schedules; // gathers are shared by more columns in a stage
  for (int64_t rows : {16, 32, 64})
    for (int64_t columns : {16, 32, 64})
      for (int64_t warps : {1, 2, 4, 8, 16})
        for (int64_t stages : {1, 2}) {
          MatrixSchedule s{rows, columns, 1, 1, warps, stages, 1, /*direct=*/true};
          bool isNeedless = warps > p.steps(s) || (stages > 1 && warps * (stages / 2) >= p.steps(s));
          int64_t registers = directRegisters(s);
          bool fits = rows * columns <= kLargestTile && registers <= kMostRegisters && registers * s.threads() <= kRegistersOfMultiprocessor &&
                      s.sharedBytes() <= kSharedLimit;
          if (!isNeedless && fits)
            schedules.push_back(s);
        }
  return schedules;
}
} // namespace

SmallVector<MatrixSchedule> matrixSchedules(const MatrixProblem &p, const Target &target) {
  struct Shape {
    int64_t rows, columns, warpRows, warpColumns, warpDepth, stages;
  };
  static constexpr Shape kShapes[] = {{64, 64, 2, 2, 4, 6},  {64, 64, 4, 2, 2, 6},  {64, 64, 4, 2, 1, 6},   {64, 32, 4, 1, 4, 8},
                                      {64, 32, 4, 1, 2, 8},  {64, 32, 4, 1, 1, 8},  {32, 32, 2, 1, 4, 10},  {32, 32, 2, 1, 2, 10},
                                      {32, 64, 1, 4, 4, 8},  {32, 64, 1, 4, 2, 8},  {128, 64, 4, 2, 2, 4},  {128, 64, 4, 2, 1, 4},
                                      {128, 32, 4, 1, 2, 5}, {128, 32, 4, 1, 1, 5}, {128, 128, 4, 2, 1, 3}, {64, 128, 2, 4, 1, 4}};
  constexpr int kFirstWithClusters = 90, kClusterless = 1;
  int64_t rows = p.contraction.typical(p.rows());
  SmallVector<std::pair<double, MatrixSchedule>> ranked;
  for (const Shape &shape : kShapes)
    for (int64_t splits : {1, 2, 4, 8}) {
      // Elements that are gathered one by one are there at once: stages would be code without use.
      constexpr int64_t kGatheredStages = 3;
      int64_t stages = p.channels % MatrixSchedule::kChunk ? std::min(shape.stages, kGatheredStages) : shape.stages;
      MatrixSchedule s{shape.rows, shape.columns, shape.warpRows, shape.warpColumns, shape.warpDepth, stages, splits};
      bool needless = splits > 1 && p.steps(s) < 2 * splits;
      bool fits = s.sharedBytes() <= kSharedLimit && s.tileRows % splits == 0;
      if (needless || !fits || splits > (target.computeCapability >= kFirstWithClusters ? 8 : kClusterless))
        continue;
      ranked.push_back({costOf(s, rows, p, target), s});
    }
  for (const MatrixSchedule &s : directSchedules(p))
    ranked.push_back({costOf(s, rows, p, target), s});
  auto order = [](const std::pair<double, MatrixSchedule> &entry) {
    const MatrixSchedule &s = entry.second;
    return std::tuple(entry.first, s.splits, s.tileRows, s.tileColumns, s.warpDepth, s.stages);
  };
  llvm::sort(ranked, [&](const auto &a, const auto &b) { return order(a) < order(b); });
  return llvm::map_to_vector(ranked, [](const auto &entry) { return entry.second; });
}

} // namespace tenon::gpu
