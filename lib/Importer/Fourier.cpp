#include "lib/Importer/Fourier.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// What part `out` (0: real) of a result takes of part `in` of a sample: a factor of the cosine and one of the sine.
struct Factors {
  double cosine, sine;
};
static Factors factorsOf(int in, int out, bool inverse) {
  // (a + ib)(cos -+ i sin)
  double sign = inverse ? 1.0 : -1.0;
  if (in == out)
    return {1.0, 0.0};
  return {0.0, in == 0 ? sign : -sign};
}

/// Samples that stand for themselves and their mirror image count twice: all but the first and, of an even length, the middle one.
static double weightOf(const FourierShape &shape, int64_t n, int64_t length) {
  double scale = shape.inverse ? 1.0 / double(length) : 1.0;
  if (!shape.halfSpectrum)
    return scale;
  if (n > length / 2)
    return 0.0;
  return n == 0 || 2 * n == length ? scale : 2 * scale;
}

static Value constantMatrix(Node &node, const FourierShape &shape, int64_t length, int64_t inputs, int64_t outputs, Type element) {
  int inParts = shape.complexInput ? 2 : 1, outParts = shape.complexOutput ? 2 : 1;
  std::vector<double> values;
  values.reserve(inputs * outputs * inParts * outParts);
  for (int64_t n = 0; n < inputs; ++n)
    for (int in = 0; in < inParts; ++in)
      for (int64_t k = 0; k < outputs; ++k)
        for (int out = 0; out < outParts; ++out) {
          // Quarters of the circle are exact.
          int64_t turn = int64_t((__int128(n) * k) % length);
          bool quarter = 4 * turn % length == 0;
          double angle = 2 * M_PI * double(turn) / double(length), cosine = std::cos(angle), sine = std::sin(angle);
          Factors f = factorsOf(in, out, shape.inverse);
          values.push_back(weightOf(shape, n, length) *
                           (f.cosine * (quarter ? std::round(cosine) : cosine) + f.sine * (quarter ? std::round(sine) : sine)));
        }
  auto type = RankedTensorType::get({inputs * inParts, outputs * outParts}, element);
  if (element.isF64())
    return node.constant(DenseElementsAttr::get(type, ArrayRef(values)));
  std::vector<float> narrow(values.begin(), values.end());
  return node.cast(node.constant(DenseElementsAttr::get(type.clone(node.builder.getF32Type()), ArrayRef(narrow))), element);
}

/// The same from positions, for lengths that only a run knows.
static Value computedMatrix(Node &node, const FourierShape &shape, Type element) {
  Formula f(node);
  Value length = f.sizeValue(shape.length), n = f.positions(shape.inputs, 0, 2), k = f.positions(shape.outputs, 1, 2);
  Value turn = node.make<nn::ModOp>(f.mul(n, k), length, UnitAttr());
  Type f64 = node.builder.getF64Type(); // errors of the angle add up over a transform
  Value real = node.cast(length, f64);
  Value angle = f.div(f.mul(node.cast(turn, f64), 2 * M_PI), real);
  Value cosine = node.make<nn::CosOp>(angle), sine = node.make<nn::SinOp>(angle);
  if (shape.inverse) {
    cosine = f.div(cosine, real);
    sine = f.div(sine, real);
  }
  if (shape.halfSpectrum) {
    Value zero = f.number(0, n), twice = f.mul(n, 2), isEnd = node.make<nn::OrOp>(f.equal(n, zero), f.equal(twice, length));
    Value weight = f.select(isEnd, f.number(1, cosine), f.select(f.less(length, twice), f.number(0, cosine), f.number(2, cosine)));
    cosine = f.mul(cosine, weight);
    sine = f.mul(sine, weight);
  }
  if (node.failed())
    return {};
  // [inputs, parts, outputs, parts]
  int inParts = shape.complexInput ? 2 : 1, outParts = shape.complexOutput ? 2 : 1;
  SmallVector<Value> rows;
  for (int in = 0; in < inParts; ++in) {
    SmallVector<Value> columns;
    for (int out = 0; out < outParts; ++out) {
      Factors factors = factorsOf(in, out, shape.inverse);
      Value part = factors.cosine != 0 ? cosine : f.mul(sine, factors.sine);
      columns.push_back(node.reshape(part, {shape.inputs, node.dim(1), shape.outputs, node.dim(1)}));
    }
    rows.push_back(columns.size() == 1 ? columns[0] : f.concat(columns, 3));
  }
  Value all = rows.size() == 1 ? rows[0] : f.concat(rows, 1);
  return node.cast(node.reshape(all, {shape.inputs * inParts, shape.outputs * outParts}), element);
}

Value fourierMatrix(Node &node, const FourierShape &shape, Type element) {
  constexpr int64_t kMostElements = int64_t(1) << 24;
  std::optional<int64_t> length = shape.length.asConstant(), inputs = shape.inputs.asConstant(), outputs = shape.outputs.asConstant();
  if (!length || !inputs || !outputs)
    return computedMatrix(node, shape, element);
  if (*length < 1 || *inputs < 0 || *outputs < 0) {
    node.invalid("the length of the transform is " + Twine(*length));
    return {};
  }
  if (*inputs > kMostElements || *outputs > kMostElements || 4 * *inputs * *outputs > kMostElements) {
    node.unsupported("a transform of length " + Twine(*length) + ", whose matrix has more than " + Twine(kMostElements) + " elements");
    return {};
  }
  return constantMatrix(node, shape, *length, *inputs, *outputs, element);
}

} // namespace tenon::importer
