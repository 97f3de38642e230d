// How long a schedule of the matrix family takes, about.
#include "passes/6_codegen/gpu/MatrixCost.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/gpu/MatrixResident.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr double kComputed = 0.27; // microseconds of a step whose lhs is computed on its way: nothing is under way meanwhile

/// Whether lhs is memory, not what a kernel makes of it on its way in.
bool isMemory(const MatrixProblem &p) {
  return llvm::all_of(p.parts, [](Value part) { return isa<BlockArgument>(kernel::viewOf(part).source); });
}
} // namespace

int64_t directRegisters(const MatrixSchedule &s, const MatrixProblem &p) {
  constexpr int64_t kOther = 50, kWordsOfChunk = 4, kWordsOfProduct = 2, kAddress = 3;
  int64_t fragments = (s.tileRows + s.tileColumns) / MatrixSchedule::kChunk, parts = p.inParts ? 2 * kWordsOfProduct : 0;
  return kOther + fragments * (kWordsOfChunk * s.stages + kAddress + parts) + s.tileRows * s.tileColumns / 32;
}

namespace {
/// Blocks of the busiest multiprocessor.
int64_t blocksOfMultiprocessor(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns);
  return std::max<int64_t>(1, llvm::divideCeil(tiles * s.splits, int64_t(target.cores)));
}

/// Of `blocks`, how many a multiprocessor has shared memory and threads for.
int64_t blocksTogether(int64_t blocks, const MatrixSchedule &s, const Target &target) {
  return std::max<int64_t>(1, std::min({blocks, sharedOfMultiprocessor(target) / s.sharedBytes(), limitsOf(target).threads / s.threads()}));
}

/// What a step waits for copies at least, of which some are under way together; where all are, only the first step waits, which is part of the start.
double copyBound(const MatrixSchedule &s, const MatrixProblem &p, double latency) {
  return s.isAtOnce(p.steps(s)) ? 0 : latency / double(std::max<int64_t>(1, s.stages - s.round));
}

/// Microseconds of a kernel of a chain, where each starts while the one before ends. Fitted to a sweep of all direct schedules over 40 layers of
/// ResNet-50, MobileNetV2, YOLOv8n, BERT and ViT on an H100: what it chooses is 5% slower than the best of each on average.
double directCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 1.27, kLatency = 1.2;                                            // of a kernel; of a load under way with others
  constexpr double kCycles = 4 * 1700;                                                       // of the four schedulers, in a microsecond
  constexpr double kRowCycles = 7.25, kColumnCycles = 15, kProductCycles = 1.1, kRest = 180; // a warp's, of a step
  constexpr double kComputedRowCycles = 60, kPartCycles = 20; // of a fragment's words in two parts
  constexpr double kBytesPerMicrosecond = 61e3, kAllBytesPerMicrosecond = 7.85e6; // to a multiprocessor, to all
  constexpr double kElement = 2.7e-4, kPart = 0.024;                              // of the epilogue; of reading a warp's sums
  int64_t blocks = blocksOfMultiprocessor(s, rows, p, target);
  int64_t together = std::min({blocksTogether(blocks, s, target), limitsOf(target).blocks,
                               std::max<int64_t>(1, kRegistersOfMultiprocessor / (s.threads() * directRegisters(s, p)))});
  double warps = double(together * s.warpDepth), rowFragments = double(s.tileRows) / 8, columnFragments = double(s.tileColumns) / 8;
  double cycles = kRest + (isMemory(p) ? kRowCycles : kComputedRowCycles) * rowFragments + kColumnCycles * columnFragments +
                  kProductCycles * rowFragments * columnFragments;
  if (p.inParts)
    cycles += kPartCycles * (rowFragments + columnFragments) + 2 * kProductCycles * rowFragments * columnFragments;
  double bytes = double(s.tileRows + s.tileColumns) * double(MatrixSchedule::kDirectStep) * 2;
  double busy = std::max(cycles * warps / kCycles, bytes * warps / kBytesPerMicrosecond);
  double steps = double(llvm::divideCeil(p.steps(s), s.warpDepth)), ahead = std::min(steps, double(s.stages));
  double loop = (steps - ahead) * std::max(kLatency / double(s.stages), busy) + ahead * busy;
  double ends = kElement * double(s.tileRows * s.tileColumns * together) + kPart * double(s.warpDepth);
  double tiles = double(llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns));
  double traffic = tiles * double(s.warpDepth) * (double(s.tileRows) * steps + double(s.tileColumns) * (steps + double(s.stages))) * 64;
  return kStart + std::max(double(llvm::divideCeil(blocks, together)) * (loop + ends), traffic / kAllBytesPerMicrosecond);
}

