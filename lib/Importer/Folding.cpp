// Patches back into images.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
struct Patches {
  SmallVector<Dim> image, block, counts; // counts: places of the block along each axis
  SmallVector<int64_t> strides, dilations, low, high;
};
} // namespace

/// The number of spatial axes, as far as attributes, one of the shapes, or the declared result tell it.
static std::optional<int64_t> spatialAxes(Node &node) {
  for (StringRef name : {"strides", "dilations"})
    if (std::optional<SmallVector<int64_t>> values = node.integers(name))
      return values->size();
  for (size_t i : {1, 2})
    if (std::optional<int64_t> count = nn::numElements(node.in(i).getType()).asConstant())
      return count;
  if (std::optional<SmallVector<int64_t>> pads = node.integers("pads"))
    return pads->size() / 2;
  std::optional<int64_t> rank = node.declaredRank();
  return rank ? std::optional(*rank - 2) : std::nullopt;
}

static std::optional<Patches> patchesOf(Node &node) {
  if (std::optional<int64_t> axes = spatialAxes(node))
    for (size_t i : {1, 2})
      node.takeLength(i, *axes);
  std::optional<SmallVector<Dim>> image = node.sizes(1), block = node.sizes(2);
  if (!image || !block)
    return std::nullopt;
  size_t axes = block->size();
  Patches p{*image,
            *block,
            {},
            node.integers("strides").value_or(SmallVector<int64_t>(axes, 1)),
            node.integers("dilations").value_or(SmallVector<int64_t>(axes, 1)),
            {},
            {}};
  SmallVector<int64_t> pads = node.integers("pads").value_or(SmallVector<int64_t>(2 * axes, 0));
  if (axes == 0 || image->size() != axes || p.strides.size() != axes || p.dilations.size() != axes || pads.size() != 2 * axes) {
    node.invalid("image_shape, block_shape, strides, dilations and pads differ in their number of axes");
    return std::nullopt;
  }
  p.low.assign(pads.begin(), pads.begin() + axes);
  p.high.assign(pads.begin() + axes, pads.end());
  constexpr int64_t kLargest = 1 << 20;
  for (size_t i = 0; i < axes; ++i) {
    for (int64_t value : {p.block[i].asConstant().value_or(1), p.strides[i], p.dilations[i], p.low[i] + 1, p.high[i] + 1})
      if (value < 1 || value > kLargest) {
        node.invalid("blocks, strides and dilations must be above 0 and pads at least 0");
        return std::nullopt;
      }
    p.counts.push_back((p.image[i] + (p.low[i] + p.high[i] - 1) - (p.block[i] - 1) * p.dilations[i]).floorDiv(p.strides[i]) + 1);
  }
  return p;
}

/// Positions, in the padded image, of every tap of every patch, as [taps * patches, 1].
static Value tapPositions(Node &node, const Patches &p, ArrayRef<Dim> padded) {
  Formula f(node);
  size_t axes = p.block.size();
  Value sum;
  SmallVector<Dim> all;
  for (size_t i = 0; i < axes; ++i)
    all.push_back(p.block[i]);
  llvm::append_range(all, p.counts);
  for (size_t i = 0; i < axes; ++i) {
    Value tap = f.mul(f.positions(p.block[i], i, 2 * axes), double(p.dilations[i]));
    Value place = f.mul(f.positions(p.counts[i], axes + i, 2 * axes), double(p.strides[i]));
    Value position = f.add(tap, place);
    sum = sum ? f.add(f.mul(sum, f.sizeValue(padded[i])), position) : position;
  }
  return node.failed() ? Value() : node.reshape(f.expand(sum, all), {nn::product(node.context, all), node.dim(1)});
}

/// Sums where patches meet: a scatter over the padded image, whose border is cut off afterwards.
static void col2im(Node &node) {
  if (node.rank(0) != 3)
    return node.invalid("the patches have rank " + Twine(node.rank(0)) + "; 3 was expected");
  std::optional<Patches> p = patchesOf(node);
  if (!p)
    return;
  Dim taps = nn::product(node.context, p->block);
  SmallVector<Dim> x = node.dims(0), padded;
  std::optional<Dim> channels = x[1].dividedExactlyBy(taps);
  if (!channels && !(x[1].isConstant() && taps.isConstant()))
    channels = x[1].floorDiv(taps);
  Dim places = nn::product(node.context, p->counts);
  if (!channels || (places.isConstant() && x[2].isConstant() && places != x[2]))
    return node.invalid("patches of shape [" + x[1].str() + ", " + x[2].str() + "] are no " + taps.str() + " taps at " + places.str() + " places");
  node.require(places, x[2], "the number of places of the block");
  node.require(*channels * taps, x[1], "the channels times the block's taps");
  for (size_t i = 0; i < p->block.size(); ++i)
    padded.push_back(p->image[i] + (p->low[i] + p->high[i]));
  Formula f(node);
  Dim pixels = nn::product(node.context, padded), rows = x[0] * *channels;
  Value columns = node.transpose(node.reshape(node.in(0), {rows, taps * places}), {1, 0});
  Value zeros = f.expand(node.scalar(0, node.element(0)), {pixels, rows});
  Value summed =
      node.make<nn::ScatterNDOp>(zeros, tapPositions(node, *p, padded), columns, nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum));
  SmallVector<Dim> shape{x[0], *channels};
  llvm::append_range(shape, padded);
  Value image = node.reshape(node.transpose(summed, {1, 0}), shape);
  for (size_t i = 0; i < p->block.size(); ++i)
    if (p->low[i] || p->high[i])
      image = node.slice(image, 2 + int64_t(i), node.dim(p->low[i]), p->image[i]);
  node.result(image);
}

void registerFolding(OperatorTable &table) {
  table.add("Col2Im", 18, 3, 3, col2im);
}

} // namespace tenon::importer
