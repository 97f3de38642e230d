// Images read at coordinates that are data.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static void gridSample(Node &node) {
  StringRef mode = node.text("mode", node.opset < 20 ? "bilinear" : "linear"), padding = node.text("padding_mode", "zeros");
  std::optional<nn::ResizeMode> kind;
  if (mode == "linear" || mode == "bilinear")
    kind = nn::ResizeMode::Linear;
  else if (mode == "cubic" || mode == "bicubic")
    kind = nn::ResizeMode::Cubic;
  else if (mode == "nearest")
    kind = nn::ResizeMode::Nearest;
  std::optional<nn::GridPadding> outside = nn::symbolizeGridPadding(padding);
  if (!kind || !outside)
    return node.invalid("mode is '" + mode + "' and padding_mode '" + padding + "'");
  Value grid = node.cast(node.in(1), node.element(0).isF64() ? node.element(0) : Type(node.builder.getF32Type()));
  node.result(node.make<nn::GridSampleOp>(node.in(0), grid, nn::ResizeModeAttr::get(node.context, *kind),
                                          nn::GridPaddingAttr::get(node.context, *outside), node.unit(node.integer("align_corners", 0) != 0)));
}

/// Coordinates of the centres (or, with align_corners, from edge to edge) of `size` cells in [-1, 1], along `axis` of `rank` axes.
static Value unitCoordinates(Node &node, Dim size, int64_t axis, int64_t rank, bool alignCorners, Type element) {
  Formula f(node);
  Value i = node.cast(f.positions(size, axis, rank), element);
  if (alignCorners) // one cell lies at -1
    return f.add(f.div(f.mul(i, 2), node.cast(f.sizeValue((size - 1).max(node.dim(1))), element)), -1.0);
  return f.add(f.div(f.add(f.mul(i, 2), 1.0), node.cast(f.sizeValue(size), element)), -1.0);
}

static void affineGrid(Node &node) {
  if (node.rank(0) == 3 && node.dims(0)[1].isConstant())
    node.takeLength(1, *node.dims(0)[1].asConstant() + 2);
  else if (std::optional<int64_t> rank = node.declaredRank())
    node.takeLength(1, *rank);
  std::optional<SmallVector<Dim>> size = node.sizes(1);
  if (!size)
    return;
  int64_t spatial = int64_t(size->size()) - 2;
  if (spatial != 2 && spatial != 3)
    return node.invalid("size has " + Twine(size->size()) + " entries; 4 or 5 were expected");
  SmallVector<Dim> theta = node.dims(0);
  bool fits = theta.size() == 3;
  for (int64_t i = 0; fits && i < 2; ++i)
    fits = !theta[1 + i].isConstant() || theta[1 + i].isConstant(spatial + i);
  if (!fits)
    return node.invalid("theta must have the shape [batch, " + Twine(spatial) + ", " + Twine(spatial + 1) + "]");
  for (int64_t i = 0; i < 2; ++i)
    node.require(theta[1 + i], node.dim(spatial + i), "the size of theta's matrices");
  node.require(size->front(), theta[0], "the batch of the grid");
  Formula f(node);
  SmallVector<Dim> cells(size->begin() + 2, size->end());
  bool alignCorners = node.integer("align_corners", 0) != 0;
  // Homogeneous coordinates [cells..., spatial + 1], that of the last axis first.
  SmallVector<Value> parts;
  SmallVector<Dim> shape = cells;
  shape.push_back(node.dim(1));
  for (int64_t axis = spatial; axis-- > 0;)
    parts.push_back(f.expand(unitCoordinates(node, cells[axis], axis, spatial + 1, alignCorners, node.element(0)), shape));
  parts.push_back(f.expand(node.scalar(1, node.element(0)), shape));
  Dim count = nn::product(node.context, cells);
  Value points = node.reshape(f.concat(parts, spatial), {count, node.dim(spatial + 1)});
  Value grid = f.matmul(points, node.reshape(node.in(0), {theta[0], node.dim(spatial), node.dim(spatial + 1)}), true);
  SmallVector<Dim> out{theta[0]};
  out.append(cells.begin(), cells.end());
  out.push_back(node.dim(spatial));
  node.result(node.reshape(grid, out));
}

static void roiAlign(Node &node) {
  StringRef mode = node.text("mode", "avg"), coordinates = node.text("coordinate_transformation_mode", "half_pixel");
  if (mode != "avg" && mode != "max")
    return node.invalid("mode is '" + mode + "'; avg or max was expected");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel")
    return node.invalid("coordinate_transformation_mode is '" + coordinates + "'");
  bool half = node.opset >= 16 && coordinates == "half_pixel"; // older opsets do not move the regions
  SmallVector<int64_t> sizes{node.integer("output_height", 1), node.integer("output_width", 1)};
  node.result(node.make<nn::RoiAlignOp>(node.in(0), node.in(1), node.in(2), node.i64s(sizes), node.f64(node.real("spatial_scale", 1.0)),
                                        node.i64(node.integer("sampling_ratio", 0)), node.unit(half), node.unit(mode == "max")));
}

void registerSampling(OperatorTable &table) {
  table.add("GridSample", 16, 2, 2, gridSample);
  table.add("AffineGrid", 20, 2, 2, affineGrid);
  table.add("RoiAlign", 10, 3, 3, roiAlign);
}

} // namespace tenon::importer
