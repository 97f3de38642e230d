#include "passes/6_codegen/gpu/MatrixMaps.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixResident.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kUnitBytes = 2, kSwizzle = 128, kAccess = 16;

/// Memory of a part of lhs: sizes and strides, in elements, are constants.
struct Memory {
  unsigned argument = 0;
  int64_t elementBytes = 0, offset = 0;
  SmallVector<int64_t> sizes, strides;
};

std::optional<Memory> memoryOf(Value part) {
  kernel::View view = kernel::viewOf(part);
  auto source = dyn_cast<BlockArgument>(view.source);
  auto offset = view.offset.asConstant();
  if (!source || !offset)
    return std::nullopt;
  auto type = cast<RankedTensorType>(part.getType());
  Memory m{source.getArgNumber(), int64_t(type.getElementTypeBitWidth() / 8), *offset, {}, {}};
  for (auto [dim, stride] : llvm::zip_equal(nn::dimsOf(type), view.strides)) {
    auto size = dim.asConstant(), distance = stride.asConstant();
    if (!size || !distance)
      return std::nullopt;
    m.sizes.push_back(*size);
    m.strides.push_back(*distance);
  }
  return m;
}

plan::TensorMap mapOf(const MatrixProblem &p, const MatrixSchedule &s, const Memory &m) {
  plan::TensorMap map;
  map.buffer = m.argument;
  map.offset = uint64_t(m.offset * m.elementBytes);
  map.elementBytes = kUnitBytes;
  map.sizes = {uint64_t(p.units(m.sizes[p.contraction.lhsChannel]))};
  map.box = {uint32_t(MatrixSchedule::kStep), uint32_t(s.tileRows)};
  map.swizzleBytes = kSwizzle;
  return map;
}

/// Rows one behind the other.
std::optional<plan::TensorMap> matrixOf(const MatrixProblem &p, const MatrixSchedule &s, const Memory &m) {
  const cpu::ContractionProblem &c = p.contraction;
  constexpr int64_t kMostBox = 256;
  if (c.tapCount() > 1 || c.padded || s.tileRows > kMostBox)
    return std::nullopt;
  int64_t rows = 1, stride = 0;
  for (int axis = c.rowAxes() - 1; axis >= 0; --axis) {
    int64_t extent = *c.extents[axis].asConstant(), own = 0;
    if (extent == 1)
      continue;
    for (auto [map, distance] : llvm::zip_equal(c.lhsAxes, m.strides))
      own += map.rowAxis == axis ? distance * map.rowScale : 0;
    if (rows == 1)
      stride = own;
    else if (own != stride * rows)
      return std::nullopt;
    rows *= extent;
  }
  plan::TensorMap map = mapOf(p, s, m);
  map.sizes.push_back(uint64_t(rows));
  map.strides = {uint64_t(rows == 1 ? llvm::alignTo(map.sizes[0] * kUnitBytes, kAccess) : stride * m.elementBytes)};
  map.steps = {1, 1};
  return map;
}

/// Pixels of images, [images, rows, columns, channels].
std::optional<plan::TensorMap> imagesOf(const MatrixProblem &p, const MatrixSchedule &s, const Memory &m) {
  const cpu::ContractionProblem &c = p.contraction;
  constexpr int kRank = 4, kChannel = 3;
  constexpr int64_t kMostCorner = 128, kMostTap = 255, kMostStep = 8;
  if (c.lhsAxes.size() != kRank || c.rowAxes() != kRank - 1 || c.lhsChannel != kChannel || c.taps.size() != kRank - 2 || c.lhsAxes[0].rowAxis != 0)
    return std::nullopt;
  plan::TensorMap map = mapOf(p, s, m);
  map.steps = {1};
  for (int axis = kChannel - 1; axis >= 0; --axis) {
    const cpu::LhsAxis &own = c.lhsAxes[axis];
    // Where there is one element its stride is never used.
    int64_t stride = m.sizes[axis] == 1 ? int64_t(llvm::alignTo(map.sizes[0] * kUnitBytes, kAccess)) : m.strides[axis] * m.elementBytes;
    map.sizes.push_back(uint64_t(m.sizes[axis]));
    map.strides.push_back(uint64_t(stride));
    map.steps.push_back(uint32_t(axis ? own.rowScale : 1));
    if (axis == 0)
      break;
    int64_t last = own.shift + (*c.extents[axis].asConstant() - 1) * own.rowScale - (m.sizes[axis] - 1);
    bool isNear = own.shift >= -kMostCorner && own.shift < kMostCorner && last >= -kMostCorner && last < kMostCorner;
    if (own.rowAxis != axis || own.tapAxis != axis - 1 || own.rowScale > kMostStep || !isNear || (c.taps[axis - 1] - 1) * own.tapScale > kMostTap)
      return std::nullopt;
    map.lower.push_back(int32_t(own.shift));
    map.upper.push_back(int32_t(last));
  }
  return map;
}

