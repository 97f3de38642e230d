#include "lib/Importer/PackedWeights.h"
#include "dialects/nn/PackedWeights.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::importer {
using namespace mlir;
using nn::kHalfTile;
using nn::kTileColumns;

bool PackedMatrix::isWorthPacking() const {
  constexpr int64_t kFewest = 4096;
  return size >= 2 && size % 2 == 0 && depth % size == 0 && depth * columns >= kFewest;
}

std::optional<ArrayRef<char>> constantBytes(Value value) {
  auto constant = value ? value.getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  if (!constant)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue())) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? std::optional(blob->getData()) : std::nullopt;
  }
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  return dense && (!dense.isSplat() || dense.getNumElements() == 1) ? std::optional(dense.getRawData()) : std::nullopt;
}

template <typename T> static Value constantOf(Node &node, StringRef name, ArrayRef<int64_t> shape, Type element, ArrayRef<T> values) {
  auto blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(ArrayRef(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)), 64, /*dataIsMutable=*/false);
  return node.constant(DenseResourceElementsAttr::get(RankedTensorType::get(shape, element), name, std::move(blob)));
}

/// [depth, tiles, bytes of a tile].
static SmallVector<uint8_t, 0> codesOf(const PackedMatrix &m, int64_t tiles) {
  auto code = [&](int64_t row, int64_t column) { return column < m.columns ? m.code(row, column) : uint8_t(0); };
  SmallVector<uint8_t, 0> codes;
  codes.reserve(m.depth * tiles * kTileColumns * m.bits / 8);
  for (int64_t row = 0; row < m.depth; ++row)
    for (int64_t first = 0; first < tiles * kTileColumns; first += kTileColumns)
      for (int64_t j = 0; j < kTileColumns * m.bits / 8; ++j)
        codes.push_back(m.bits == 8 ? code(row, first + j) : uint8_t(code(row, first + j) | code(row, first + kHalfTile + j) << 4));
  return codes;
}

/// The codes in f32, [blocks, size, tiles, 2, 16].
static Value codesAtRunTime(Node &node, const PackedMatrix &m, int64_t tiles) {
  Type byte = node.builder.getIntegerType(8, /*isSigned=*/false), f32 = node.builder.getF32Type();
  Value packed = constantOf<uint8_t>(node, "codes", {m.depth / m.size, m.size, tiles, m.bits / 4, kHalfTile}, byte, codesOf(m, tiles));
  if (m.bits == 8) {
    Value numbers = node.cast(packed, f32);
    if (!node.failed())
      nn::keepPacked(numbers.getDefiningOp());
    return numbers;
  }
  Value amounts = node.constant(DenseElementsAttr::get(RankedTensorType::get({2, 1}, byte), ArrayRef<uint8_t>{0, 4}));
  Value shifted = node.make<nn::BitShiftOp>(packed, amounts, UnitAttr());
  if (node.failed())
    return {};
  nn::keepPacked(shifted.getDefiningOp());
  return node.cast(node.make<nn::BitwiseAndOp>(shifted, node.scalar(15, byte)), f32);
}

Value unpackedAtRunTime(Node &node, const PackedMatrix &m) {
  int64_t blocks = m.depth / m.size, tiles = llvm::divideCeil(uint64_t(m.columns), uint64_t(kTileColumns)), width = tiles * kTileColumns;
  SmallVector<float, 0> scales(blocks * width), zeros(m.zeroPoint ? blocks * width : 0);
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t column = 0; column < m.columns; ++column) { // what is beyond has the scale 0
      scales[block * width + column] = m.scale(block, column);
      if (m.zeroPoint)
        zeros[block * width + column] = m.zeroPoint(block, column);
    }
  Value numbers = codesAtRunTime(node, m, tiles);
  if (node.failed())
    return {};
  Type f32 = node.builder.getF32Type();
  SmallVector<int64_t> perBlock{blocks, 1, tiles, 2, kHalfTile};
  Value zeroPoints = m.zeroPoint ? constantOf<float>(node, "zero_points", perBlock, f32, zeros) : node.scalar(double(1 << (m.bits - 1)), f32);
  Value scaled = node.make<nn::MulOp>(node.make<nn::SubOp>(numbers, zeroPoints), constantOf<float>(node, "scales", perBlock, f32, scales));
  Value whole = node.reshape(scaled, {node.dim(m.depth), node.dim(width)});
  return width == m.columns ? whole : node.slice(whole, 1, node.dim(0), node.dim(m.columns));
}

} // namespace tenon::importer
