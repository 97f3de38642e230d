// Layer norms between products cost no kernel: the product before gives sums of its rows, the one after multiplies what is not normalized yet.
//   norm(x) W + b = rstd * (x W') - (mean * rstd) * c + b'    with W' = scale * W, c = column sums of W', b' = b + bias W
#include "dialects/kernel/ProductMarks.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_NORMSINTOPRODUCTS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kPart = kernel::kRowPart, kMostElements = 8192;
constexpr int64_t kMostRows = 1024; // with more, a norm takes little of a network's time, and products whose blocks stay for many tiles are faster

/// A product with a constant matrix.
bool isProduct(Operation *op) {
  auto product = dyn_cast_or_null<nn::MatMulOp>(op);
  return product && rankOf(product.getRhs()) == 2 && isConstantExpression(product.getRhs()) && !product.getTransposeLhs() &&
         (!product.getBias() || (isConstantExpression(product.getBias()) && rankOf(product.getBias()) == 1)) &&
         cast<RankedTensorType>(product.getRhs().getType()).hasStaticShape();
}

/// Whether `value` is what a product computes at its end: elementwise ops of its result that nothing else reads.
bool endsProduct(Value value, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (!op || isProduct(op))
    return op;
  return depth > 0 && op->hasTrait<nn::Elementwise>() && op->getNumResults() == 1 && llvm::any_of(op->getOperands(), [&](Value operand) {
    return sameShape(operand, value) && operand.hasOneUse() && endsProduct(operand, depth - 1);
  });
}

/// Writes what replaces one norm.
class Rewriter {
public:
  explicit Rewriter(nn::LayerNormOp norm)
      : norm(norm), x(norm.getInput()), loc(norm.getLoc()), builder(norm), f32(builder.getF32Type()),
        elements(nn::dimsOf(x.getType()).back().asConstant().value_or(0)) {}

  static bool matches(nn::LayerNormOp norm) {
    Value x = norm.getInput();
    int64_t rank = rankOf(x), elements = nn::dimsOf(x.getType()).back().asConstant().value_or(0);
    auto isVector = [&](Value v) { return !v || (isConstantExpression(v) && rankOf(v) == 1 && nn::dimOf(v.getType(), 0).isConstant(elements)); };
    std::optional<int64_t> rows = nn::product(x.getContext(), ArrayRef(nn::dimsOf(x.getType())).drop_back()).asConstant();
    bool isOfRows = rows && *rows <= kMostRows && rank >= 2 && int64_t(norm.getAxis()) == rank - 1 && elements % kPart == 0 && elements <= kMostElements;
    if (!isOfRows || !isa<Float16Type, BFloat16Type>(elementOf(x)) || !isVector(norm.getScale()) || !isVector(norm.getBias()) || !endsProduct(x))
      return false;
    return llvm::all_of(norm->getUses(), [](OpOperand &use) { return readsAsProduct(use) || readsAsResidual(use); });
  }

  void run() {
    Value wide = marked(nn::CastOp::create(builder, loc, marked(reshapeTo(builder, loc, x, partDims()), kernel::kRowSumsAttr), f32), kernel::kRowSumsAttr);
    SmallVector<int64_t> last{rankOf(x)};
    sums = marked(nn::ReduceOp::create(builder, loc, wide, nn::ReduceKind::Sum, last, false), kernel::kRowSumsAttr);
    squares = marked(nn::ReduceOp::create(builder, loc, wide, nn::ReduceKind::SumSquare, last, false), kernel::kRowSumsAttr);
    for (OpOperand &use : llvm::make_early_inc_range(norm->getUses())) {
      builder.setInsertionPoint(use.getOwner());
      loc = use.getOwner()->getLoc();
      statistics();
      if (readsAsProduct(use))
        replaceProduct(cast<nn::MatMulOp>(use.getOwner()));
      else
        use.set(normalized());
    }
    norm.erase();
  }

private:
  static bool readsAsProduct(OpOperand &use) { return use.getOperandNumber() == 0 && isProduct(use.getOwner()); }

  /// An addition to what a product ends with.
  static bool readsAsResidual(OpOperand &use) {
    auto add = dyn_cast<nn::AddOp>(use.getOwner());
    Value other = add ? add->getOperand(1 - use.getOperandNumber()) : Value();
    return other && other != use.get() && sameShape(other, use.get()) && sameShape(other, add) && other.hasOneUse() && endsProduct(other);
  }

