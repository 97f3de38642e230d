#include "lib/Importer/Quantization.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/PackedWeights.h"
#include "lib/Importer/TensorData.h"

#include "llvm/Support/Format.h"
#include <cmath>

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static Type f32(Node &node) { return node.builder.getF32Type(); }
static Type i32(Node &node) { return node.builder.getI32Type(); }

Value centred(Node &node, Value x, Value zeroPoint) {
  Value wide = node.cast(x, i32(node));
  return zeroPoint ? node.make<nn::SubOp>(wide, node.cast(zeroPoint, i32(node))) : wide;
}

Value dequantized(Node &node, Value x, Value scale, Value zeroPoint) {
  if (node.failed())
    return {};
  // Up to 16 bits the difference is exact in f32 as well, and fuses with the product.
  Type element = getElementTypeOrSelf(x.getType());
  bool isWide = element.isInteger() && element.getIntOrFloatBitWidth() > 16;
  Value real = isWide ? node.cast(centred(node, x, zeroPoint), f32(node)) : node.cast(x, f32(node));
  if (zeroPoint && element.isInteger() && !isWide)
    real = node.make<nn::SubOp>(real, node.cast(zeroPoint, f32(node)));
  return node.make<nn::MulOp>(real, node.cast(scale, f32(node)));
}

Value quantized(Node &node, Value scaled, Value zeroPoint, Type type) {
  if (!type.isInteger())
    return node.cast(scaled, type);
  Value rounded = node.make<nn::RoundOp>(scaled);
  if (zeroPoint)
    rounded = node.make<nn::AddOp>(rounded, node.cast(zeroPoint, f32(node)));
  unsigned bits = type.getIntOrFloatBitWidth();
  double low = type.isUnsignedInteger() ? 0 : -std::ldexp(1.0, bits - 1);
  double high = std::ldexp(1.0, type.isUnsignedInteger() ? bits : bits - 1) - 1;
  // NaN becomes the lowest number, as in ONNX Runtime; nn.cast makes 0 of it, which is that of unsigned types.
  if (low < 0)
    rounded = node.make<nn::SelectOp>(node.make<nn::IsNanOp>(rounded), node.scalar(low, f32(node)), rounded);
  return node.cast(node.make<nn::ClipOp>(rounded, node.f64(low), node.f64(high)), type);
}

static bool isOne(ArrayRef<Dim> dims) { return llvm::all_of(dims, [](Dim dim) { return dim.isConstant(1); }); }

bool scalesAreUsable(Node &node, size_t input, ScaleUse use) {
  if (!node.in(input) || node.failed() || !isa<FloatType>(node.element(input)) || !node.in(input).getDefiningOp<nn::ConstantOp>())
    return !node.failed();
  std::optional<SmallVector<double>> scales = node.realsOf(node.in(input), "input " + Twine(input));
  if (!scales)
    return false;
  constexpr double kSmallestNormal = 0x1p-126;
  for (auto [i, scale] : llvm::enumerate(*scales)) {
    bool isUsable = use == ScaleUse::ZeroPoint ? scale == 0 : std::isfinite(scale) && (use == ScaleUse::Factor ? scale >= 0 : scale >= kSmallestNormal);
    if (isUsable)
      continue;
    constexpr const char *kExpected[] = {"a finite number of at least 0", "a finite normal number above 0", "0, as floats have no other"};
    std::string text;
    llvm::raw_string_ostream(text) << (use == ScaleUse::ZeroPoint ? "zero point " : "scale ") << i << " in input " << input << " is " << llvm::format("%g", scale) << "; "
                                   << kExpected[int(use)] << " was expected";
    node.invalid(text);
    return false;
  }
  return true;
}

Value parameter(Node &node, size_t input, int64_t trailing) {
  if (!node.in(input) || !scalesAreUsable(node, input, ScaleUse::Factor))
    return {};
  SmallVector<Dim> dims = node.dims(input);
  if (isOne(dims))
    return node.reshape(node.in(input), {});
  if (dims.size() != 1)
    return node.in(input);
  dims.append(trailing, node.dim(1));
  return node.reshape(node.in(input), dims);
}

