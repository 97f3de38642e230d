// Pooling windows, and pooling over whole images.
#include "lib/Importer/Operators.h"
#include "lib/Importer/Window.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// What never wins a maximum.
static Value lowest(Node &node) {
  Type element = node.element(0);
  if (isa<FloatType>(element))
    return node.scalar(-std::numeric_limits<double>::infinity(), element);
  return node.scalar(element.isUnsignedInteger() ? 0 : -std::ldexp(1.0, int(element.getIntOrFloatBitWidth()) - 1), element);
}

/// Ones where `padded` holds the node's input, zeros where it holds what auto_pad put around it; one image, one channel.
static Value paddedOnes(Node &node, Value padded) {
  auto pad = padded.getDefiningOp<nn::PadOp>();
  if (!pad || node.failed())
    return {};
  SmallVector<Dim> dims = node.dims(0);
  dims[0] = dims[1] = node.dim(1);
  Value ones = node.make<nn::ExpandOp>(node.scalar(1, node.element(0)), node.dimsAttr(dims));
  return node.make<nn::PadOp>(ones, Value(), pad.getLowAttr(), pad.getHighAttr(), pad.getModeAttr());
}

template <nn::PoolKind kind> static void pool(Node &node) {
  if (node.rank(0) < 3)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 3 was expected");
  if (node.rank(0) > 5)
    return node.unsupported(Twine(node.rank(0) - 2) + " spatial axes; 1 to 3 are supported");
  std::optional<SmallVector<int64_t>> size = node.integers("kernel_shape");
  if (!size || size->size() != size_t(node.rank(0) - 2))
    return node.invalid("kernel_shape must have one entry for each spatial axis");
  std::optional<Window> window = readWindow(node, *size);
  if (!window)
    return;
  bool ceil = node.integer("ceil_mode", 0) != 0, includePad = node.integer("count_include_pad", 0) != 0;
  Value input = applyAutoPad(node, *window, [&] { return kind == nn::PoolKind::Max ? lowest(node) : Value(); });
  if (node.failed())
    return;
  bool isPadded = input != node.in(0);
  // auto_pad settles the number of results; rounding up would add a window.
  bool autoPadded = node.text("auto_pad", "NOTSET").starts_with("SAME");
  auto pooled = [&](Value value) {
    return node.make<nn::PoolOp>(value, nn::PoolKindAttr::get(node.context, kind), node.i64s(window->size), node.i64s(window->strides),
                                 node.i64s(window->pads), node.i64s(window->dilations), node.unit(ceil && !autoPadded), node.unit(includePad),
                                 node.i64(node.integer("p", 2)), nn::LayoutAttr::get(node.context, nn::Layout::ChannelsFirst));
  };
  Value out = pooled(input);
  if (kind == nn::PoolKind::Average && isPadded && !includePad) // the part of each window that is not padding
    out = node.make<nn::DivOp>(out, pooled(paddedOnes(node, input)));
  node.result(out);
  if (kind != nn::PoolKind::Max || !node.wants(1) || node.failed())
    return;
  if (input != node.in(0))
    return node.unsupported("positions with auto_pad and a free size");
  bool columnMajor = node.integer("storage_order", 0) != 0;
  node.result(1, node.make<nn::ArgPoolOp>(input, node.i64s(window->size), node.i64s(window->strides), node.i64s(window->pads),
                                          node.i64s(window->dilations), node.unit(ceil && !autoPadded), node.unit(columnMajor)));
}

