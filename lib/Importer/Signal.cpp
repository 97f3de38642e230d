// Windows and Fourier transforms.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Fourier.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/RunTimeShapes.h"
#include "lib/Importer/SizeMath.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

//===-- Windows ---------------------------------------------------------------------------------------------------===//

/// constant + sum of factors[i] * cos(2 pi (i + 1) n / period); period is the size, or one less for a symmetric window.
static void cosineWindow(Node &node, double constant, ArrayRef<double> factors) {
  std::optional<SmallVector<Dim>> given = node.sizes(0);
  if (!given)
    return;
  if (given->size() != 1)
    return node.invalid("the size must be one number");
  Dim size = given->front(), period = node.integer("periodic", 1) != 0 ? size : size - 1;
  Type element = elementType(node.context, int32_t(node.integer("output_datatype", 1)));
  if (!element || element.isInteger(1))
    return node.unsupported("output_datatype " + dataTypeName(int32_t(node.integer("output_datatype", 1))));
  Formula f(node);
  Type real = element.isF64() ? element : Type(node.builder.getF32Type());
  Value n = node.cast(f.positions(size, 0, 1), real), turn = f.div(f.mul(n, 2 * M_PI), node.cast(f.sizeValue(period), real));
  Value window = f.expand(node.scalar(constant, real), {size});
  for (auto [i, factor] : llvm::enumerate(factors))
    window = f.add(window, f.mul(node.make<nn::CosOp>(f.mul(turn, double(i + 1))), factor));
  node.result(node.cast(window, element));
}

static void hannWindow(Node &node) {
  cosineWindow(node, 0.5, {-0.5});
}
static void hammingWindow(Node &node) {
  cosineWindow(node, 25.0 / 46.0, {-21.0 / 46.0});
}
static void blackmanWindow(Node &node) {
  cosineWindow(node, 0.42, {-0.5, 0.08});
}

//===-- Transforms ------------------------------------------------------------------------------------------------===//

/// The first `size` entries along `axis`, zeros behind the last one.
static Value resized(Node &node, Value value, int64_t axis, Dim size) {
  SmallVector<Dim> dims = sizesOf(value);
  if (node.failed() || dims[axis] == size)
    return value;
  SmallVector<Dim> low(dims.size(), node.dim(0)), high = low;
  high[axis] = size - dims[axis];
  return node.make<nn::PadOp>(value, Value(), node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
}

/// Real and imaginary parts of the signal, input 0: as many as its last axis has entries, of which `implied` is what else tells it. A real
/// signal whose last axis is free gets imaginary parts, zeros. None after a report.
static std::optional<int64_t> partsOf(Node &node, Value &signal, std::optional<int64_t> implied) {
  int64_t last = node.rank(0) - 1;
  if (implied)
    node.takeSize(0, last, *implied);
  if (node.failed())
    return std::nullopt;
  signal = node.in(0);
  Dim size = node.dims(0)[last];
  if (!size.isConstant()) {
    node.require((size - 1) * (size - 2), node.dim(0), "the last axis must have 1 (real) or 2 (complex) entries; the product of what it differs by");
    signal = resized(node, signal, last, node.dim(2));
    return node.failed() ? std::nullopt : std::optional<int64_t>(2);
  }
  if (!size.isConstant(1) && !size.isConstant(2))
    node.invalid("the last axis has the size " + size.str() + "; 1 (real) or 2 (complex) was expected");
  return node.failed() ? std::nullopt : size.asConstant();
}

/// The transform of `signal` along `axis`; null after a report.
static Value transformed(Node &node, Value signal, int64_t axis, int64_t parts) {
  SmallVector<Dim> dims = sizesOf(signal);
  int64_t last = int64_t(dims.size()) - 1;
  FourierShape shape;
  shape.inverse = node.integer("inverse", 0) != 0;
  bool onesided = node.integer("onesided", 0) != 0;
  shape.halfSpectrum = shape.inverse && onesided;
  shape.complexInput = parts == 2;
  shape.complexOutput = !shape.halfSpectrum;
  shape.length = shape.halfSpectrum ? (dims[axis] - 1) * 2 : dims[axis];
  if (node.in(1)) {
    std::optional<SmallVector<Dim>> given = node.sizes(1);
    if (!given)
      return {};
    if (given->size() != 1) {
      node.invalid("the length must be one number");
      return {};
    }
    shape.length = given->front();
  }
  Dim half = shape.length.floorDiv(2) + 1;
  shape.inputs = shape.halfSpectrum ? half : shape.length;
  shape.outputs = onesided && !shape.inverse ? half : shape.length;

  // The transformed axis goes beside the parts, then both are one.
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, last)), back = permutation;
  permutation.erase(permutation.begin() + axis);
  permutation.append({axis, last});
  for (auto [to, from] : llvm::enumerate(permutation))
    if (to < back.size())
      back[from] = to;
  back.push_back(last);
  Value x = node.transpose(resized(node, signal, axis, shape.inputs), permutation);
  Formula f(node);
  SmallVector<Dim> rows = sizesOf(x);
  if (node.failed())
    return {};
  SmallVector<Dim> outer(rows.begin(), rows.end() - 2);
  Dim count = nn::product(node.context, outer);
  Value product = f.matmul(node.reshape(x, {count, shape.inputs * parts}), fourierMatrix(node, shape, node.element(0)));
  outer.append({shape.outputs, node.dim(shape.complexOutput ? 2 : 1)});
  return node.transpose(node.reshape(product, outer), back);
}

