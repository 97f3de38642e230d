// A table lookup from a product with one-hot vectors.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace tenon::graph {
namespace {

std::optional<ArrayRef<char>> bytesOf(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  Attribute contents = constant ? constant.getValue() : Attribute();
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(contents); dense && !dense.isSplat())
    return dense.getRawData();
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(contents))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return blob->getData();
  return std::nullopt;
}

template <typename T> T elementAt(ArrayRef<char> data, size_t i) { // blobs need not be aligned
  T element;
  std::memcpy(&element, data.data() + i * sizeof(T), sizeof(T));
  return element;
}

/// Whether `value` is a constant 0, 1, 2 ... along its last axis, as long as `size`, and has no other elements.
bool isCounting(Value value, nn::Dim size) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t rank = type.getRank();
  if (rank == 0 || !type.hasStaticShape() || !size.isConstant(type.getDimSize(rank - 1)) || type.getNumElements() != type.getDimSize(rank - 1))
    return false;
  std::optional<ArrayRef<char>> data = bytesOf(value);
  Type element = type.getElementType();
  bool isWide = element.isInteger(64);
  if (!data || !(isWide || element.isInteger(32)) || int64_t(data->size()) != type.getNumElements() * (isWide ? 8 : 4))
    return false;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    if ((isWide ? elementAt<int64_t>(*data, i) : int64_t(elementAt<int32_t>(*data, i))) != i)
      return false;
  return true;
}

/// Zero times infinity or NaN is NaN: with such a number in one row of a table, the product with any one-hot vector has it.
bool isFiniteTable(Value table) {
  std::optional<ArrayRef<char>> data = elementOf(table).isF32() ? bytesOf(table) : std::nullopt;
  for (size_t i = 0; data && i < data->size() / sizeof(float); ++i)
    if (!std::isfinite(elementAt<float>(*data, i)))
      return false;
  return data.has_value();
}

/// Positions of ones, [..., 1] or [...]; negative ones may count from the end.
struct OneHot {
  Value positions;
  bool wraps = false;
};

/// One-hot vectors along the last axis of `value`, which has `depth` entries.
std::optional<OneHot> oneHotOf(Value value, nn::Dim depth) {
  if (auto op = value.getDefiningOp<nn::OneHotOp>()) {
    auto constant = op.getValues().getDefiningOp<nn::ConstantOp>();
    auto values = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue()) : DenseFPElementsAttr();
    bool isUnit = values && values.getNumElements() == 2 && (*values.value_begin<APFloat>()).isZero() &&
                  (*std::next(values.value_begin<APFloat>())).isExactlyValue(1.0);
    if (!isUnit || int64_t(op.getAxis()) != rankOf(value) - 1 || !isa<IntegerType>(elementOf(op.getIndices())))
      return std::nullopt;
    return OneHot{op.getIndices(), true};
  }
  auto cast = value.getDefiningOp<nn::CastOp>();
  auto equal = cast ? cast.getInput().getDefiningOp<nn::EqualOp>() : nn::EqualOp();
  if (!equal)
    return std::nullopt;
  for (auto [positions, count] : {std::pair(equal.getLhs(), equal.getRhs()), std::pair(equal.getRhs(), equal.getLhs())}) {
    SmallVector<nn::Dim> dims = nn::dimsOf(positions.getType());
    if (isa<IntegerType>(elementOf(positions)) && int64_t(dims.size()) == rankOf(value) && dims.back().isConstant(1) && isCounting(count, depth))
      return OneHot{positions};
  }
  return std::nullopt;
}

/// matmul(one_hot(i), table) -> rows i of the table, with a row of zeros behind it for positions outside.
struct GatherFromOneHot : OpRewritePattern<nn::MatMulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &rewriter) const override {
    Value table = op.getRhs();
    if (op.getTransposeLhs() || op.getTransposeRhs() || op.getBias() || rankOf(table) != 2 || rankOf(op.getLhs()) < 2)
      return failure();
    std::optional<int64_t> depth = nn::dimOf(table.getType(), 0).asConstant();
    std::optional<OneHot> oneHot = depth ? oneHotOf(op.getLhs(), nn::dimOf(table.getType(), 0)) : std::nullopt;
    if (!oneHot || !isFiniteTable(table))
      return failure();

    Location loc = op.getLoc();
    Type index = rewriter.getI64Type();
    auto scalar = [&](int64_t number) { return scalarConstant(rewriter, loc, index, double(number)); };
    SmallVector<nn::Dim> dims = nn::dimsOf(op.getType());
    Value position = reshapeTo(rewriter, loc, oneHot->positions, ArrayRef(dims).drop_back());
    if (elementOf(position) != index)
      position = nn::CastOp::create(rewriter, loc, position, index);
    auto isNegative = [&] { return nn::LessOp::create(rewriter, loc, position, scalar(0)); };
    if (oneHot->wraps)
      position = nn::SelectOp::create(rewriter, loc, isNegative(), nn::AddOp::create(rewriter, loc, position, scalar(*depth)), position);
    Value bounded = nn::MinOp::create(rewriter, loc, position, scalar(*depth));
    position = nn::SelectOp::create(rewriter, loc, isNegative(), scalar(*depth), bounded);
    auto amounts = [&](int64_t rows) { return nn::dimsAttr(getContext(), ArrayRef<int64_t>{rows, 0}); };
    Value padded = nn::PadOp::create(rewriter, loc, table, Value(), amounts(0), amounts(1), nn::PadMode::Constant);
    rewriter.replaceOpWithNewOp<nn::GatherOp>(op, padded, position, 0);
    return success();
  }
};

} // namespace

void addLookupPatterns(RewritePatternSet &patterns) { patterns.add<GatherFromOneHot>(patterns.getContext()); }

} // namespace tenon::graph
