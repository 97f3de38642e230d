// Random numbers, the same in every run.
//
// A tensor of known shape holds the numbers of NumPy's RandomState(seed).random_sample, made when the model is compiled; any other
// shape hashes each element's position with SplitMix64 (Steele, Lea, Flood 2014). Without a seed the seed is 0.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/TensorData.h"
#include <random>

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

constexpr int64_t kMostConstantNumbers = 1 << 20;

static Value constantNumbers(Node &node, ArrayRef<int64_t> shape, int64_t count, uint64_t seed) {
  std::mt19937 generator{uint32_t(seed)};
  std::vector<double> numbers(count);
  for (double &number : numbers) { // 53 bits of two draws
    uint32_t high = generator() >> 5, low = generator() >> 6;
    number = (double(high) * 67108864.0 + double(low)) / 9007199254740992.0;
  }
  return node.constant(DenseElementsAttr::get(RankedTensorType::get(shape, node.builder.getF64Type()), ArrayRef(numbers)));
}

static Value hashedNumbers(Node &node, ArrayRef<Dim> dims, uint64_t seed) {
  Formula f(node);
  auto type = IntegerType::get(node.context, 64, IntegerType::Unsigned);
  auto word = [&](uint64_t value) { return node.constant(DenseElementsAttr::get(RankedTensorType::get({}, type), APInt(64, value))); };
  auto mixed = [&](Value x, uint64_t shift) { return node.make<nn::BitwiseXorOp>(x, node.make<nn::BitShiftOp>(x, word(shift), UnitAttr())); };
  Value x = node.cast(f.positions(nn::product(node.context, dims), 0, 1), type);
  x = f.mul(f.add(x, word(seed + 1)), word(0x9E3779B97F4A7C15));
  x = f.mul(mixed(x, 30), word(0xBF58476D1CE4E5B9));
  x = f.mul(mixed(x, 27), word(0x94D049BB133111EB));
  x = node.make<nn::BitShiftOp>(mixed(x, 31), word(11), UnitAttr());
  constexpr double kUnit = 1.0 / 9007199254740992.0; // 2^-53
  return node.reshape(f.mul(node.cast(x, node.builder.getF64Type()), kUnit), dims);
}

/// Numbers in [0, 1) as f64.
static Value uniformNumbers(Node &node, ArrayRef<Dim> dims, uint64_t seed) {
  SmallVector<int64_t> shape;
  int64_t count = 1;
  for (Dim dim : dims) {
    std::optional<int64_t> size = dim.asConstant();
    if (size && *size < 0) {
      node.invalid("a size is " + dim.str());
      return {};
    }
    if (!size || llvm::MulOverflow(count, *size, count) || count > kMostConstantNumbers)
      return hashedNumbers(node, dims, seed);
    shape.push_back(*size);
  }
  return constantNumbers(node, shape, count, seed);
}

/// Box and Muller's pairs of a uniform radius and angle.
static Value normalNumbers(Node &node, ArrayRef<Dim> dims, uint64_t seed) {
  Formula f(node);
  Value radius = uniformNumbers(node, dims, seed), angle = uniformNumbers(node, dims, seed ^ 0x5DEECE66D);
  if (node.failed())
    return {};
  Value logarithm = node.make<nn::LogOp>(f.sub(f.number(1, radius), radius)); // of (0, 1]
  return f.mul(node.make<nn::SqrtOp>(f.mul(logarithm, -2.0)), node.make<nn::CosOp>(f.mul(angle, 2 * M_PI)));
}

static uint64_t seedOf(Node &node) {
  return uint64_t(std::clamp(node.real("seed", 0.0), 0.0, 4294967295.0));
}

/// The type that `dtype` names, `otherwise` where it is absent; null after a report.
static Type typeOf(Node &node, Type otherwise) {
  int64_t given = node.integer("dtype", 0);
  Type element = given ? elementType(node.context, int32_t(given)) : otherwise;
  if (!element)
    node.unsupported("elements of type " + dataTypeName(int32_t(given)));
  return element;
}

static std::optional<SmallVector<Dim>> shapeAttribute(Node &node) {
  std::optional<SmallVector<int64_t>> shape = node.integers("shape");
  if (!shape) {
    node.invalid("the shape is missing");
    return std::nullopt;
  }
  return llvm::map_to_vector(*shape, [&](int64_t size) { return node.dim(size); });
}