/// How long a product of f32 in parts takes, in products of halves: besides the three a thread takes each word of its fragments apart.
double costOfParts(const MatrixSchedule &s, const MatrixProblem &p) {
  constexpr double kPacked = 4, kWordsOfLeft = 4, kWordsOfRight = 2; // the first fitted to products of packed weights, whose tiles are small
  if (!p.ofRun)
    return kPacked;
  double down = double(s.tileRows / s.warpRows) / 16, across = double(s.tileColumns / s.warpColumns) / 8;
  return 1 + (kWordsOfLeft * down + kWordsOfRight * across) / (down * across); // within 20% at 4096x4096x4096 on an H200
}

/// What threads of products of a run do once, most of it to find their places: fitted to 28 schedules of 384 products of 197x64x197 on an H200.
double placesCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kThread = 2.5e-3; // of a multiprocessor
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns);
  return p.ofRun ? kThread * double(tiles * s.splits * s.threads()) / double(target.cores) : 0;
}

/// The same of a schedule with stages, fitted to 53 kernels of the same networks: most of them within 15%.
double warpCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 1.3;                                              // of a block, until its first stage is there
  constexpr double kFlopsPerMicrosecond = 1.2e6, kBytesPerMicrosecond = 86e3; // of a multiprocessor
  constexpr double kStep = 0.008, kProducts = 0.25;  // of a step: barrier and copies, and the chain of its products, which warps share
  constexpr double kLatency = 0.88;                  // from a copy's start to its end
  constexpr double kCluster = 0.9, kShared = 2e-5;   // adding up the sums of a cluster: a fixed part, and for each element of the tile
  constexpr double kElement = 1.1e-4, kPart = 0.038; // of the epilogue; of reading one more warp's or block's sums
  int64_t blocks = blocksOfMultiprocessor(s, rows, p, target);
  int64_t together = blocksTogether(blocks, s, target);
  double elements = double(s.tileRows * s.tileColumns),
         flops = 2 * elements * double(MatrixSchedule::kStep * together) * (p.inParts ? costOfParts(s, p) : 1);
  double step = std::max({flops / kFlopsPerMicrosecond, double(s.stageBytes() * together) / kBytesPerMicrosecond,
                          kStep + kProducts / double(s.warpDepth), copyBound(s, p, kLatency), isMemory(p) ? 0 : kComputed});
  double steps = double(s.stepsOfBlock(p.steps(s))), waves = double(llvm::divideCeil(blocks, together));
  double ends = kElement * elements * double(together) + kPart * double(s.warpDepth);
  return waves * (kStart + steps * step + ends) + (s.splits == 1 ? 0 : kCluster + kShared * elements);
}

/// The same of a schedule of groups, fitted to 1000 of them, of 57 layers at batch 1 and 32: what all three choose together is 5% slower than the
/// best of each layer on average.
double groupCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 0.55, kFlopsPerMicrosecond = 5.3e6, kBytesPerMicrosecond = 164e3, kAllBytesPerMicrosecond = 7.4e6;
  constexpr double kRound = 0.081, kProducts = 0.146, kLatency = 0.93; // of the barrier of a round; as in warpCost
  constexpr double kCluster = 0.8, kShared = 1.9e-6, kElement = 2.7e-4, kPart = 0.29;
  constexpr int64_t kOtherRegisters = 17, kMostRegisters = 255;
  int64_t blocks = blocksOfMultiprocessor(s, rows, p, target), elements = s.tileRows * s.tileColumns;
  int64_t registers = std::min(kMostRegisters, kOtherRegisters + elements * s.warpDepth / s.threads());
  int64_t together = std::max<int64_t>(1, std::min(blocksTogether(blocks, s, target), kRegistersOfMultiprocessor / (s.threads() * registers)));
  double step = std::max({2 * double(elements * MatrixSchedule::kStep * together) / kFlopsPerMicrosecond,
                          double(s.stageBytes() * together) / kBytesPerMicrosecond, kRound / double(s.round) + kProducts / double(s.warpDepth),
                          copyBound(s, p, kLatency), isMemory(p) ? 0 : kComputed});
  double steps = double(s.stepsOfBlock(p.steps(s))), waves = double(llvm::divideCeil(blocks, together));
  double ends = kElement * double(elements * together) + kPart * double(s.warpDepth);
  double time = waves * (steps * step + ends) + (s.splits == 1 ? 0 : kCluster + kShared * double(elements));
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns) * s.splits;
  return kStart + std::max(time, double(tiles) * steps * double(s.stageBytes()) / kAllBytesPerMicrosecond);
}

