// Arithmetic, comparison, logic, conversion: one element from the elements at the same place.
#include "lib/Importer/Operators.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;

template <typename Op> static void unary(Node &node) { node.result(node.make<Op>(node.in(0))); }

/// ONNX never converts types silently.
static bool haveOneType(Node &node) {
  for (size_t i = 1; i < node.inputCount(); ++i)
    if (node.element(i) != node.element(0)) {
      std::string text;
      llvm::raw_string_ostream(text) << "the inputs have elements of different types: " << node.element(0) << " and " << node.element(i);
      node.invalid(text);
      return false;
    }
  return true;
}

/// The second operand where it meets the first. Before opset 7 `axis` says at which axis of the first its shape begins.
static Value aligned(Node &node) {
  Value other = node.in(1);
  if (node.opset >= 7 || !node.attribute("axis") || node.integer("broadcast", 0) == 0)
    return other;
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0)), trailing = node.rank(0) - axis - node.rank(1);
  if (node.failed() || trailing < 0) {
    node.invalid("the second operand does not fit at axis " + Twine(axis));
    return other;
  }
  SmallVector<nn::Dim> dims = node.dims(1);
  dims.append(trailing, node.dim(1));
  return node.reshape(other, dims);
}

template <typename Op> static void binary(Node &node) {
  if (haveOneType(node))
    node.result(node.make<Op>(node.in(0), aligned(node)));
}

/// Sum, Max, Min: any number of inputs.
template <typename Op> static Value chain(Node &node) {
  if (!haveOneType(node))
    return {};
  Value out = node.in(0);
  for (size_t i = 1; i < node.inputCount(); ++i)
    out = node.make<Op>(out, node.in(i));
  return out;
}
template <typename Op> static void variadic(Node &node) { node.result(chain<Op>(node)); }

static void mean(Node &node) {
  if (!isa<FloatType>(node.element(0)))
    return node.invalid("floating-point elements were expected");
  Value sum = chain<nn::AddOp>(node);
  if (!node.failed())
    node.result(node.make<nn::MulOp>(sum, node.scalar(1.0 / double(node.inputCount()), node.element(0))));
}

/// The exponent's type may differ from the base's, which is the result's. An integer to a fraction is computed in f64; to a whole number
/// exactly.
static void pow(Node &node) {
  Value base = node.in(0), exponent = aligned(node), whole = node.cast(exponent, node.element(0));
  Value result = node.make<nn::PowOp>(base, whole);
  if (!isa<IntegerType>(node.element(0)) || !isa<FloatType>(node.element(1)) || node.failed())
    return node.result(result);
  Type f64 = node.builder.getF64Type();
  Value real = node.make<nn::PowOp>(node.cast(base, f64), node.cast(exponent, f64));
  Value isWhole = node.make<nn::EqualOp>(node.cast(whole, node.element(1)), exponent);
  node.result(node.make<nn::SelectOp>(isWhole, result, node.cast(real, node.element(0))));
}

static void bitShift(Node &node) {
  StringRef direction = node.text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return node.invalid("direction is '" + direction + "'; LEFT or RIGHT was expected");
  if (haveOneType(node))
    node.result(node.make<nn::BitShiftOp>(node.in(0), node.in(1), node.unit(direction == "LEFT")));
}

static void mod(Node &node) {
  bool fmod = node.integer("fmod", 0) != 0;
  if (!fmod && isa<FloatType>(node.element(0)))
    return node.invalid("floating-point Mod needs fmod = 1");
  if (haveOneType(node))
    node.result(node.make<nn::ModOp>(node.in(0), node.in(1), node.unit(fmod)));
}

static void where(Node &node) {
  if (!node.element(0).isInteger(1))
    return node.invalid("the condition is not boolean");
  if (node.element(1) != node.element(2))
    return node.invalid("the two choices have elements of different types");
  node.result(node.make<nn::SelectOp>(node.in(0), node.in(1), node.in(2)));
}

static void convert(Node &node, Type element) {
  if (element == node.element(0))
    return node.result(node.in(0));
  StringRef rounding = node.text("round_mode", "up");
  std::optional<nn::RoundMode> mode = nn::symbolizeRoundMode(rounding);
  if (!mode)
    return node.invalid("round_mode is '" + rounding + "'; up, down or nearest was expected");
  bool saturate = node.integer("saturate", 1) != 0;
  node.result(node.make<nn::CastOp>(node.in(0), TypeAttr::get(element), node.builder.getBoolAttr(saturate),
                                    nn::RoundModeAttr::get(node.context, *mode)));
}

