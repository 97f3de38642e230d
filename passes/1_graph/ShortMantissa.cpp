#include "passes/1_graph/FullPrecision.h"
#include "passes/1_graph/Match.h"

using namespace mlir;

namespace tenon::graph {
namespace {

using OpSet = llvm::DenseSet<Operation *>;

bool isF32(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor && tensor.getElementType().isF32();
}

/// A sum of products of floats whose terms can be counted.
bool isCounted(Operation *op) {
  return isa<nn::ConvOp, nn::ConvTransposeOp, nn::MatMulOp>(op) && isF32(op->getResult(0));
}

/// Sizes that only a run knows, how many images there are, count as one.
int64_t elementsOf(ArrayRef<nn::Dim> sizes) {
  int64_t elements = 1;
  for (nn::Dim size : sizes)
    elements *= size.asConstant().value_or(1);
  return elements;
}
int64_t elementsOf(Value value) {
  return elementsOf(nn::dimsOf(value.getType()));
}
int64_t elementsOfImage(Value value) {
  return elementsOf(ArrayRef(nn::dimsOf(value.getType())).drop_front());
}

/// How long the sums of a network are, and how many: few terms are those of networks with few channels, whose every number counts.
class Sums {
public:
  static constexpr int64_t kShort = 288, kMiddling = 576; // windows of 3x3 of 32 and 64 channels

  explicit Sums(Block &body) {
    for (Operation &op : body)
      if (isCounted(&op)) {
        int64_t terms = termsOf(&op);
        ++sums;
        beyondShort += terms > kShort;
        beyondMiddling += terms > kMiddling;
        weights += elementsOf(op.getOperand(1));
        products += double(elementsOf(op.getResult(0))) * double(terms);
      }
  }
  /// Whether the network's time is that of launches more than of products.
  bool areFew() const {
    constexpr int64_t kFewWeights = 1 << 19;
    constexpr double kFewProducts = 1 << 28;
    return sums && weights <= kFewWeights && products <= kFewProducts;
  }
  bool areShort() const { return sums && beyondShort * 6 <= sums; }
  /// Whether at most one in `oneIn` is longer than middling ones.
  bool areMiddling(int64_t oneIn) const { return sums && beyondMiddling * oneIn <= sums; }

private:
  int64_t sums = 0, beyondShort = 0, beyondMiddling = 0, weights = 0;
  double products = 0;
};

/// The products of a gate, one row of each image, whose kernel is one of halves. What they give scales a channel as a whole.
bool isOfOnePixel(Operation *op) {
  auto conv = dyn_cast<nn::ConvOp>(op);
  if (!conv || conv.getLayout() != nn::Layout::ChannelsLast)
    return false;
  SmallVector<nn::Dim> sizes = nn::dimsOf(conv.getType());
  return llvm::all_of(ArrayRef(sizes).drop_front().drop_back(), [](nn::Dim size) { return size.asConstant() == 1; });
}

/// Comparisons, conversions to other types, positions of maxima: floats end there.
bool endsFloats(Operation *op) {
  return !op->hasTrait<OpTrait::IsTerminator>() && llvm::any_of(op->getOperands(), isF32) && llvm::none_of(op->getResults(), isF32);
}

/// Small networks, and those of short sums, stay f32: bf16 would gain them little.
void addNetwork(Block &body, OpSet &ops) {
  for (Operation &op : body)
    if (passesFloats(&op) || (isProduct(&op) && isF32(op.getResult(0))) || endsFloats(&op))
      ops.insert(&op);
}

/// Whether a network decodes positions as means of bins, which a softmax weighs and a product of few terms adds up, as detectors do.
bool decodesPositions(Block &body) {
  constexpr int64_t kMostBins = 64;
  for (Operation &op : body) {
    if (!isCounted(&op) || termsOf(&op) > kMostBins || !isConstantExpression(op.getOperand(1)))
      continue;
    Operation *weights = op.getOperand(0).getDefiningOp();
    while (isa_and_nonnull<nn::ReshapeOp, nn::TransposeOp>(weights))
      weights = weights->getOperand(0).getDefiningOp();
    if (isa_and_nonnull<nn::SoftmaxOp>(weights))
      return true;
  }
  return false;
}

/// Every layer adds its roundings, and those of the first layers, of few channels, are carried through all others.
void addShortSums(Block &body, OpSet &ops) {
  constexpr int64_t kFewTerms = 144;
  for (Operation &op : body)
    if (isCounted(&op) && !isOfOnePixel(&op) && termsOf(&op) <= kFewTerms)
      ops.insert(&op);
}

/// Bins that weigh about the same make pixels of small errors: all but the longest sums then, and the largest results, whose f32 would cost most.
void addMiddlingSums(Block &body, OpSet &ops) {
  constexpr int64_t kLargeResult = 450'000; // an image of 80x80 and 64 channels is none
  for (Operation &op : body)
    if (isCounted(&op) && !isOfOnePixel(&op) && termsOf(&op) <= Sums::kMiddling && elementsOfImage(op.getResult(0)) <= kLargeResult)
      ops.insert(&op);
}

/// What only outputs, decisions and f32 ops read: sums are stored as they are then. An exponential makes its argument's absolute error a relative
/// one, and the logits of a classifier are 30 where half a last place of bf16 is 2^-4. In wide networks that ends where something is added that
/// others read as bf16: it would be widened by a kernel of its own.
void addBetween(Block &body, bool isWide, llvm::function_ref<bool(Operation *)> keepsFull, OpSet &ops) {
  auto readsInFull = [&](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>() || ops.contains(user) || keepsFull(user); };
  auto isShared = [](Value operand) { return operand.getDefiningOp() && passesFloats(operand.getDefiningOp()) && !operand.hasOneUse(); };
  auto endsThere = [&](Operation &op) { return isWide && isa<nn::AddOp>(op) && llvm::any_of(op.getOperands(), isShared); };
  for (Operation &op : llvm::reverse(body))
    if (endsFloats(&op) || (passesFloats(&op) && llvm::all_of(op.getUsers(), readsInFull) && !endsThere(op)))
      ops.insert(&op);
}

/// Sums that a norm and a further sum read: all layers of a transformer add to one number, which is rounded as often as it is stored. Its norms read
/// it as it is, and products what norms give.
void addSumsOfLayers(Block &body, OpSet &ops) {
  auto isNorm = [](Operation *user) { return isa<nn::LayerNormOp, nn::RMSNormOp>(user); };
  auto isSum = [](Operation *user) { return isa<nn::AddOp>(user); };
  for (Operation &op : body) {
    if (!isSum(&op) || !isF32(op.getResult(0)) || llvm::none_of(op.getUsers(), isNorm) || llvm::none_of(op.getUsers(), isSum))
      continue;
    ops.insert(&op);
    for (Operation *user : op.getUsers())
      if (isNorm(user))
        ops.insert(user);
  }
}

} // namespace

void addOpsForShortMantissa(Block &body, llvm::function_ref<bool(Operation *)> keepsFull, OpSet &full) {
  Sums sums(body);
  if (sums.areFew() || sums.areShort())
    return addNetwork(body, full);
  bool decodes = sums.areMiddling(5) && decodesPositions(body), isWide = !decodes && !sums.areMiddling(6);
  if (decodes)
    addMiddlingSums(body, full);
  else if (!isWide)
    addShortSums(body, full);
  if (isWide)
    addSumsOfLayers(body, full);
  addBetween(body, isWide, keepsFull, full);
}

} // namespace tenon::graph
