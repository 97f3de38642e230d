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
                                    {"splits", splits}});
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
/// Microseconds of a kernel beyond its launch, fitted to runs of ResNet-50's and YOLOv8n's layers on Hopper; only the order of candidates matters.
double costOf(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kFlopsPerMicrosecond = 4.5e6, kBytesPerMicrosecond = 60e3; // of a multiprocessor
  constexpr double kStep = 0.08, kProducts = 0.18;                            // barrier and copies; the chain of a step's products
  constexpr double kLatency = 0.7;                                            // from a copy's start to its end
  constexpr double kPair = 2.0, kCluster = 2.8;                               // adding up two blocks' sums, or more
  constexpr double kPart = 0.03;                                              // reading one more warp's or block's sums
  constexpr int64_t kSharedOfMultiprocessor = 220 << 10, kThreadsOfMultiprocessor = 2048;
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns);
  int64_t blocks = std::max<int64_t>(1, llvm::divideCeil(tiles * s.splits, int64_t(target.cores))); // of the busiest multiprocessor
  int64_t together = std::min({blocks, kSharedOfMultiprocessor / s.sharedBytes(), kThreadsOfMultiprocessor / s.threads()});
  double flops = 2.0 * double(s.tileRows * s.tileColumns * MatrixSchedule::kStep * together), bytes = double(s.stageBytes() * together);
  double step = std::max(
      {flops / kFlopsPerMicrosecond, bytes / kBytesPerMicrosecond, kStep + kProducts / double(s.warpDepth), kLatency / double(s.stages - 1)});
  double steps = double(llvm::divideCeil(p.steps(), s.splits)), waves = double(llvm::divideCeil(blocks, together));
  double ends = 1e-4 * double(s.tileRows * s.tileColumns * together) / 4; // the epilogue's stores
  ends += kPart * double(s.splits * s.warpDepth);
  return waves * (steps * step + ends) + (s.splits == 1 ? 0 : s.splits == 2 ? kPair : kCluster);
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
  constexpr int64_t kSharedLimit = 96 << 10; // two blocks on a multiprocessor, and every architecture from sm_80 on
  int64_t rows = p.contraction.typical(p.rows());
  SmallVector<std::pair<double, MatrixSchedule>> ranked;
  for (const Shape &shape : kShapes)
    for (int64_t splits : {1, 2, 4, 8}) {
      // Elements that are gathered one by one are there at once: stages would be code without use.
      constexpr int64_t kGatheredStages = 3;
      int64_t stages = p.channels % MatrixSchedule::kChunk ? std::min(shape.stages, kGatheredStages) : shape.stages;
      MatrixSchedule s{shape.rows, shape.columns, shape.warpRows, shape.warpColumns, shape.warpDepth, stages, splits};
      bool needless = splits > 1 && p.steps() < 2 * splits;
      bool fits = s.sharedBytes() <= kSharedLimit && s.tileRows % splits == 0;
      if (needless || !fits || splits > (target.computeCapability >= kFirstWithClusters ? 8 : kClusterless))
        continue;
      ranked.push_back({costOf(s, rows, p, target), s});
    }
  auto order = [](const std::pair<double, MatrixSchedule> &entry) {
    const MatrixSchedule &s = entry.second;
    return std::tuple(entry.first, s.splits, s.tileRows, s.tileColumns, s.warpDepth);
  };
  llvm::sort(ranked, [&](const auto &a, const auto &b) { return order(a) < order(b); });
  return llvm::map_to_vector(ranked, [](const auto &entry) { return entry.second; });
}

} // namespace tenon::gpu
