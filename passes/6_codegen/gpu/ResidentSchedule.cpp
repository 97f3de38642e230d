// Which contractions keep their weights, and in what tiles.
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixMaps.h"
#include "passes/6_codegen/gpu/MatrixResident.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kChunkBytes = 16;
constexpr int64_t kSharedOfMultiprocessor = 226 << 10, kReserved = 1 << 10; // of each block, by the driver

bool hasWindows(const MatrixProblem &p) { return p.contraction.tapCount() > 1; }

int64_t strideOf(const MatrixProblem &p) { return hasWindows(p) ? p.contraction.lhsAxes[1].rowScale : 1; }

/// A window over pixels of an image, at stride 1 or 2.
bool isWindow(const MatrixProblem &p) {
  const cpu::ContractionProblem &c = p.contraction;
  if (c.taps.size() != 2 || c.extents.size() != 4 || c.lhsAxes.size() != 4 || c.lhsChannel != 3 || p.paddedTaps != c.taps)
    return false;
  const cpu::LhsAxis &image = c.lhsAxes[0];
  constexpr int64_t kMostStride = 2;
  bool isDense = image.rowAxis == 0 && image.rowScale == 1 && image.tapAxis < 0 && image.shift == 0 && strideOf(p) <= kMostStride;
  for (int axis : {1, 2}) {
    const cpu::LhsAxis &a = c.lhsAxes[axis];
    isDense &= a.rowAxis == axis && a.rowScale == strideOf(p) && a.tapAxis == axis - 1 && a.tapScale == 1;
    isDense &= c.extents[axis].isConstant() && nn::dimOf(p.lhs.getType(), axis).isConstant();
  }
  return isDense;
}

/// Rows of a matrix that lie one distance apart, however many axes they have.
bool hasOneStride(const MatrixProblem &p) {
  const cpu::ContractionProblem &c = p.contraction;
  kernel::View view = kernel::viewOf(p.lhs);
  std::optional<nn::Dim> expected;
  for (int axis = c.rowAxes() - 1; axis >= 0; --axis) {
    if (c.extents[axis].isConstant(1))
      continue;
    const auto *own = llvm::find_if(c.lhsAxes, [&](const cpu::LhsAxis &a) { return a.rowAxis == axis; });
    if (own == c.lhsAxes.end() || own->rowScale != 1 || own->shift != 0)
      return false;
    nn::Dim stride = view.strides[own - c.lhsAxes.begin()];
    if (expected && stride != *expected)
      return false;
    expected = stride * c.extents[axis];
  }
  return expected.has_value();
}

/// As many stages as there is room for, up to what keeps memory busy.
bool chooseStages(MatrixSchedule &s, const MatrixProblem &p) {
  constexpr int64_t kMostStages = 8, kUnderWay = 96 << 10; // bytes
  int64_t room = kSharedOfMultiprocessor / s.together - kReserved;
  int64_t least = std::max<int64_t>(2, s.teams);
  for (s.stages = kMostStages; s.stages >= least; --s.stages) {
    ResidentLayout l = residentLayout(p, s);
    if (l.sharedBytes <= room && (s.stages <= s.teams + 1 || s.stages * l.stageBytes * s.together <= kUnderWay))
      return true;
  }
  return false;
}

/// The widths that leave the fewest rows of tiles unused: an image in so many equal parts.
SmallVector<int64_t> widths(const MatrixProblem &p, int64_t tileRows, bool isMapped) {
  const size_t most = isMapped ? 2 : 1;
  const double copied = isMapped ? 0.25 : 0.5; // what a pixel costs that is copied, where one is 1 that is multiplied
  const cpu::ContractionProblem &c = p.contraction;
  int64_t rows = *c.extents[1].asConstant(), pixels = *c.extents[2].asConstant(), stride = strideOf(p);
  SmallVector<std::pair<double, int64_t>> ranked;
  for (int64_t parts = 1; parts <= pixels; ++parts) {
    int64_t width = llvm::divideCeil(pixels, parts), pitch = width + (c.taps[1] - 1) / stride, height = std::min(rows, tileRows / pitch);
    if (height < 1)
      continue;
    if (width <= c.taps[1])
      break;
    double tiles = double(parts * llvm::divideCeil(rows, height));
    double cost = tiles * (double(tileRows) + copied * double((height + (c.taps[0] - 1) / stride) * pitch * stride * stride));
    if (llvm::none_of(ranked, [&](const auto &known) { return known.second == width; }))
      ranked.push_back({cost, width});
  }
  llvm::sort(ranked);
  ranked.resize(std::min(ranked.size(), most));
  return llvm::map_to_vector(ranked, [](const auto &entry) { return entry.second; });
}
} // namespace