/// A scale or zero point as it broadcasts to input 0: for the tensor, for each slice along `axis`, or for each block of it.
static Value along(Node &node, size_t input, ScaleUse use) {
  if (!node.in(input) || !scalesAreUsable(node, input, use))
    return {};
  int64_t block = node.integer("block_size", 0), rank = node.rank(0), wanted = node.integer("axis", 1);
  if (block == 0 && node.rank(input) == 1 && (wanted < -rank || wanted >= rank)) // the axis counts for vectors alone
    node.takeOne(input);
  SmallVector<Dim> dims = node.dims(input), whole = node.dims(0);
  if (block == 0 && (dims.empty() || (dims.size() == 1 && dims[0].isConstant(1))))
    return node.reshape(node.in(input), {});
  int64_t axis = node.axisOf(wanted, rank);
  if (node.failed())
    return {};
  if (block == 0) {
    if (dims.size() != 1 || (dims[0].isConstant() && whole[axis].isConstant() && dims[0] != whole[axis])) {
      node.invalid("input " + Twine(input) + " must be one number, or one for each of the " + whole[axis].str() + " slices along axis " + Twine(axis));
      return {};
    }
    return parameter(node, input, rank - 1 - axis);
  }
  if (block < 0 || int64_t(dims.size()) != rank) {
    node.invalid("with blocks of " + Twine(block) + " input " + Twine(input) + " must have the input's rank");
    return {};
  }
  SmallVector<Dim> split(dims), wide, flat(dims);
  split.insert(split.begin() + axis + 1, node.dim(1));
  wide = split;
  wide[axis + 1] = node.dim(block);
  flat[axis] = dims[axis] * block;
  Value repeated = node.make<nn::ExpandOp>(node.reshape(node.in(input), split), node.dimsAttr(wide));
  Value joined = node.reshape(repeated, flat);
  return flat[axis] == whole[axis] ? joined : node.slice(joined, axis, node.dim(0), whole[axis]);
}

bool zeroPointHasTypeOf(Node &node, size_t zeroPoint, size_t input) {
  if (!node.in(zeroPoint) || node.failed() || node.element(zeroPoint) == node.element(input))
    return !node.failed();
  std::string text;
  llvm::raw_string_ostream(text) << "the zero point, input " << zeroPoint << ", has elements of type " << node.element(zeroPoint) << "; those of input " << input
                                 << ", " << node.element(input) << ", were expected";
  node.invalid(text);
  return false;
}

/// The type that attribute `name` asks for, `otherwise` without; null after a report.
static Type typeFrom(Node &node, StringRef name, Type otherwise) {
  int64_t wanted = node.integer(name, 0);
  if (wanted == 0)
    return otherwise;
  Type type = elementType(node.context, int32_t(wanted));
  if (!type)
    node.unsupported("results of type " + dataTypeName(int32_t(wanted)));
  return type;
}

/// A matrix of integers of 4 or 8 bits in blocks, as a plan keeps it; null where it is something else.
static Value packedWeights(Node &node) {
  int64_t size = node.integer("block_size", 0), axis = node.integer("axis", 1);
  auto integers = dyn_cast<IntegerType>(node.element(0));
  if (size < 1 || !integers || (integers.getWidth() != 4 && integers.getWidth() != 8) || node.rank(0) != 2 || !node.element(1).isF32() || !node.type(0).hasStaticShape() || !node.type(1).hasStaticShape())
    return {};
  axis = node.axisOf(axis, 2);
  std::optional<ArrayRef<char>> codes = constantBytes(node.in(0)), scales = constantBytes(node.in(1)), points;
  if (node.in(2))
    points = constantBytes(node.in(2));
  if (node.failed() || !codes || !scales || (node.in(2) && !points))
    return {};
  ArrayRef<int64_t> shape = node.type(0).getShape();
  int64_t bits = integers.getWidth();
  PackedMatrix matrix{bits, shape[axis], shape[1 - axis], size, {}, {}, {}};
  SmallVector<int64_t> counts{shape[0], shape[1]};
  counts[axis] = matrix.depth / size;
  if (!matrix.isWorthPacking() || node.type(1).getShape() != ArrayRef(counts) || (node.in(2) && node.type(2).getShape() != ArrayRef(counts)))
    return {};
  auto at = [&](int64_t along, int64_t across, int64_t extent) { return axis == 0 ? along * shape[1] + across : across * extent + along; };
  // Integers with a sign count from -8 or -128.
  auto code = [bits, isSigned = !integers.isUnsigned()](char number) { return uint8_t((uint8_t(number) & ((1 << bits) - 1)) ^ (isSigned ? 1 << (bits - 1) : 0)); };
  matrix.code = [&](int64_t row, int64_t column) { return code((*codes)[at(row, column, shape[1])]); };
  matrix.scale = [&](int64_t block, int64_t column) { return reinterpret_cast<const float *>(scales->data())[at(block, column, counts[1])]; };
  if (points)
    matrix.zeroPoint = [&](int64_t block, int64_t column) { return code((*points)[at(block, column, counts[1])]); };
  else if (integers.isUnsigned())
    matrix.zeroPoint = [](int64_t, int64_t) { return uint8_t(0); };
  Value weights = unpackedAtRunTime(node, matrix);
  return axis == 0 || node.failed() ? weights : node.transpose(weights, {1, 0});
}

