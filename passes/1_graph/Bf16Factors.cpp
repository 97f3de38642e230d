#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/FullPrecision.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "passes/1_graph/RoundWeights.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_BF16FACTORS
#include "passes/1_graph/Passes.h.inc"
namespace {

bool isF32(Value value) { return elementOf(value).isF32(); }

/// Whether CPUs multiply `op` in pairs of bf16: constant weights, k in pairs (an image's few channels are made some), and enough columns that vectors of
/// them are worth it.
bool isProductOfPairs(Operation *op) {
  constexpr int64_t kPair = 2, kFewChannels = 4, kFewColumns = 8;
  if (!isa<nn::ConvOp, nn::MatMulOp>(op) || !isF32(op->getOperand(0)) || !isF32(op->getOperand(1)) || !isConstant(op->getOperand(1)))
    return false;
  ArrayRef<int64_t> weight = cast<RankedTensorType>(op->getOperand(1).getType()).getShape();
  if (auto conv = dyn_cast<nn::ConvOp>(op)) {
    bool isWindow = llvm::any_of(weight.drop_front(2), [](int64_t size) { return size > 1; });
    bool isOfPairs = weight[1] > 0 && (weight[1] % kPair == 0 || (weight[1] < kFewChannels && isWindow));
    return isOfPairs && conv.getGroups() == 1 && conv.getLayout() == nn::Layout::ChannelsLast && weight[0] > kFewColumns;
  }
  auto product = cast<nn::MatMulOp>(op);
  if (weight.size() != 2 || product.getTransposeLhs() || rankOf(product.getLhs()) < 2)
    return false;
  int64_t depth = weight[product.getTransposeRhs() ? 1 : 0], columns = weight[product.getTransposeRhs() ? 0 : 1];
  return depth > 0 && depth % kPair == 0 && columns > kFewColumns;
}

/// Ops that only move numbers, or choose among them: rounding before or after them is the same.
bool movesNumbers(Operation *op) {
  if (auto pool = dyn_cast<nn::PoolOp>(op))
    return pool.getKind() == nn::PoolKind::Max;
  if (auto resize = dyn_cast<nn::ResizeOp>(op))
    return resize.getMode() == nn::ResizeMode::Nearest && resize.getCoordinates() != nn::CoordinateMode::TfCropAndResize;
  return isa<nn::ReshapeOp, nn::TransposeOp, nn::SliceOp, nn::ConcatOp, nn::ExpandOp, nn::DepthToSpaceOp, nn::SpaceToDepthOp>(op);
}

/// Whether `value` is what elementwise ops make of such a product.
bool isMadeOfPairs(Value value) {
  constexpr int kMostOps = 4;
  Operation *op = value.getDefiningOp();
  for (int i = 0; i < kMostOps && op && op->hasTrait<nn::Elementwise>(); ++i)
    op = op->getOperand(0).getDefiningOp();
  return op && isProductOfPairs(op);
}

/// A convolution with one filter for each channel, which widens what it reads.
bool isDepthwise(Operation *op) {
  auto conv = dyn_cast<nn::ConvOp>(op);
  auto weight = conv ? cast<RankedTensorType>(conv.getWeight().getType()) : RankedTensorType();
  return conv && conv.getGroups() > 1 && weight.hasStaticShape() && weight.getDimSize(1) == 1 && weight.getDimSize(0) == int64_t(conv.getGroups()) &&
         conv.getLayout() == nn::Layout::ChannelsLast && weight.getRank() <= 4;
}

/// Readers that take a value as it was computed: what leaves the function.
bool readsInFull(Operation *op) { return op->hasTrait<OpTrait::IsTerminator>() || isa<nn::IfOp, nn::LoopOp>(op); }

struct Bf16Factors : impl::Bf16FactorsBase<Bf16Factors> {
  using Bf16FactorsBase::Bf16FactorsBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal() || (onlyModelsOfBf16 && !func->hasAttr(kOfBf16Attr)))
      return;
    Block &body = func.getBody().front();
    bf16 = BFloat16Type::get(&getContext());
    products.clear();
    moves.clear();
    wanted.clear();
    choose(body);
    SmallVector<Value> factors(wanted.begin(), wanted.end());
    for (Value factor : factors)
      if (!moves.contains(factor.getDefiningOp()))
        round(factor);
    for (Operation *move : moves)
      move->getResult(0).setType(nn::withElement(cast<RankedTensorType>(move->getResult(0).getType()), bf16));
    for (Operation *move : moves)
      widenOthers(move->getResult(0), nullptr);
    for (Operation *product : products)
      multiply(product);
  }

