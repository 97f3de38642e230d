#include "lib/Importer/WindowMatrix.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

std::optional<FreeWindow> readFreeWindow(Node &node, ArrayRef<Dim> kernel) {
  std::optional<Window> fixed = readWindow(node, SmallVector<int64_t>(kernel.size(), 1));
  if (!fixed)
    return std::nullopt;
  FreeWindow window{fixed->strides, fixed->dilations, {}, {}};
  size_t rank = kernel.size();
  for (size_t i = 0; i < rank; ++i) {
    window.low.push_back(node.dim(fixed->pads[i]));
    window.high.push_back(node.dim(fixed->pads[rank + i]));
  }
  StringRef mode = node.text("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode.empty())
    return window;
  bool isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (!isSame && mode != "VALID") {
    node.invalid("auto_pad is '" + mode + "'");
    return std::nullopt;
  }
  SmallVector<Dim> sizes = node.dims(0);
  for (size_t i = 0; i < rank; ++i) {
    Dim in = sizes[i + 2], stride = node.dim(window.strides[i]), extent = (kernel[i] - 1) * window.dilations[i] + 1;
    Dim total = isSame ? ((in.ceilDiv(stride) - 1) * stride + extent - in).max(node.dim(0)) : node.dim(0);
    window.low[i] = mode == "SAME_UPPER" ? total.floorDiv(2) : total.ceilDiv(2);
    window.high[i] = total - window.low[i];
  }
  return window;
}

static Value zeroPadded(Node &node, Value x, ArrayRef<Dim> low, ArrayRef<Dim> high) {
  auto isZero = [](Dim dim) { return dim.isConstant(0); };
  if (node.failed() || (llvm::all_of(low, isZero) && llvm::all_of(high, isZero)))
    return x;
  return node.make<nn::PadOp>(x, Value(), node.dimsAttr(low), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
}

/// `whole` in `parts` equal parts: the size of one.
static Dim partOf(Node &node, Dim whole, Dim parts, const Twine &what) {
  if (std::optional<Dim> exact = whole.dividedExactlyBy(parts))
    return *exact;
  if (whole.isConstant() && parts.isConstant())
    node.invalid(what + " " + whole.str() + " cannot be divided into " + parts.str() + " groups");
  Dim part = whole.floorDiv(parts);
  node.require(part * parts, whole, what + ", which the groups divide");
  return part;
}

Value convolveAsMatrix(Node &node, Value x, Value weights, Value bias, const FreeWindow &window, Dim groups) {
  if (node.failed())
    return {};
  Formula f(node);
  size_t rank = window.strides.size();
  SmallVector<Dim> low(2, node.dim(0)), high = low, kernel = nn::dimsOf(weights.getType());
  llvm::append_range(low, window.low);
  llvm::append_range(high, window.high);
  Value windows = zeroPadded(node, x, low, high);
  SmallVector<Dim> padded = sizesOf(windows);
  if (node.failed())
    return {};
  Dim results = partOf(node, kernel[0], groups, "the number of results"), depth = kernel[1];
  node.require(padded[1], depth * groups, "the channels, those of the weights times the groups");

  // [N, C, Y, R, X, S ...]: every axis becomes the place of the window, and the place in it.
  SmallVector<Dim> split{padded[0], groups, depth}, places, taps(kernel.begin() + 2, kernel.end());
  for (size_t i = 0; i < rank; ++i) {
    Dim extent = (taps[i] - 1) * window.dilations[i] + 1, beyond = padded[i + 2] - extent;
    node.requireAtMost(extent, padded[i + 2], "the extent of the kernel along axis " + Twine(i + 2) + " of the padded input");
    places.push_back(beyond.floorDiv(window.strides[i]) + 1);
    Value place = f.mul(f.positions(places[i], 0, 2), double(window.strides[i])),
          tap = f.mul(f.positions(taps[i], 1, 2), double(window.dilations[i]));
    windows = node.make<nn::GatherOp>(windows, f.add(place, tap), node.i64(2 + 2 * int64_t(i)));
    split.append({places[i], taps[i]});
  }
  SmallVector<int64_t> order{0, 1, 2};
  for (size_t part : {1, 0})
    for (size_t i = 0; i < rank; ++i)
      order.push_back(int64_t(3 + 2 * i + part));
  Dim inner = depth * nn::product(node.context, taps), outer = nn::product(node.context, places);
  Value columns = node.failed() ? Value() : node.reshape(node.transpose(node.reshape(windows, split), order), {padded[0], groups, inner, outer});
  Value out = f.matmul(node.reshape(weights, {groups, results, inner}), columns);
  SmallVector<Dim> dims{padded[0], kernel[0]};
  llvm::append_range(dims, places);
  out = node.reshape(out, dims);
  if (!bias || node.failed())
    return out;
  SmallVector<Dim> column(rank + 1, node.dim(1));
  column[0] = kernel[0];
  node.require(nn::numElements(bias.getType()), kernel[0], "the size of the bias");
  return f.add(out, node.reshape(bias, column));
}

/// Zeros between the elements of the spatial axes, and stride - 1 behind the last ones.
static Value spreadOut(Node &node, Value x, ArrayRef<int64_t> strides) {
  if (llvm::all_of(strides, [](int64_t stride) { return stride == 1; }))
    return x;
  SmallVector<Dim> dims = nn::dimsOf(x.getType()), split(dims.begin(), dims.begin() + 2), joined = split, low(2, node.dim(0)), high = low;
  for (auto [i, stride] : llvm::enumerate(strides)) {
    split.append({dims[i + 2], node.dim(1)});
    low.append(2, node.dim(0));
    high.append({node.dim(0), node.dim(stride - 1)});
    joined.push_back(dims[i + 2] * stride);
  }
  return node.reshape(zeroPadded(node, node.reshape(x, split), low, high), joined);
}

/// Weights [C, K / groups, R...] as [K, C / groups, R...], walked backwards.
static Value turned(Node &node, Value weights, Dim groups) {
  SmallVector<Dim> dims = nn::dimsOf(weights.getType()), starts(dims.size(), node.dim(0)), split{groups};
  SmallVector<int64_t> steps(dims.size(), 1), order{0, 2, 1};
  Dim depth = partOf(node, dims[0], groups, "the channels");
  split.push_back(depth);
  split.append(dims.begin() + 1, dims.end());
  for (size_t i = 2; i < dims.size(); ++i) {
    starts[i] = dims[i] - 1;
    steps[i] = -1;
    order.push_back(int64_t(i) + 1);
  }
  Value backwards = node.make<nn::SliceOp>(weights, node.dimsAttr(starts), node.dimsAttr(dims), node.i64s(steps));
  if (node.failed())
    return {};
  SmallVector<Dim> out{groups * dims[1], depth};
  out.append(dims.begin() + 2, dims.end());
  return node.reshape(node.transpose(node.reshape(backwards, split), order), out);
}

Value convolveTransposedAsMatrix(Node &node, Value x, Value weights, Value bias, const FreeWindow &window, ArrayRef<Dim> outputPadding, Dim groups) {
  if (node.failed())
    return {};
  node.require(nn::dimsOf(x.getType())[1], nn::dimsOf(weights.getType())[0], "the channels of the input, and of the weights");
  SmallVector<Dim> kernel = nn::dimsOf(weights.getType());
  FreeWindow inner{SmallVector<int64_t>(window.strides.size(), 1), window.dilations, {}, {}};
  for (size_t i = 0; i < window.strides.size(); ++i) {
    Dim reach = (kernel[i + 2] - 1) * window.dilations[i];
    inner.low.push_back(reach - window.low[i]);
    inner.high.push_back(reach - window.high[i] + outputPadding[i] - (window.strides[i] - 1));
  }
  return convolveAsMatrix(node, spreadOut(node, x, window.strides), turned(node, weights, groups), bias, inner, groups);
}

} // namespace tenon::importer
