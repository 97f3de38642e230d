#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_TOKENSINTOPRODUCTS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kBatch = 0, kRow = 1, kRank = 3; // of tokens, [batch, row, column]

std::optional<ArrayRef<char>> bytesOf(ElementsAttr constant) {
  if (auto dense = dyn_cast<DenseElementsAttr>(constant))
    return dense.getRawData();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return blob->getData();
  return std::nullopt;
}

/// Whether a constant is the same for each image of a batch.
bool isSameForAll(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() < kRank || type.getDimSize(kBatch) == 1)
    return true;
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto elements = constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
  if (!elements || elements.isSplat())
    return bool(elements);
  std::optional<ArrayRef<char>> bytes = bytesOf(elements);
  size_t each = bytes ? bytes->size() / size_t(type.getDimSize(kBatch)) : 0;
  return each && bytes->size() % each == 0 && llvm::equal(bytes->drop_front(each), bytes->drop_back(each));
}

/// Rows of a product between constant ones, all of which a constant is added to.
struct Tokens {
  nn::AddOp add;
  nn::ConcatOp rows;
  nn::MatMulOp product;
  Value added;
  int64_t before = 0, after = 0; // constant rows

  static std::optional<Tokens> of(nn::AddOp add) {
    for (auto [sum, other] : {std::pair(add.getLhs(), add.getRhs()), std::pair(add.getRhs(), add.getLhs())}) {
      Tokens t{add, sum.getDefiningOp<nn::ConcatOp>(), {}, other};
      if (t.rows && t.rows->hasOneUse() && t.fits() && t.findProduct())
        return t;
    }
    return std::nullopt;
  }

private:
  bool fits() {
    auto isStatic = [](Value v) { return cast<RankedTensorType>(v.getType()).hasStaticShape(); };
    return rankOf(rows) == kRank && int64_t(rows.getAxis()) == kRow && isFloat(add) && sameShape(rows, add) && isConstantExpression(added) &&
           isStatic(added) && isStatic(rows) && isSameForAll(added);
  }

  bool findProduct() {
    for (Value part : rows.getInputs()) {
      int64_t size = cast<RankedTensorType>(part.getType()).getDimSize(kRow);
      if (isConstantExpression(part) && isSameForAll(part)) {
        (product ? after : before) += size;
        continue;
      }
      auto own = part.getDefiningOp<nn::MatMulOp>();
      if (product || !own || !own->hasOneUse() || rankOf(own.getLhs()) != kRank || rankOf(own.getRhs()) != 2 || own.getTransposeLhs() ||
          !isConstantExpression(own.getRhs()) || (own.getBias() && !(isConstantExpression(own.getBias()) && rankOf(own.getBias()) == 1)))
        return false;
      product = own;
    }
    return bool(product);
  }
};

struct TokensIntoProducts : impl::TokensIntoProductsBase<TokensIntoProducts> {
  void runOnOperation() override {
    SmallVector<Tokens> found;
    getOperation().walk([&](nn::AddOp add) {
      if (std::optional<Tokens> tokens = Tokens::of(add))
        found.push_back(*tokens);
    });
    for (Tokens &tokens : found)
      replace(tokens);
    joined += found.size();
  }

  /// What is added to the rows of one image: one rounding of all that is constant.
  static Value addedOf(OpBuilder &builder, Tokens &t) {
    Location loc = t.add.getLoc();
    Type f32 = builder.getF32Type();
    int64_t columns = cast<RankedTensorType>(t.product.getType()).getDimSize(kRank - 1);
    auto ofOne = [&](Value value) {
      SmallVector<int64_t> sizes(cast<RankedTensorType>(value.getType()).getShape()), starts(sizes.size(), 0), steps(sizes.size(), 1);
      if (int64_t(sizes.size()) == kRank && sizes[kBatch] > 1) {
        sizes[kBatch] = 1;
        value =
            nn::SliceOp::create(builder, loc, value, nn::dimsAttr(builder.getContext(), starts), nn::dimsAttr(builder.getContext(), sizes), steps);
      }
      return nn::CastOp::create(builder, loc, value, f32).getResult();
    };
    SmallVector<Value> parts;
    for (Value part : t.rows.getInputs()) {
      if (part.getDefiningOp() != t.product.getOperation()) {
        parts.push_back(ofOne(part));
        continue;
      }
      Value bias = t.product.getBias();
      Value row = bias ? reshapeTo(builder, loc, ofOne(bias), ArrayRef<int64_t>{1, 1, columns}) : scalarConstant(builder, loc, f32, 0);
      parts.push_back(expandTo(builder, loc, row, {1, cast<RankedTensorType>(part.getType()).getDimSize(kRow), columns}));
    }
    Value rows = nn::ConcatOp::create(builder, loc, parts, kRow);
    return nn::CastOp::create(builder, loc, nn::AddOp::create(builder, loc, rows, ofOne(t.added)), elementOf(t.added));
  }

  static void replace(Tokens &t) {
    OpBuilder builder(t.add);
    SmallVector<int64_t> low(kRank, 0), high(kRank, 0);
    low[kRow] = t.before;
    high[kRow] = t.after;
    Value lhs = nn::PadOp::create(builder, t.product.getLoc(), t.product.getLhs(), Value(), nn::dimsAttr(builder.getContext(), low),
                                  nn::dimsAttr(builder.getContext(), high), nn::PadMode::Constant);
    Value padded = nn::MatMulOp::create(builder, t.product.getLoc(), lhs, t.product.getRhs(), Value(), false, t.product.getTransposeRhs());
    t.add.replaceAllUsesWith(nn::AddOp::create(builder, t.add.getLoc(), padded, addedOf(builder, t)).getResult());
    t.add.erase();
    t.rows.erase();
    t.product.erase();
  }
};

} // namespace
} // namespace tenon::graph
