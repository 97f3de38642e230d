// Products with weights of 2, 4 or 8 bits in blocks, as ONNX Runtime's quantizers of language models write them.
#include "lib/Importer/Operators.h"
#include "lib/Importer/PackedWeights.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
struct Blocks {
  int64_t rows, depth, bits, size, count;
};

/// Bytes to the elements that are packed in them, the first one lowest: [..., n] to [..., n * 8 / bits].
Value unpacked(Node &node, Value bytes, int64_t bits) {
  if (bits == 8 || node.failed())
    return bytes;
  SmallVector<Dim> dims = nn::dimsOf(bytes.getType()), flat(dims);
  int64_t each = 8 / bits;
  flat.back() = dims.back() * each;
  dims.push_back(node.dim(1));
  SmallVector<APInt> shifts;
  for (int64_t i = 0; i < each; ++i)
    shifts.push_back(APInt(8, i * bits));
  Type byte = node.builder.getIntegerType(8, /*isSigned=*/false);
  Value shift = node.constant(DenseElementsAttr::get(RankedTensorType::get({each}, byte), shifts));
  Value parts = node.make<nn::BitShiftOp>(node.reshape(bytes, dims), shift, UnitAttr());
  Value mask = node.scalar(double((1 << bits) - 1), byte);
  return node.reshape(node.make<nn::BitwiseAndOp>(parts, mask), flat);
}

/// The zero point of every block, [rows, blocks, 1], or one number for all.
Value zeroPoints(Node &node, const Blocks &b) {
  Type element = node.element(0);
  if (!node.in(3))
    return node.scalar(double(1 << (b.bits - 1)), element);
  if (node.element(3) == element)
    return node.reshape(node.in(3), {node.dim(b.rows), node.dim(b.count), node.dim(1)});
  int64_t rowBytes = llvm::divideCeil(uint64_t(b.count * b.bits), uint64_t(8));
  Value rows = unpacked(node, node.reshape(node.in(3), {node.dim(b.rows), node.dim(rowBytes)}), b.bits);
  Value used = node.slice(rows, 1, node.dim(0), node.dim(b.count));
  return node.cast(node.reshape(used, {node.dim(b.rows), node.dim(b.count), node.dim(1)}), element);
}
} // namespace

/// The weights as a plan keeps them; null where they are not known, or nothing is gained.
Value packedWeights(Node &node, const Blocks &b) {
  bool isUsual = (b.bits == 4 || b.bits == 8) && b.depth == b.count * b.size && !node.in(4) && node.element(0).isF32() && node.element(2).isF32() && node.element(1).getIntOrFloatBitWidth() == 8;
  bool arePacked = !node.in(3) || node.element(3).isUnsignedInteger(8);
  std::optional<ArrayRef<char>> codes = constantBytes(node.in(1)), scales = constantBytes(node.in(2)), points;
  if (node.in(3))
    points = constantBytes(node.in(3));
  int64_t inByte = 8 / b.bits, pointsOfRow = llvm::divideCeil(uint64_t(b.count), uint64_t(inByte)) * inByte; // rows begin with a byte
  if (!isUsual || !arePacked || !codes || !scales || (node.in(3) && (!points || int64_t(points->size()) != b.rows * pointsOfRow / inByte)))
    return {};
  auto number = [inByte](ArrayRef<char> bytes, int64_t i) { return inByte == 1 ? uint8_t(bytes[i]) : uint8_t(uint8_t(bytes[i / 2]) >> (i % 2 * 4) & 15); };
  PackedMatrix matrix{b.bits, b.depth, b.rows, b.size, {}, {}, {}};
  matrix.code = [&](int64_t k, int64_t row) { return number(*codes, row * b.depth + k); };
  matrix.scale = [&](int64_t block, int64_t row) { return reinterpret_cast<const float *>(scales->data())[row * b.count + block]; };
  if (points)
    matrix.zeroPoint = [&](int64_t block, int64_t row) { return number(*points, row * pointsOfRow + block); };
  return matrix.isWorthPacking() ? unpackedAtRunTime(node, matrix) : Value();
}

/// A [..., K] times the transpose of B: N rows of K elements in blocks, each with a scale and a zero point.
static void matMulNBits(Node &node) {
  Blocks b{node.integer("N", 0), node.integer("K", 0), node.integer("bits", 4), node.integer("block_size", 0), 0};
  constexpr int64_t kLargest = int64_t(1) << 31;
  if (b.rows < 1 || b.rows > kLargest || b.depth < 1 || b.depth > kLargest || b.size < 1 || b.size > kLargest)
    return node.invalid("N, K and block_size must be positive");
  if (b.bits != 2 && b.bits != 4 && b.bits != 8)
    return node.unsupported("elements of " + Twine(b.bits) + " bits; 2, 4 and 8 are supported");
  if (node.in(4) && node.in(3))
    return node.unsupported("a permutation of the groups (g_idx) beside zero points");
  b.count = llvm::divideCeil(uint64_t(b.depth), uint64_t(b.size));
  Dim needed = node.dim(b.rows * b.count * (b.size * b.bits / 8));
  if (nn::product(node.context, node.dims(1)) != needed || nn::product(node.context, node.dims(2)) != node.dim(b.rows * b.count))
    return node.invalid("the weights and their scales must hold " + Twine(b.rows) + " rows of " + Twine(b.count) + " blocks of " + Twine(b.size));
  if (node.rank(0) < 2)
    return node.unsupported("a vector operand");
  if (Value weights = packedWeights(node, b))
    return node.result(node.make<nn::MatMulOp>(node.in(0), weights, node.in(5), UnitAttr(), UnitAttr()));
  Value packed = node.reshape(node.in(1), {node.dim(b.rows), node.dim(b.count), node.dim(b.size * b.bits / 8)});
  Value elements = node.cast(unpacked(node, packed, b.bits), node.element(0));
  Value scales = node.reshape(node.in(2), {node.dim(b.rows), node.dim(b.count), node.dim(1)}), points = zeroPoints(node, b);
  auto asRows = [&](Value value) {
    Value rows = node.failed() ? Value() : node.reshape(value, {node.dim(b.rows), node.dim(b.count * b.size)});
    return b.count * b.size == b.depth ? rows : node.slice(rows, 1, node.dim(0), node.dim(b.depth));
  };
  Value weights;
  if (node.in(4)) { // for each of the K which block's scale is its own
    if (node.rank(4) != 1 || !node.dims(4)[0].isConstant() || *node.dims(4)[0].asConstant() < b.depth)
      return node.invalid("g_idx must have an entry for each of the " + Twine(b.depth) + " columns");
    Value blocks = node.slice(node.in(4), 0, node.dim(0), node.dim(b.depth));
    Value chosen = node.make<nn::GatherOp>(node.failed() ? Value() : node.reshape(scales, {node.dim(b.rows), node.dim(b.count)}), blocks, node.i64(1));
    weights = node.make<nn::MulOp>(node.make<nn::SubOp>(asRows(elements), points), chosen);
  } else {
    weights = asRows(node.make<nn::MulOp>(node.make<nn::SubOp>(elements, points), scales));
  }
  node.result(node.make<nn::MatMulOp>(node.in(0), weights, node.in(5), UnitAttr(), node.unit(true)));
}

void registerBlockQuantized(OperatorTable &table) { table.addMicrosoft("MatMulNBits", 3, 6, matMulNBits); }

} // namespace tenon::importer