  SmallVector<nn::Dim> partDims() {
    SmallVector<nn::Dim> dims = nn::dimsOf(x.getType());
    dims.back() = nn::Dim::constant(builder.getContext(), elements / kPart);
    dims.push_back(nn::Dim::constant(builder.getContext(), kPart));
    return dims;
  }

  Value marked(Value value, StringRef how) {
    value.getDefiningOp()->setAttr(how, builder.getUnitAttr());
    return value;
  }
  Value ofRow(Value value) { return marked(value, kernel::kRowValueAttr); }
  Value number(double value) { return scalarConstant(builder, loc, f32, value); }
  Value wide(Value value) { return nn::CastOp::create(builder, loc, value, f32); }
  Value mul(Value a, Value b) { return nn::MulOp::create(builder, loc, a, b); }
  Value add(Value a, Value b) { return nn::AddOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return nn::SubOp::create(builder, loc, a, b); }
  Value total(Value parts) {
    return ofRow(nn::ReduceOp::create(builder, loc, parts, nn::ReduceKind::Sum, SmallVector<int64_t>{rankOf(x) - 1}, true));
  }

  /// 1 / deviation, and mean / deviation, of each row.
  void statistics() {
    Value mean = ofRow(mul(total(sums), number(1.0 / double(elements))));
    Value meanSquare = ofRow(mul(total(squares), number(1.0 / double(elements))));
    Value variance = ofRow(nn::ReluOp::create(builder, loc, ofRow(sub(meanSquare, ofRow(mul(mean, mean))))));
    Value deviation = ofRow(nn::SqrtOp::create(builder, loc, ofRow(add(variance, number(norm.getEpsilon().convertToDouble())))));
    scale = ofRow(nn::ReciprocalOp::create(builder, loc, deviation));
    shift = ofRow(mul(mean, scale));
  }

  void replaceProduct(nn::MatMulOp op) {
    bool transposed = op.getTransposeRhs();
    Value weight = wide(op.getRhs()), scaled = weight, bias = op.getBias() ? wide(op.getBias()) : Value();
    auto alongDepth = [&](Value v) { return transposed ? v : reshapeTo(builder, loc, v, SmallVector<int64_t>{elements, 1}); };
    SmallVector<int64_t> depth{transposed ? 1 : 0};
    if (norm.getScale())
      scaled = mul(weight, alongDepth(wide(norm.getScale())));
    if (norm.getBias()) {
      Value added = nn::ReduceOp::create(builder, loc, mul(weight, alongDepth(wide(norm.getBias()))), nn::ReduceKind::Sum, depth, false);
      bias = bias ? add(bias, added) : added;
    }
    Value rounded = nn::CastOp::create(builder, loc, scaled, elementOf(op.getRhs()));
    Value columnSums = nn::ReduceOp::create(builder, loc, wide(rounded), nn::ReduceKind::Sum, depth, false);
    Value product = nn::MatMulOp::create(builder, loc, x, rounded, Value(), false, transposed);
    Value result = sub(mul(wide(product), scale), ofRow(mul(shift, columnSums)));
    result = bias ? add(result, bias) : result;
    op.replaceAllUsesWith(nn::CastOp::create(builder, loc, result, elementOf(op)).getResult());
    op.erase();
  }

  Value normalized() {
    Value result = ofRow(sub(ofRow(mul(ofRow(wide(x)), scale)), shift));
    if (norm.getScale())
      result = ofRow(mul(result, wide(norm.getScale())));
    if (norm.getBias())
      result = ofRow(add(result, wide(norm.getBias())));
    return ofRow(nn::CastOp::create(builder, loc, result, elementOf(norm)));
  }

  nn::LayerNormOp norm;
  Value x;
  Location loc;
  OpBuilder builder;
  Type f32;
  int64_t elements; // of a row
  Value sums, squares, scale, shift;
};

struct NormsIntoProducts : impl::NormsIntoProductsBase<NormsIntoProducts> {
  void runOnOperation() override {
    SmallVector<nn::LayerNormOp> norms;
    getOperation().walk([&](nn::LayerNormOp norm) {
      if (Rewriter::matches(norm))
        norms.push_back(norm);
    });
    for (nn::LayerNormOp norm : norms)
      Rewriter(norm).run();
    folded += norms.size();
  }
};

} // namespace
} // namespace tenon::graph
