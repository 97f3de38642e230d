#include "lib/Importer/Window.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static SmallVector<int64_t> positives(Node &node, StringRef name, size_t count) {
  SmallVector<int64_t> values = node.integers(name).value_or(SmallVector<int64_t>(count, 1));
  if (values.size() != count)
    node.invalid(name + " has " + Twine(values.size()) + " entries; " + Twine(count) + " were expected");
  constexpr int64_t kLargest = int64_t(1) << 31; // products of two stay within 64 bits
  for (int64_t value : values)
    if (value < 1 || value > kLargest)
      node.invalid(name + " has the entry " + Twine(value));
  return values;
}

std::optional<Window> readWindow(Node &node, ArrayRef<int64_t> size) {
  size_t rank = size.size();
  Window window;
  window.size.assign(size.begin(), size.end());
  window.strides = positives(node, "strides", rank);
  window.dilations = positives(node, "dilations", rank);
  window.pads = node.integers("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  if (window.pads.size() != 2 * rank)
    node.invalid("pads has " + Twine(window.pads.size()) + " entries; " + Twine(2 * rank) + " were expected");
  for (int64_t pad : window.pads)
    if (pad < 0 || pad > INT32_MAX)
      node.invalid("pads has the entry " + Twine(pad));
  for (int64_t extent : size)
    if (extent < 1 || extent > INT32_MAX)
      node.invalid("the kernel has the size " + Twine(extent));
  return node.failed() ? std::nullopt : std::optional(window);
}

Value applyAutoPad(Node &node, Window &window, function_ref<Value()> fill) {
  StringRef mode = node.text("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode.empty())
    return node.in(0);
  size_t rank = window.size.size();
  window.pads.assign(2 * rank, 0);
  if (mode == "VALID")
    return node.in(0);
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    node.invalid("auto_pad is '" + mode + "'");
    return {};
  }
  // SAME: as many results as ceil(input / stride); an odd pad has its extra element at the end for SAME_UPPER.
  SmallVector<Dim> sizes = node.dims(0), low(rank + 2, node.dim(0)), high = low;
  bool allConstant = true;
  for (size_t i = 0; i < rank; ++i) {
    Dim in = sizes[i + 2], stride = node.dim(window.strides[i]);
    int64_t extent = (window.size[i] - 1) * window.dilations[i] + 1;
    Dim total = ((in.ceilDiv(stride) - 1) * stride + extent - in).max(node.dim(0));
    low[i + 2] = mode == "SAME_UPPER" ? total.floorDiv(2) : total.ceilDiv(2);
    high[i + 2] = total - low[i + 2];
    allConstant &= low[i + 2].isConstant() && high[i + 2].isConstant();
  }
  if (!allConstant)
    return node.make<nn::PadOp>(node.in(0), fill(), node.dimsAttr(low), node.dimsAttr(high),
                                nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
  for (size_t i = 0; i < rank; ++i) {
    window.pads[i] = *low[i + 2].asConstant();
    window.pads[rank + i] = *high[i + 2].asConstant();
  }
  return node.in(0);
}

std::optional<SmallVector<Dim>> kernelSize(Node &node, size_t weight) {
  std::optional<SmallVector<int64_t>> declared = node.integers("kernel_shape");
  size_t rank = size_t(node.rank(weight)) - 2;
  if (declared && declared->size() == rank)
    for (size_t i = 0; i < rank; ++i)
      node.takeSize(weight, int64_t(i) + 2, (*declared)[i]);
  if (node.failed())
    return std::nullopt;
  SmallVector<Dim> dims = node.dims(weight), size(dims.begin() + 2, dims.end());
  if (declared && constantSizes(size) != declared) {
    node.invalid("kernel_shape differs from the shape of the weights");
    return std::nullopt;
  }
  return size;
}

Dim groupsOf(Node &node) {
  int64_t groups = node.integer("group", 1);
  if (groups < 1)
    node.invalid("group is " + Twine(groups));
  return node.dim(std::max<int64_t>(groups, 1));
}

std::optional<SmallVector<int64_t>> constantSizes(ArrayRef<Dim> sizes) {
  SmallVector<int64_t> out;
  for (Dim size : sizes) {
    if (!size.isConstant())
      return std::nullopt;
    out.push_back(*size.asConstant());
  }
  return out;
}

} // namespace tenon::importer