static void castTo(Node &node) {
  int64_t to = node.integer("to", 0);
  Type element = elementType(node.context, int32_t(to));
  if (!element)
    return node.unsupported("conversion to " + dataTypeName(int32_t(to)));
  convert(node, element);
}

static void castLike(Node &node) { convert(node, node.element(1)); }

static void bitCast(Node &node) {
  int64_t to = node.integer("to", 0);
  Type element = elementType(node.context, int32_t(to));
  if (!element)
    return node.unsupported("the bits as " + dataTypeName(int32_t(to)));
  node.result(element == node.element(0) ? node.in(0) : node.make<nn::BitcastOp>(node.in(0), TypeAttr::get(element)));
}

static void isInf(Node &node) {
  BoolAttr negative = node.builder.getBoolAttr(node.integer("detect_negative", 1) != 0);
  BoolAttr positive = node.builder.getBoolAttr(node.integer("detect_positive", 1) != 0);
  node.result(node.make<nn::IsInfOp>(node.in(0), negative, positive));
}

static void identity(Node &node) { node.result(node.in(0)); }

void registerElementwise(OperatorTable &table) {
  const std::tuple<StringRef, int, Handler> unaries[] = {
      {"Abs", 6, unary<nn::AbsOp>},     {"Neg", 6, unary<nn::NegOp>},     {"Exp", 6, unary<nn::ExpOp>},      {"Log", 6, unary<nn::LogOp>},
      {"Sqrt", 6, unary<nn::SqrtOp>},   {"Sin", 7, unary<nn::SinOp>},     {"Cos", 7, unary<nn::CosOp>},      {"Tan", 7, unary<nn::TanOp>},
      {"Asin", 7, unary<nn::AsinOp>},   {"Acos", 7, unary<nn::AcosOp>},   {"Atan", 7, unary<nn::AtanOp>},    {"Sinh", 9, unary<nn::SinhOp>},
      {"Cosh", 9, unary<nn::CoshOp>},   {"Tanh", 6, unary<nn::TanhOp>},   {"Asinh", 9, unary<nn::AsinhOp>},  {"Acosh", 9, unary<nn::AcoshOp>},
      {"Atanh", 9, unary<nn::AtanhOp>}, {"Erf", 9, unary<nn::ErfOp>},     {"Sign", 9, unary<nn::SignOp>},    {"Floor", 6, unary<nn::FloorOp>},
      {"Ceil", 6, unary<nn::CeilOp>},   {"Round", 11, unary<nn::RoundOp>}, {"Not", 1, unary<nn::NotOp>},     {"IsNaN", 9, unary<nn::IsNanOp>},
      {"Reciprocal", 6, unary<nn::ReciprocalOp>}, {"BitwiseNot", 18, unary<nn::BitwiseNotOp>}, {"Identity", 1, identity}};
  for (auto [name, since, handler] : unaries)
    table.add(name, since, 1, 1, handler);
  const std::tuple<StringRef, int, Handler> binaries[] = {
      {"Add", 6, binary<nn::AddOp>},   {"Sub", 6, binary<nn::SubOp>},     {"Mul", 6, binary<nn::MulOp>}, {"Div", 6, binary<nn::DivOp>},
      {"And", 1, binary<nn::AndOp>},   {"Or", 1, binary<nn::OrOp>},       {"Xor", 1, binary<nn::XorOp>}, {"Equal", 1, binary<nn::EqualOp>},
      {"Less", 1, binary<nn::LessOp>}, {"Greater", 1, binary<nn::GreaterOp>}, {"Pow", 1, pow},           {"Mod", 10, mod},
      {"LessOrEqual", 12, binary<nn::LessOrEqualOp>},     {"GreaterOrEqual", 12, binary<nn::GreaterOrEqualOp>},
      {"BitwiseAnd", 18, binary<nn::BitwiseAndOp>},       {"BitwiseOr", 18, binary<nn::BitwiseOrOp>},
      {"BitwiseXor", 18, binary<nn::BitwiseXorOp>},       {"BitShift", 11, bitShift},
      {"CastLike", 15, castLike}};
  for (auto [name, since, handler] : binaries)
    table.add(name, since, 2, 2, handler);
  table.add("Sum", 6, 1, kAnyNumber, variadic<nn::AddOp>);
  table.add("Max", 6, 1, kAnyNumber, variadic<nn::MaxOp>);
  table.add("Min", 6, 1, kAnyNumber, variadic<nn::MinOp>);
  table.add("Mean", 6, 1, kAnyNumber, mean);
  table.add("Where", 9, 3, 3, where);
  table.add("Cast", 6, 1, 1, castTo);
  table.add("BitCast", 26, 1, 1, bitCast);
  table.add("IsInf", 10, 1, 1, isInf);
}

} // namespace tenon::importer
