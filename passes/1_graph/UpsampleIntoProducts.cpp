// 1x1 convolutions of an image that was made larger beside another one read the small image: as products whose rows are numbered so that an axis
// along which pixels repeat stands beside the one that they repeat along.
//   conv(concat(upsample(x), y)) = product(concat(x along rows that repeat, y))
#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_UPSAMPLEINTOPRODUCTS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kAlignedChannels = 8;     // 16 bytes of halves, which kernels copy at a time
constexpr int64_t kRank = 4, kChannels = 3; // images, channels last

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// How often each pixel repeats along rows and columns of `value`, an image that nothing but `reader` reads; none where that is not what it is.
std::optional<std::array<int64_t, 2>> repeats(Value value, Operation *reader) {
  auto resize = value.getDefiningOp<nn::ResizeOp>();
  if (!resize || !value.hasOneUse() || *value.getUsers().begin() != reader || resize.getMode() != nn::ResizeMode::Nearest ||
      resize.getCoordinates() != nn::CoordinateMode::Asymmetric || resize.getNearest() != nn::NearestMode::Floor || resize.getScaleBits() ||
      !cast<RankedTensorType>(resize.getInput().getType()).hasStaticShape())
    return std::nullopt;
  ArrayRef<int64_t> from = shapeOf(resize.getInput()), to = shapeOf(value);
  if (from[0] != to[0] || from[kChannels] != to[kChannels])
    return std::nullopt;
  std::array<int64_t, 2> factors;
  for (int axis : {1, 2}) {
    double scale = resize.getScales()[axis];
    factors[axis - 1] = from[axis] ? to[axis] / from[axis] : 0;
    if (factors[axis - 1] < 1 || factors[axis - 1] * from[axis] != to[axis] || (scale != 0 && scale != double(factors[axis - 1])))
      return std::nullopt;
  }
  return factors;
}

/// A 1x1 convolution of a half type with constant weights.
bool isPointwise(nn::ConvOp conv) {
  auto weight = cast<RankedTensorType>(conv.getWeight().getType()), input = cast<RankedTensorType>(conv.getInput().getType());
  auto are = [](ArrayRef<int64_t> list, int64_t expected) { return llvm::all_of(list, [&](int64_t each) { return each == expected; }); };
  return conv.getLayout() == nn::Layout::ChannelsLast && conv.getGroups() == 1 && isConstantExpression(conv.getWeight()) &&
         (!conv.getBias() || isConstantExpression(conv.getBias())) && isa<Float16Type, BFloat16Type>(elementOf(conv)) && weight.hasStaticShape() &&
         input.hasStaticShape() && input.getRank() == kRank && are(weight.getShape().drop_front(2), 1) && are(conv.getPads(), 0) &&
         are(conv.getStrides(), 1);
}

/// The two images side by side that `conv` reads, of which one repeats its pixels.
struct Match {
  nn::ConvOp conv;
  nn::ConcatOp both;
  std::array<int64_t, 2> factors;

  static std::optional<Match> of(nn::ConvOp conv) {
    auto both = conv.getInput().getDefiningOp<nn::ConcatOp>();
    if (!isPointwise(conv) || !both || !both->hasOneUse() || both.getInputs().size() != 2 || both.getAxis() != kChannels ||
        llvm::any_of(both.getInputs(), [](Value part) { return shapeOf(part)[kChannels] % kAlignedChannels != 0; }))
      return std::nullopt;
    std::optional<std::array<int64_t, 2>> found;
    for (Value part : both.getInputs())
      if (std::optional<std::array<int64_t, 2>> factors = repeats(part, both)) {
        if (found)
          return std::nullopt;
        found = factors;
      }
    return found ? std::optional(Match{conv, both, *found}) : std::nullopt;
  }
};

/// `image` with each axis of space taken apart, its channels replaced by so many.
SmallVector<int64_t> apart(ArrayRef<int64_t> image, std::array<int64_t, 2> factors, int64_t channels) {
  return {image[0], image[1] / factors[0], factors[0], image[2] / factors[1], factors[1], channels};
}

struct UpsampleIntoProducts : impl::UpsampleIntoProductsBase<UpsampleIntoProducts> {
  void runOnOperation() override {
    SmallVector<Match> matches;
    getOperation().walk([&](nn::ConvOp conv) {
      if (std::optional<Match> match = Match::of(conv))
        matches.push_back(*match);
    });
    for (const Match &match : matches)
      rewrite(match);
    taken += matches.size();
  }

  static void rewrite(const Match &match) {
    nn::ConvOp conv = match.conv;
    nn::ConcatOp concat = match.both;
    OpBuilder builder(conv);
    Location loc = conv.getLoc();
    SmallVector<Value> parts;
    for (Value part : concat.getInputs()) {
      SmallVector<int64_t> dims = apart(shapeOf(part), match.factors, shapeOf(part)[kChannels]);
      if (repeats(part, concat)) {
        Value small = part.getDefiningOp<nn::ResizeOp>().getInput();
        SmallVector<int64_t> once = apart(shapeOf(small), {1, 1}, shapeOf(small)[kChannels]);
        parts.push_back(expandTo(builder, loc, reshapeTo(builder, loc, small, once), dims));
      } else {
        parts.push_back(reshapeTo(builder, loc, part, dims));
      }
    }
    auto both = nn::ConcatOp::create(builder, loc, parts, int64_t(apart(shapeOf(conv), {1, 1}, 1).size()) - 1);
    both->setAttr(kernel::kSharedDepthAttr, builder.getUnitAttr());
    Value weight = reshapeTo(builder, loc, conv.getWeight(), shapeOf(conv.getWeight()).take_front(2));
    Value product = nn::MatMulOp::create(builder, loc, both, weight, conv.getBias(), /*transposeLhs=*/false, /*transposeRhs=*/true);
    replace(conv, product, builder);
    SmallVector<Value> old(concat.getInputs());
    conv.erase();
    concat.erase();
    for (Value part : old)
      if (part.use_empty())
        part.getDefiningOp()->erase();
  }

  /// What follows element by element stays with the product; behind that its rows are an image again.
  static void replace(nn::ConvOp conv, Value value, OpBuilder &builder) {
    Value last = conv;
    SmallVector<Operation *> moved;
    while (last.hasOneUse()) {
      Operation *user = *last.getUsers().begin();
      if (!user->hasTrait<nn::Elementwise>() || user->getNumOperands() != 1 || user->getNumResults() != 1)
        break;
      builder.setInsertionPoint(user);
      IRMapping operands;
      operands.map(last, value);
      Operation *copy = builder.clone(*user, operands);
      copy->getResult(0).setType(RankedTensorType::get(shapeOf(value), elementOf(user->getResult(0))));
      value = copy->getResult(0);
      last = user->getResult(0);
      moved.push_back(user);
    }
    last.replaceAllUsesWith(reshapeTo(builder, conv.getLoc(), value, shapeOf(last)));
    for (Operation *user : llvm::reverse(moved))
      user->erase();
  }
};

} // namespace
} // namespace tenon::graph