/// Along an axis that the run names: the axes before and behind it become one each.
static void dftComputedAxis(Node &node, Value signal, int64_t parts) {
  SmallVector<Dim> dims = sizesOf(signal), axes(dims.begin(), dims.end() - 1), split = splitAtAxis(node, 2, axes, node.rank(0));
  if (node.failed())
    return;
  split.push_back(dims.back());
  Value out = transformed(node, node.reshape(signal, split), 1, parts);
  if (node.failed())
    return;
  SizeMath math(node);
  SmallVector<Dim> result = sizesOf(out);
  Value isAxis = math.isEqual(math.positions(axes.size()), math.fromFront(math.flat(node.in(2)), math.number(node.rank(0))));
  SmallVector<Dim> sizes = node.readSizes(math.choose(isAxis, math.vector(ArrayRef<Dim>{result[1]}), math.vector(axes)), "transformed");
  sizes.push_back(result.back());
  reshapeTo(node, out, sizes);
}

static void dft(Node &node) {
  int64_t rank = node.rank(0);
  if (rank < 2)
    return node.invalid("the input has rank " + Twine(rank) + "; at least 2 was expected");
  node.takeOne(1);
  // A one-sided transform is of a real signal, its inverse of half a spectrum.
  std::optional<int64_t> implied;
  if (node.integer("onesided", 0) != 0)
    implied = node.integer("inverse", 0) != 0 ? 2 : 1;
  Value signal;
  std::optional<int64_t> parts = partsOf(node, signal, implied);
  if (!parts)
    return;
  bool hasInput = node.opset >= 20 && node.in(2);
  if (hasInput && !nn::constantDims(node.in(2)))
    return dftComputedAxis(node, signal, *parts);
  int64_t axis = node.opset < 20 ? node.integer("axis", 1) : -2;
  if (hasInput) {
    std::optional<SmallVector<int64_t>> given = node.knownIntegers(2);
    if (!given)
      return;
    if (given->size() != 1)
      return node.invalid("the axis must be one number");
    axis = given->front();
  }
  axis = node.axisOf(axis, rank);
  if (!node.failed() && axis == rank - 1)
    node.invalid("the last axis holds real and imaginary parts");
  if (!node.failed())
    node.result(transformed(node, signal, axis, *parts));
}

/// Frames of `length` samples every `step`, as [batch, frames, length, parts].
static Value framesOf(Node &node, Value signal, Dim frames, Dim length, Dim step) {
  Formula f(node);
  Value first = f.mul(f.positions(frames, 0, 2), f.sizeValue(step));
  return node.make<nn::GatherOp>(signal, f.add(first, f.positions(length, 1, 2)), node.i64(1));
}

static void stft(Node &node) {
  if (node.rank(0) != 2 && node.rank(0) != 3)
    return node.invalid("the signal has rank " + Twine(node.rank(0)) + "; 3 was expected");
  std::optional<SmallVector<Dim>> step = node.sizes(1);
  SmallVector<Dim> dims = node.dims(0);
  if (dims.size() == 2)
    dims.push_back(node.dim(1));
  FourierShape shape;
  if (node.in(3)) {
    std::optional<SmallVector<Dim>> length = node.sizes(3);
    if (!length)
      return;
    if (length->size() != 1)
      return node.invalid("the frame's length must be one number");
    shape.length = length->front();
  } else {
    shape.length = node.in(2) ? node.dims(2)[0] : dims[1];
  }
  if (!step || node.failed())
    return;
  if (step->size() != 1 || (step->front().isConstant() && *step->front().asConstant() < 1))
    return node.invalid("the step must be one number above 0");
  if (node.in(2) && node.rank(2) != 1)
    return node.invalid("the window has rank " + Twine(node.rank(2)) + "; 1 was expected");
  bool onesided = node.integer("onesided", 1) != 0;
  Value signal = node.in(0);
  std::optional<int64_t> parts = 1;
  if (node.rank(0) == 3)
    parts = partsOf(node, signal, onesided ? std::optional<int64_t>(1) : std::nullopt);
  if (!parts)
    return;
  shape.complexInput = *parts == 2;
  dims[2] = node.dim(*parts);
  if (onesided && shape.complexInput)
    return node.invalid("a complex signal has no one-sided transform");
  shape.inputs = shape.length;
  shape.outputs = onesided ? shape.length.floorDiv(2) + 1 : shape.length;
  Dim frames = (dims[1] - shape.length).floorDiv(step->front()) + 1;
  if (node.in(2))
    node.require(node.dims(2)[0], shape.length, "the window's length");
  Formula f(node);
  Value framed = framesOf(node, node.reshape(signal, dims), frames, shape.length, step->front());
  if (node.in(2))
    framed = f.mul(framed, node.reshape(node.in(2), {shape.length, node.dim(1)}));
  Value product = f.matmul(node.reshape(framed, {dims[0] * frames, shape.length * dims[2]}), fourierMatrix(node, shape, node.element(0)));
  node.result(node.reshape(product, {dims[0], frames, shape.outputs, node.dim(2)}));
}

void registerMelFilters(OperatorTable &table);

void registerSignal(OperatorTable &table) {
  registerMelFilters(table);
  table.add("HannWindow", 17, 1, 1, hannWindow);
  table.add("HammingWindow", 17, 1, 1, hammingWindow);
  table.add("BlackmanWindow", 17, 1, 1, blackmanWindow);
  table.add("DFT", 17, 1, 3, dft);
  table.add("STFT", 17, 2, 4, stft);
}

} // namespace tenon::importer