private:
  /// The products, and what they read, through all that moves it.
  void choose(Block &body) {
    llvm::DenseSet<Operation *> full = opsInFull(body);
    for (Operation &op : llvm::reverse(body)) {
      if (isProductOfPairs(&op) && !full.contains(&op)) {
        products.insert(&op);
        wanted.insert(op.getOperand(0));
        continue;
      }
      if (isDepthwise(&op) && isF32(op.getOperand(0)) && isMadeOfPairs(op.getOperand(0))) // between two products: half as many bytes
        wanted.insert(op.getOperand(0));
      bool isWanted = op.getNumResults() == 1 && wanted.contains(op.getResult(0));
      if (!isWanted || !movesNumbers(&op) || llvm::any_of(op.getUsers(), readsInFull))
        continue;
      moves.insert(&op);
      wanted.insert(op.operand_begin(), op.operand_end());
    }
  }

  bool readsFactor(OpOperand &use) const { return moves.contains(use.getOwner()) || (products.contains(use.getOwner()) && use.getOperandNumber() == 0); }

  Operation *marked(Operation *op) {
    op->setAttr(kernel::kBf16PairsAttr, UnitAttr::get(&getContext()));
    return op;
  }

  /// Stores `factor` as bf16, for all its readers: it is written and read once. What a norm gives stays f32 for others, as it is what all layers of a network
  /// add to (in BERT half of the error came from there), and is small.
  void round(Value factor) {
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(factor);
    auto rounded = nn::CastOp::create(builder, factor.getLoc(), factor, bf16);
    marked(rounded);
    factor.replaceUsesWithIf(rounded, [&](OpOperand &use) { return readsFactor(use); });
    Operation *made = factor.getDefiningOp(); // none: it is in memory as it is
    if (made && !isConstant(factor) && !isa<nn::LayerNormOp, nn::RMSNormOp>(made))
      widenOthers(factor, rounded);
  }

  /// Gives the readers of `factor` that need f32 a number that is made of what `rounded` stores.
  void widenOthers(Value factor, Operation *rounded) {
    for (OpOperand &use : llvm::make_early_inc_range(factor.getUses())) {
      if (use.getOwner() == rounded || readsInFull(use.getOwner()) || readsFactor(use))
        continue;
      OpBuilder builder(use.getOwner());
      auto wide = nn::CastOp::create(builder, factor.getLoc(), rounded ? rounded->getResult(0) : factor, builder.getF32Type());
      marked(wide);
      use.set(wide);
    }
  }

  /// Rounds the weights. The sums stay f32: what is cast at the end of the same kernel is not rounded before.
  void multiply(Operation *product) {
    OpBuilder builder(product);
    Value weights = product->getOperand(1);
    auto elements = dyn_cast<ElementsAttr>(weights.getDefiningOp<nn::ConstantOp>().getValue());
    if (ElementsAttr rounded = isa<nn::ConvOp>(product) && elements ? roundFilters(elements, llvm::APFloat::BFloat()) : ElementsAttr())
      weights = nn::ConstantOp::create(builder, weights.getLoc(), Attribute(rounded), cast<RankedTensorType>(weights.getType()));
    product->setOperand(1, nn::CastOp::create(builder, weights.getLoc(), weights, bf16));
    marked(product);
    ++lowered;
    Value result = product->getResult(0);
    result.setType(nn::withElement(cast<RankedTensorType>(result.getType()), bf16));
    builder.setInsertionPointAfter(product);
    Operation *sums = nn::CastOp::create(builder, product->getLoc(), result, builder.getF32Type());
    result.replaceAllUsesExcept(sums->getResult(0), sums);
  }

  Type bf16;
  llvm::SetVector<Operation *> products, moves;
  llvm::SetVector<Value> wanted;
};

} // namespace
} // namespace tenon::graph