bool isPossible(const plan::TensorMap &map) {
  constexpr uint64_t kMostSize = uint64_t(1) << 31, kMostStride = uint64_t(1) << 40;
  return map.offset % kAccess == 0 && llvm::all_of(map.sizes, [](uint64_t size) { return size >= 1 && size < kMostSize; }) &&
         llvm::all_of(map.strides, [](uint64_t stride) { return stride > 0 && stride < kMostStride && stride % kAccess == 0; });
}

/// The part of an image that a tile's windows read, [images, rows, columns, channels]. At stride 2 the axes of space are two each, the inner one for
/// what is left of a division by 2: that along rows is one with the channels.
std::optional<plan::TensorMap> windowsOf(const MatrixProblem &p, const MatrixSchedule &s, const Memory &m, const ResidentLayout &l) {
  constexpr int64_t kMostBox = 256;
  plan::TensorMap map = mapOf(p, s, m);
  uint64_t height = uint64_t(m.sizes[1]), width = uint64_t(m.sizes[2]), images = uint64_t(m.sizes[0]), channels = map.sizes[0];
  auto bytes = [&](int axis) { return uint64_t(m.strides[axis] * m.elementBytes); };
  uint32_t across = uint32_t(l.pitch), down = uint32_t(l.down);
  if (l.pitch > kMostBox || l.down > kMostBox || (l.stride == 2 && (height % 2 || width % 2)))
    return std::nullopt;
  if (l.stride == 2) {
    map.sizes = {bytes(2) / kUnitBytes + channels, width / 2, 2, height / 2, images};
    map.strides = {2 * bytes(2), bytes(1), 2 * bytes(1), bytes(0)};
    map.box = {0, across, 1, down, 1};
  } else {
    map.sizes = {channels, width, height, images};
    map.strides = {bytes(2), bytes(1), bytes(0)};
    map.box = {0, across, down, 1};
  }
  map.steps.assign(map.sizes.size(), 1);
  return map;
}

/// One for each part of a pixel.
std::optional<LhsMaps> residentMapsOf(const MatrixProblem &p, const MatrixSchedule &s) {
  constexpr size_t kMost = 4; // of a kernel
  std::optional<Memory> m = memoryOf(p.lhs);
  ResidentLayout l = residentLayout(p, s);
  if (!m || m->strides[p.contraction.lhsChannel] != 1 || p.parts.size() != 1 || l.parts.size() > kMost)
    return std::nullopt;
  std::optional<plan::TensorMap> map = s.tileWidth ? windowsOf(p, s, *m, l) : matrixOf(p, s, *m);
  if (!map || !isPossible(*map))
    return std::nullopt;
  LhsMaps all;
  for (const ResidentLayout::Part &part : l.parts) {
    map->box[0] = uint32_t(part.rowBytes / kUnitBytes);
    map->swizzleBytes = uint32_t(part.rowBytes);
    all.push_back(*map);
  }
  return all;
}
} // namespace

std::optional<LhsMaps> lhsMapsOf(const MatrixProblem &p, const MatrixSchedule &s) {
  const cpu::ContractionProblem &c = p.contraction;
  bool isConstant = llvm::all_of(c.extents, [](nn::Dim extent) { return extent.asConstant().has_value() && !extent.isConstant(0); });
  if (!isConstant || p.channels != p.paddedChannels || (c.padded && c.outside))
    return std::nullopt;
  if (s.resident)
    return residentMapsOf(p, s);
  if (p.channels % MatrixSchedule::kStep)
    return std::nullopt;
  LhsMaps all;
  for (Value part : p.parts) {
    std::optional<Memory> m = memoryOf(part);
    if (!m || m->strides[c.lhsChannel] != 1 || (p.parts.size() > 1 && m->sizes[c.lhsChannel] % MatrixSchedule::kStep))
      return std::nullopt;
    std::optional<plan::TensorMap> map = matrixOf(p, s, *m);
    if (!map)
      map = imagesOf(p, s, *m);
    if (!map || !isPossible(*map))
      return std::nullopt;
    all.push_back(std::move(*map));
  }
  return all;
}

bool hasAlignedMaps(kernel::FuncOp func, const LhsMaps &maps) {
  auto alignments = func->getAttrOfType<DenseI64ArrayAttr>("tenon.alignments");
  return llvm::all_of(maps, [&](const plan::TensorMap &map) {
    return alignments && int64_t(map.buffer) < alignments.size() && alignments.asArrayRef()[map.buffer] % kAccess == 0;
  });
}

} // namespace tenon::gpu
