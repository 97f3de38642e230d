#include "lib/Importer/PackedWeights.h"
#include "dialects/nn/PackedWeights.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace tenon::importer {
using namespace mlir;
using nn::kTileBytes;
using nn::kTileColumns;

bool FourBitMatrix::isWorthPacking() const {
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

Value unpackedAtRunTime(Node &node, const FourBitMatrix &m) {
  int64_t blocks = m.depth / m.size, tiles = llvm::divideCeil(uint64_t(m.columns), uint64_t(kTileColumns)), width = tiles * kTileColumns;
  SmallVector<uint8_t, 0> codes(m.depth * width / 2);
  for (int64_t row = 0, at = 0; row < m.depth; ++row)
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (int64_t j = 0; j < kTileBytes; ++j, ++at) {
        int64_t low = tile * kTileColumns + j, high = low + kTileBytes;
        codes[at] = (low < m.columns ? m.code(row, low) : 0) | (high < m.columns ? m.code(row, high) : 0) << 4;
      }
  SmallVector<float, 0> scales(blocks * width), zeros(m.zeroPoint ? blocks * width : 0);
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t column = 0; column < m.columns; ++column) { // what is beyond has the scale 0
      scales[block * width + column] = m.scale(block, column);
      if (m.zeroPoint)
        zeros[block * width + column] = m.zeroPoint(block, column);
    }
  Type byte = node.builder.getIntegerType(8, /*isSigned=*/false), f32 = node.builder.getF32Type();
  SmallVector<int64_t> perBlock{blocks, 1, tiles, 2, kTileBytes};
  Value packed = constantOf<uint8_t>(node, "codes", {blocks, m.size, tiles, 1, kTileBytes}, byte, codes);
  Value amounts = node.constant(DenseElementsAttr::get(RankedTensorType::get({2, 1}, byte), ArrayRef<uint8_t>{0, 4}));
  Value shifted = node.make<nn::BitShiftOp>(packed, amounts, UnitAttr());
  if (node.failed())
    return {};
  nn::keepPacked(shifted.getDefiningOp());
  Value numbers = node.cast(node.make<nn::BitwiseAndOp>(shifted, node.scalar(15, byte)), f32);
  constexpr double kMiddle = 8;
  Value zeroPoints = m.zeroPoint ? constantOf<float>(node, "zero_points", perBlock, f32, zeros) : node.scalar(kMiddle, f32);
  Value scaled = node.make<nn::MulOp>(node.make<nn::SubOp>(numbers, zeroPoints), constantOf<float>(node, "scales", perBlock, f32, scales));
  Value whole = node.reshape(scaled, {node.dim(m.depth), node.dim(width)});
  return width == m.columns ? whole : node.slice(whole, 1, node.dim(0), node.dim(m.columns));
}

} // namespace tenon::importer