/// Whether a row of the copy has two neighbouring pixels: those of one remainder alone would be rows of half the bytes.
static bool pairsPixels(const MatrixProblem &p) {
  constexpr int64_t kMostUnits = 32;
  const cpu::ContractionProblem &c = p.contraction;
  if (strideOf(p) != 2 || p.channels > kMostUnits || !llvm::isPowerOf2_64(uint64_t(p.channels)))
    return false;
  int64_t shift = c.lhsAxes[2].shift, pairs = llvm::divideFloorSigned(shift + c.taps[1] - 1, 2) - llvm::divideFloorSigned(shift, 2);
  return pairs == (c.taps[1] - 1) / 2 && kernel::viewOf(p.lhs).strides[2].isConstant(p.elements(p.channels));
}

/// Rows of a stage as tensor maps bring them.
static void addParts(ResidentLayout &l, const MatrixProblem &p) {
  constexpr int64_t kMostUnits = 64, kUnitBytes = 2, kSwizzled = 1024; // of a row; bytes after which exchanged chunks lie as before
  l.pairsPixels = pairsPixels(p);
  l.stageBytes = 0;
  for (int64_t channel = 0; channel < p.channels;) {
    ResidentLayout::Part part;
    part.channel = channel;
    part.channels = std::min(kMostUnits, int64_t(llvm::bit_floor(uint64_t(p.channels - channel))));
    part.rowBytes = part.channels * kUnitBytes * (l.pairsPixels ? 2 : 1);
    part.at = l.stageBytes;
    part.regionBytes = int64_t(llvm::alignTo(l.planeRows * part.rowBytes, kSwizzled));
    l.stageBytes += l.regions() * part.regionBytes;
    channel += part.channels;
    l.parts.push_back(part);
  }
  l.stagesAt = int64_t(llvm::alignTo(l.weightBytes, kSwizzled));
}

int64_t ResidentLayout::mappedBytes() const {
  int64_t bytes = 0;
  for (const Part &part : parts)
    bytes += regions() * down * pitch * part.rowBytes;
  return bytes;
}

ResidentLayout residentLayout(const MatrixProblem &p, const MatrixSchedule &s) {
  const cpu::ContractionProblem &c = p.contraction;
  ResidentLayout l;
  l.chunks = p.channels / kChunk;
  l.pairsTaps = p.isBytes() && hasWindows(p) && l.chunks % 2;
  l.planes = l.pairsTaps ? l.chunks : int64_t(llvm::alignTo(l.chunks, 2));
  l.pitch = l.planeRows = s.tileRows;
  l.down = 1;
  if (s.tileWidth) {
    l.stride = strideOf(p);
    l.width = s.tileWidth;
    int64_t reachDown = (c.taps[0] - 1) / l.stride, reachAcross = (c.taps[1] - 1) / l.stride;
    l.pitch = s.tileWidth + reachAcross;
    l.height = std::min(*c.extents[1].asConstant(), s.tileRows / l.pitch);
    l.down = l.height + reachDown;
    // Rows past the tile's last one read as far behind the copy.
    l.planeRows = std::max(l.down * l.pitch, s.tileRows + reachDown * l.pitch + reachAcross);
  }
  l.planeRows = int64_t(llvm::alignTo(l.planeRows, 8));
  int64_t zeros = l.pairsTaps ? 1 : l.planes - l.chunks; // chunks of weights
  l.weightBytes = (p.contraction.tapCount() * l.chunks + zeros) * s.tileColumns * kChunkBytes;
  l.stageBytes = l.stride * l.stride * l.planes * l.planeRows * kChunkBytes;
  l.piece = p.partColumns(s) ? 0 : MatrixSchedule::largestPiece(s.tileColumns, MatrixSchedule::kMostPiece);
  l.stagesAt = l.weightBytes;
  if (s.tma)
    addParts(l, p);
  l.piecesAt = l.stagesAt + s.stages * l.stageBytes;
  l.barriersAt = l.piecesAt + (l.piece ? 4 * s.teams * MatrixSchedule::pieceBytes(l.piece) : 0);
  constexpr int64_t kBarrierBytes = 8;
  l.sharedBytes = l.barriersAt + (2 * s.stages + 1) * kBarrierBytes;
  return l;
}

int64_t residentRegisters(const MatrixSchedule &s) {
  constexpr int64_t kRegisters = 65536, kFourWarps = 128; // of a multiprocessor; threads of one warp of each of its four schedulers
  return kRegisters / (int64_t(llvm::alignTo(s.threads(), kFourWarps)) * s.together);
}

int64_t residentTilesAcross(const MatrixProblem &p, const MatrixSchedule &s) {
  return int64_t(llvm::divideCeil(p.columns, s.tileColumns));
}

nn::Dim residentTiles(const MatrixProblem &p, const MatrixSchedule &s) {
  if (!s.tileWidth)
    return p.rows().ceilDiv(s.tileRows);
  ResidentLayout l = residentLayout(p, s);
  const cpu::ContractionProblem &c = p.contraction;
  return c.extents[0] * c.extents[1].ceilDiv(l.height) * c.extents[2].ceilDiv(l.width);
}