template <bool normal, bool like> static void randomTensor(Node &node) {
  std::optional<SmallVector<Dim>> dims = like ? node.dims(0) : shapeAttribute(node);
  Type otherwise = node.builder.getF32Type();
  if constexpr (like)
    otherwise = node.element(0);
  Type element = dims ? typeOf(node, otherwise) : Type();
  if (!element)
    return;
  if (!isa<FloatType>(element))
    return node.invalid("random numbers of a floating-point type were expected");
  Formula f(node);
  double offset = node.real(normal ? "mean" : "low", 0.0), scale = normal ? node.real("scale", 1.0) : node.real("high", 1.0) - offset;
  Value numbers = normal ? normalNumbers(node, *dims, seedOf(node)) : uniformNumbers(node, *dims, seedOf(node));
  if (!node.failed())
    node.result(node.cast(f.add(f.mul(numbers, scale), offset), element));
}

/// 1 with the probability that the input holds.
static void bernoulli(Node &node) {
  Type element = typeOf(node, node.element(0));
  if (!element)
    return;
  Formula f(node);
  Value numbers = uniformNumbers(node, node.dims(0), seedOf(node));
  node.result(node.cast(f.less(numbers, node.cast(node.in(0), node.builder.getF64Type())), element));
}

/// Classes drawn from unnormalized logarithms of probabilities: the first whose cumulated probability exceeds a uniform number.
static void multinomial(Node &node) {
  if (node.rank(0) != 2)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; 2 was expected");
  int64_t given = node.integer("dtype", 6), samples = node.integer("sample_size", 1);
  Type element = elementType(node.context, int32_t(given));
  if (!element || !element.isSignlessInteger() || element.isInteger(1))
    return node.unsupported("elements of type " + dataTypeName(int32_t(given)));
  if (samples < 1)
    return node.invalid("sample_size is " + Twine(samples));
  Formula f(node);
  SmallVector<Dim> dims = node.dims(0);
  Type f64 = node.builder.getF64Type();
  Value cumulated = node.make<nn::CumSumOp>(node.make<nn::SoftmaxOp>(node.cast(node.in(0), f64), node.i64(1), UnitAttr()), node.i64(1), UnitAttr(),
                                            UnitAttr(), UnitAttr());
  Value numbers = uniformNumbers(node, {dims[0], node.dim(samples)}, seedOf(node));
  Value isBelow = f.atMost(f.unsqueeze(cumulated, 1), f.unsqueeze(numbers, 2));
  Value count = f.reduce(nn::ReduceKind::Sum, node.cast(isBelow, node.builder.getI64Type()), {2}, false);
  Value last = f.sizeValue(dims[1] - 1);
  node.result(node.cast(node.make<nn::MinOp>(count, last), element));
}

/// y = x with a share `ratio` of its elements zero and the others scaled, in training; the mask says which stayed.
static void dropout(Node &node) {
  if (node.opset < 7 && node.integer("is_test", 0) == 0)
    return node.unsupported("training mode before opset 7");
  Formula f(node);
  Type i1 = node.builder.getI1Type();
  Value yes = f.expand(node.cast(node.scalar(1, node.builder.getI32Type()), i1), node.dims(0));
  node.result(0, node.in(0));
  node.result(1, yes);
  std::optional<SmallVector<double>> known;
  if (node.in(2) && isa_and_nonnull<nn::ConstantOp>(node.in(2).getDefiningOp()))
    known = node.knownReals(2);
  if (node.opset < 12 || !node.in(2) || (known && known->size() == 1 && known->front() == 0))
    return;
  for (size_t i : {1, 2})
    if (node.in(i) && !nn::numElements(node.in(i).getType()).isConstant(1))
      return node.invalid("input " + Twine(i) + " must be one number");
  Type f64 = node.builder.getF64Type();
  Value ratio = node.in(1) ? node.cast(node.reshape(node.in(1), {}), f64) : node.scalar(0.5, f64);
  Value training = node.cast(node.reshape(node.in(2), {}), i1);
  Value stays = f.atMost(ratio, uniformNumbers(node, node.dims(0), uint64_t(node.integer("seed", 0))));
  Value scale = node.cast(f.div(f.number(1, ratio), f.sub(f.number(1, ratio), ratio)), node.element(0));
  Value dropped = f.select(stays, f.mul(node.in(0), scale), f.number(0, node.in(0)));
  node.result(0, f.select(training, dropped, node.in(0)));
  node.result(1, node.make<nn::OrOp>(stays, node.make<nn::NotOp>(training)));
}

void registerRandom(OperatorTable &table) {
  table.add("RandomUniform", 1, 0, 0, randomTensor<false, false>);
  table.add("RandomUniformLike", 1, 1, 1, randomTensor<false, true>);
  table.add("RandomNormal", 1, 0, 0, randomTensor<true, false>);
  table.add("RandomNormalLike", 1, 1, 1, randomTensor<true, true>);
  table.add("Bernoulli", 15, 1, 1, bernoulli);
  table.add("Multinomial", 7, 1, 1, multinomial);
  table.add("Dropout", 1, 1, 3, dropout);
}

} // namespace tenon::importer