/// The same of a pipeline, fitted to 45 kernels of ResNet-50, BERT and ViT at batch 32 on an H200: most of them within 15%.
double pipelineCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 2, kFlopsPerMicrosecond = 5.3e6;
  constexpr double kGathered = 0.05, kCopied = 0.03; // of a step: what a copying thread does for each of its rows, with taps and without
  constexpr double kElement = 8e-5, kResidual = 6e-5; // of the epilogue, which nothing hides
  constexpr int64_t kRowsAtOnce = 12;
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns), elements = s.tileRows * s.tileColumns;
  double copies = double(llvm::divideCeil(s.tileRows, kRowsAtOnce)) * (p.contraction.tapCount() > 1 ? kGathered : kCopied);
  double step = std::max({2 * double(elements * MatrixSchedule::kStep) / kFlopsPerMicrosecond, copies, isMemory(p) ? 0 : 4 * kComputed});
  double waves = double(llvm::divideCeil(tiles, int64_t(target.cores) * s.together));
  double epilogue = kElement + (p.readsResidual() ? kResidual : 0);
  return kStart + waves * (double(p.steps(s)) * step + epilogue * double(elements));
}

/// The same of resident weights, fitted to 30 kernels of ResNet-50, YOLOv8n and MobileNetV2 at batch 32 on an H200: most of them within 20%.
double residentCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 2.5, kTile = 0.4, kElement = 8e-5; // of a team: waiting, and storing an element
  constexpr double kCycles = 1700, kLeftCycles = 16, kBytesOfCycle = 9.6, kAllBytesPerMicrosecond = 4.5e6;
  constexpr double kMappedBytesOfCycle = 24; // gpu-conv-int8.md: 5.5 TB/s of rows of 64 bytes; what a tuner tries first depends on it, no choice
  ResidentLayout l = residentLayout(p, s);
  double columns = double(s.tileColumns), parallel = double(s.teams * s.together), elements = double(s.tileRows) * columns;
  double steps = double(p.contraction.tapCount() * l.planes / 2 * (s.tileRows / MatrixSchedule::kGroupRows));
  double products = steps * std::max(columns / 2, kLeftCycles + columns / 4) / kCycles; // or what they read of shared memory
  double copies = double(l.copied() * l.chunks * 16) / (s.tma ? kMappedBytesOfCycle : kBytesOfCycle) / kCycles;
  double tile = std::max(products, copies + (products + kElement * elements + kTile) / parallel);
  double all = double(residentTiles(p, s).asConstant().value_or(1) * residentTilesAcross(p, s));
  double tiles = std::ceil(all / (target.cores * parallel)) * parallel;
  double bytes = 2 * double(rows) * double(p.channels + p.columns * (p.readsResidual() ? 2 : 1));
  return kStart + std::max(tiles * tile, bytes / kAllBytesPerMicrosecond);
}
/// The same of tiles that come through tensor maps, fitted to the four products of BERT at batch 32 on an H200.
double tmaCost(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  constexpr double kStart = 2.2, kFlopsPerMicrosecond = 6e6, kBytesPerMicrosecond = 95e3; // of a multiprocessor
  constexpr double kElement = 6.5e-5, kResidual = 2e-5;                                   // of the epilogue, which nothing hides
  constexpr double kRowValues = 5e-5, kRowSums = 1.2e-4;                                  // where it reads values of rows, and gives sums of them
  double elements = double(s.tileRows * s.tileColumns);
  double step = std::max(2 * elements * double(MatrixSchedule::kStep) / kFlopsPerMicrosecond, double(s.stageBytes()) / kBytesPerMicrosecond);
  double epilogue = kElement + (p.readsResidual() ? kResidual : 0) + (p.rowValues ? kRowValues : 0) + (p.sumsRows ? kRowSums : 0);
  constexpr double kCluster = 1.2; // of blocks that exchange sums
  double tile = double(s.stepsOfBlock(p.steps(s))) * step + epilogue * elements / double(s.splits) + (s.splits > 1 ? kCluster : 0);
  int64_t tiles = llvm::divideCeil(rows, s.tileRows) * llvm::divideCeil(p.columns, s.tileColumns);
  return kStart + double(llvm::divideCeil(tiles * s.splits, target.cores * s.together) * s.together) * tile;
}
} // namespace

double costOf(const MatrixSchedule &s, int64_t rows, const MatrixProblem &p, const Target &target) {
  if (s.resident)
    return residentCost(s, rows, p, target);
  if (s.tma)
    return tmaCost(s, rows, p, target);
  if (s.pipeline)
    return pipelineCost(s, rows, p, target);
  if (s.direct)
    return directCost(s, rows, p, target);
  return placesCost(s, rows, p, target) + (s.groups ? groupCost(s, rows, p, target) : warpCost(s, rows, p, target));
}

} // namespace tenon::gpu