static void dequantizeLinear(Node &node) {
  if (!zeroPointHasTypeOf(node, 2, 0))
    return;
  if (node.integer("output_dtype", 0) == 0 && scalesAreUsable(node, 1, ScaleUse::Factor))
    if (Value weights = packedWeights(node))
      return node.result(weights);
  Type type = typeFrom(node, "output_dtype", node.element(1));
  Value scale = along(node, 1, ScaleUse::Factor), zeroPoint = along(node, 2, ScaleUse::ZeroPoint);
  if (node.failed())
    return;
  Value real = node.cast(dequantized(node, node.in(0), scale, zeroPoint), type);
  node.result(real);
  if (type == f32(node) && node.integer("block_size", 0) == 0)
    rememberDequantized(node, real, {node.in(0), scale, zeroPoint});
}

static void quantizeLinear(Node &node) {
  Type byte = node.builder.getIntegerType(8, /*isSigned=*/false);
  Type type = typeFrom(node, "output_dtype", node.in(2) ? node.element(2) : byte);
  Value scale = along(node, 1, ScaleUse::Divisor), zeroPoint = along(node, 2, ScaleUse::ZeroPoint);
  if (node.failed())
    return;
  if (zeroPoint && node.element(2) != type)
    return node.invalid("output_dtype differs from the type of the zero point");
  constexpr unsigned kMostBits = 16;
  if (unsigned bits = type.getIntOrFloatBitWidth(); bits > (type.isInteger() ? kMostBits : kMostBits / 2))
    return node.unsupported("results of " + Twine(bits) + " bits, as output_dtype or the zero point says; integers of at most 16 and floats of at most 8 are");
  Value scaled = node.make<nn::DivOp>(node.cast(node.in(0), f32(node)), node.cast(scale, f32(node)));
  if (type.isInteger() || node.failed())
    return node.result(quantized(node, scaled, zeroPoint, type));
  BoolAttr saturate = node.builder.getBoolAttr(node.integer("saturate", 1) != 0);
  node.result(node.make<nn::CastOp>(scaled, TypeAttr::get(type), saturate, nn::RoundModeAttr::get(node.context, nn::RoundMode::Nearest)));
}

/// The range of the input, widened to 0, over 255 steps. A tensor of zeros has the scale 1 / 255.
static void dynamicQuantizeLinear(Node &node) {
  Value x = node.in(0), zero = node.scalar(0, f32(node));
  if (node.element(0) != f32(node))
    return node.invalid("f32 elements were expected");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0)));
  auto reduced = [&](nn::ReduceKind kind) {
    return node.make<nn::ReduceOp>(x, nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), UnitAttr());
  };
  Value high = node.make<nn::MaxOp>(reduced(nn::ReduceKind::Max), zero), low = node.make<nn::MinOp>(reduced(nn::ReduceKind::Min), zero);
  Value range = node.make<nn::SelectOp>(node.make<nn::EqualOp>(high, low), node.scalar(1, f32(node)), node.make<nn::SubOp>(high, low));
  Value scale = node.make<nn::DivOp>(range, node.scalar(255, f32(node)));
  Type byte = node.builder.getIntegerType(8, /*isSigned=*/false);
  Value zeroPoint = quantized(node, node.make<nn::DivOp>(node.make<nn::SubOp>(zero, low), scale), Value(), byte);
  node.result(0, quantized(node, node.make<nn::DivOp>(x, scale), zeroPoint, byte));
  node.result(1, scale);
  node.result(2, zeroPoint);
}

void registerQuantizedContractions(OperatorTable &table);
void registerQuantizedElementwise(OperatorTable &table);

void registerQuantization(OperatorTable &table) {
  registerQuantizedContractions(table);
  registerQuantizedElementwise(table);
  table.add("QuantizeLinear", 10, 2, 3, quantizeLinear);
  table.add("DequantizeLinear", 10, 2, 3, dequantizeLinear);
  table.add("DynamicQuantizeLinear", 11, 1, 1, dynamicQuantizeLinear);
  table.addMicrosoft("QuantizeLinear", 2, 3, quantizeLinear);
  table.addMicrosoft("DequantizeLinear", 2, 3, dequantizeLinear);
}

} // namespace tenon::importer