/// The values of a pooled tensor at the positions where they came from, zero elsewhere. A larger output_shape leaves zeros at the ends.
static void maxUnpool(Node &node) {
  std::optional<SmallVector<int64_t>> size = node.integers("kernel_shape");
  if (node.rank(0) < 3 || !size || int64_t(size->size()) != node.rank(0) - 2)
    return node.invalid("kernel_shape must have one entry for each spatial axis");
  std::optional<Window> window = readWindow(node, *size);
  if (!window)
    return;
  SmallVector<Dim> dims = node.dims(0), high(dims.size(), node.dim(0));
  for (size_t i = 0; i < size->size(); ++i)
    dims[i + 2] = (dims[i + 2] - 1) * window->strides[i] - (window->pads[i] + window->pads[size->size() + i]) + (*size)[i];
  Dim count = nn::product(node.context, dims), pooled = nn::product(node.context, node.dims(0));
  Value zeros = node.make<nn::ExpandOp>(node.scalar(0, node.element(0)), node.dimsAttr({count}));
  Value flat = node.make<nn::ScatterElementsOp>(zeros, node.reshape(node.in(1), {pooled}), node.reshape(node.in(0), {pooled}), node.i64(0),
                                                nn::ReduceKindAttr());
  Value out = node.reshape(flat, dims);
  if (!node.in(2))
    return node.result(out);
  node.takeLength(2, int64_t(dims.size()));
  std::optional<SmallVector<Dim>> wanted = node.sizes(2);
  if (!wanted)
    return;
  if (wanted->size() != dims.size())
    return node.invalid("output_shape has " + Twine(wanted->size()) + " entries; " + Twine(dims.size()) + " were expected");
  for (size_t i = 0; i < dims.size(); ++i) {
    node.requireAtMost(dims[i], (*wanted)[i], "the unpooled size and that of output_shape along axis " + Twine(i));
    high[i] = (*wanted)[i] - dims[i];
  }
  SmallVector<Dim> none(dims.size(), node.dim(0));
  node.result(node.make<nn::PadOp>(out, Value(), node.dimsAttr(none), node.dimsAttr(high), nn::PadModeAttr::get(node.context, nn::PadMode::Constant)));
}

/// Microsoft's maximum over [N, Y..., C].
static void nhwcMaxPool(Node &node) {
  if (node.rank(0) < 3 || node.rank(0) > 5)
    return node.unsupported("an input of rank " + Twine(node.rank(0)) + "; 3 to 5 are supported");
  std::optional<SmallVector<int64_t>> size = node.integers("kernel_shape");
  if (!size || size->size() != size_t(node.rank(0) - 2))
    return node.invalid("kernel_shape must have one entry for each spatial axis");
  std::optional<Window> window = readWindow(node, *size);
  if (!window)
    return;
  if (StringRef mode = node.text("auto_pad", "NOTSET"); mode != "NOTSET" && mode != "VALID")
    return node.unsupported("auto_pad " + mode);
  node.result(node.make<nn::PoolOp>(node.in(0), nn::PoolKindAttr::get(node.context, nn::PoolKind::Max), node.i64s(window->size),
                                    node.i64s(window->strides), node.i64s(window->pads), node.i64s(window->dilations),
                                    node.unit(node.integer("ceil_mode", 0) != 0), UnitAttr(), node.i64(2),
                                    nn::LayoutAttr::get(node.context, nn::Layout::ChannelsLast)));
}

static void reduceSpatial(Node &node, nn::ReduceKind kind) {
  if (node.rank(0) < 3)
    return node.invalid("the input has rank " + Twine(node.rank(0)) + "; at least 3 was expected");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(2, node.rank(0)));
  node.result(node.make<nn::ReduceOp>(node.in(0), nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), node.unit(true)));
}

template <nn::ReduceKind kind> static void globalPool(Node &node) { reduceSpatial(node, kind); }

static void globalLpPool(Node &node) {
  int64_t p = node.integer("p", 2);
  if (p != 1 && p != 2)
    return node.unsupported("p = " + Twine(p) + "; 1 and 2 are supported");
  reduceSpatial(node, p == 1 ? nn::ReduceKind::L1 : nn::ReduceKind::L2);
}

void registerPooling(OperatorTable &table) {
  table.add("MaxPool", 1, 1, 1, pool<nn::PoolKind::Max>);
  table.add("AveragePool", 1, 1, 1, pool<nn::PoolKind::Average>);
  table.add("LpPool", 2, 1, 1, pool<nn::PoolKind::Lp>);
  table.addMicrosoft("NhwcMaxPool", 1, 1, nhwcMaxPool);
  table.add("MaxUnpool", 9, 2, 3, maxUnpool);
  table.add("GlobalAveragePool", 1, 1, 1, globalPool<nn::ReduceKind::Mean>);
  table.add("GlobalMaxPool", 1, 1, 1, globalPool<nn::ReduceKind::Max>);
  table.add("GlobalLpPool", 2, 1, 1, globalLpPool);
}

} // namespace tenon::importer