nn::Dim residentBlocks(const MatrixProblem &p, const MatrixSchedule &s, const Target &target) {
  nn::Dim tiles = residentTiles(p, s);
  std::optional<int64_t> count = tiles.asConstant();
  if (!count)
    return tiles;
  // As many as are needed for the same number of rounds of all teams.
  int64_t across = residentTilesAcross(p, s), most = std::max<int64_t>(1, target.cores * s.together / across) * s.teams;
  int64_t rounds = llvm::divideCeil(*count, most);
  return nn::Dim::constant(tiles.context(), across * int64_t(llvm::divideCeil(llvm::divideCeil(*count, rounds), s.teams)));
}

static void addSchedules(const MatrixProblem &p, int64_t columns, bool isMapped, const Target &target, SmallVectorImpl<MatrixSchedule> &schedules) {
  constexpr int64_t kFewTiles = 2, kGroup = 64, kWideColumns = 128;
  struct Shape {
    int64_t groups, teams, together;
  };
  static constexpr Shape kShapes[] = {{2, 2, 1}, {2, 3, 1}, {2, 4, 1}, {2, 1, 2}, {2, 2, 2}, {2, 1, 3}, {1, 3, 1}, {1, 4, 1}, {1, 2, 2}, {1, 2, 3}};
  static constexpr Shape kMappedShapes[] = {{2, 2, 1}, {2, 3, 1}, {2, 4, 1}, {2, 1, 2}, {2, 2, 2}, {2, 1, 3}, {2, 1, 4}, {1, 3, 1}, {1, 4, 1},
                                            {1, 2, 1}, {1, 2, 2}, {1, 3, 2}, {1, 2, 3}, {1, 1, 4}, {4, 1, 1}, {4, 2, 1}, {4, 1, 2}};
  for (const Shape &shape : isMapped ? ArrayRef(kMappedShapes) : ArrayRef(kShapes)) {
    MatrixSchedule s;
    s.tileRows = shape.groups * kGroup;
    s.tileColumns = columns;
    s.warpRows = 4;
    s.warpColumns = 1;
    s.groups = s.resident = true;
    s.tma = isMapped;
    s.teams = shape.teams;
    s.together = shape.together;
    // Sums of a thread, and what else it has in registers.
    constexpr int64_t kOtherRegisters = 64;
    int64_t registers = residentRegisters(s);
    if ((shape.groups > 1 && s.tileColumns > kWideColumns) || shape.groups * s.tileColumns / 2 + kOtherRegisters > registers)
      continue;
    for (int64_t width : hasWindows(p) ? widths(p, s.tileRows, isMapped) : SmallVector<int64_t>{0}) {
      s.tileWidth = width;
      std::optional<int64_t> tiles = residentTiles(p, s).asConstant();
      bool isMany = tiles && *tiles * residentTilesAcross(p, s) >= kFewTiles * target.cores * s.teams * s.together;
      if (isMany && chooseStages(s, p) && (!isMapped || lhsMapsOf(p, s)))
        schedules.push_back(s);
    }
  }
}

/// All columns, where one instruction takes so many, or parts of them.
static SmallVector<int64_t> columnsOfTiles(const MatrixProblem &p) {
  constexpr int64_t kNarrow = 64;
  int64_t least = std::min(kNarrow, p.packedColumns());
  SmallVector<int64_t> result;
  int64_t half = int64_t(llvm::alignTo(llvm::divideCeil(p.packedColumns(), 2), kChunk));
  for (int64_t columns : {p.packedColumns(), half, int64_t(256), int64_t(128)})
    if (columns >= least && columns <= std::min<int64_t>(256, p.packedColumns()) && !llvm::is_contained(result, columns))
      result.push_back(columns);
  return result;
}

static SmallVector<MatrixSchedule> allSchedules(const MatrixProblem &p, bool isMapped, const Target &target) {
  constexpr int kFirst = 90;
  constexpr int64_t kPlanesOfProduct = 2;
  SmallVector<MatrixSchedule> schedules;
  bool isWhole = p.channels % kChunk == 0 && p.paddedChannels == p.channels && (!hasWindows(p) || p.isBytes() || p.channels % (kPlanesOfProduct * kChunk) == 0);
  bool isReadable = isWhole && hasChunks(p) && (hasWindows(p) ? isWindow(p) : hasOneStride(p));
  if (target.computeCapability != kFirst || !target.archSpecific || p.scale || p.sumsRows || p.rowValues || p.inParts || p.isNarrow() || !isReadable)
    return schedules;
  for (int64_t columns : columnsOfTiles(p))
    addSchedules(p, columns, isMapped, target, schedules);
  return schedules;
}

SmallVector<MatrixSchedule> residentSchedules(const MatrixProblem &p, const Target &target) {
  return allSchedules(p, /*isMapped=*/false, target);
}

SmallVector<MatrixSchedule> mappedResidentSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int64_t kUnitsOfProduct = 16;
  return p.channels % kUnitsOfProduct ? SmallVector<MatrixSchedule>() : allSchedules(p, /*isMapped=*/true, target);
}

} // namespace tenon::gpu
