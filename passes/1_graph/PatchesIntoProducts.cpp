#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_PATCHESINTOPRODUCTS
#include "passes/1_graph/Passes.h.inc"
namespace {

/// An image, channels first, that a convolution reads channels last and perhaps rounded.
struct Image {
  Value value;
  static std::optional<Image> of(Value input) {
    Value value = input;
    bool isLast = false;
    for (int i = 0; i < 2 && value.getDefiningOp(); ++i) {
      if (auto round = value.getDefiningOp<nn::CastOp>()) {
        value = round.getInput();
      } else if (auto transpose = value.getDefiningOp<nn::TransposeOp>(); transpose && transpose.getPerm() == ArrayRef<int64_t>{0, 2, 3, 1}) {
        value = transpose.getInput();
        isLast = true;
      }
    }
    auto type = cast<RankedTensorType>(value.getType());
    return isLast && type.getRank() == 4 && type.hasStaticShape() && isFloat(value) ? std::optional(Image{value}) : std::nullopt;
  }
};

/// A convolution whose windows lie side by side, of an image of few channels.
bool readsPatches(nn::ConvOp conv) {
  constexpr int64_t kImageChannels = 4;
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  if (conv.getLayout() != nn::Layout::ChannelsLast || conv.getGroups() != 1 || weight.getRank() != 4 || !weight.hasStaticShape() ||
      !isConstantExpression(conv.getWeight()) || !isa<Float16Type, BFloat16Type, Float32Type>(elementOf(conv)) || weight.getDimSize(1) > kImageChannels)
    return false;
  auto is = [](int64_t expected) { return [expected](int64_t value) { return value == expected; }; };
  std::optional<Image> image = Image::of(conv.getInput());
  if (!image || !llvm::all_of(conv.getPads(), is(0)) || !llvm::all_of(conv.getDilations(), is(1)) || conv.getStrides() != weight.getShape().drop_front(2))
    return false;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(image->value.getType()).getShape(), strides = conv.getStrides();
  return strides[0] > 1 && strides[1] > 1 && shape[2] % strides[0] == 0 && shape[3] % strides[1] == 0;
}

struct PatchesIntoProducts : impl::PatchesIntoProductsBase<PatchesIntoProducts> {
  void runOnOperation() override {
    SmallVector<nn::ConvOp> convs;
    getOperation().walk([&](nn::ConvOp conv) {
      if (readsPatches(conv))
        convs.push_back(conv);
    });
    for (nn::ConvOp conv : convs)
      replace(conv);
    replaced += convs.size();
  }

  /// Rows of patches: channel, row and column within a patch, as the weights have them.
  static void replace(nn::ConvOp conv) {
    OpBuilder builder(conv);
    Location loc = conv.getLoc();
    Value image = Image::of(conv.getInput())->value;
    ArrayRef<int64_t> shape = cast<RankedTensorType>(image.getType()).getShape(), strides = conv.getStrides();
    int64_t down = shape[2] / strides[0], across = shape[3] / strides[1], depth = shape[1] * strides[0] * strides[1];
    int64_t filters = cast<RankedTensorType>(conv.getWeight().getType()).getDimSize(0);
    Value patches = reshapeTo(builder, loc, image, ArrayRef<int64_t>{shape[0], shape[1], down, strides[0], across, strides[1]});
    patches = transposeBy(builder, loc, patches, ArrayRef<int64_t>{0, 2, 4, 1, 3, 5});
    if (elementOf(patches) != elementOf(conv))
      patches = nn::CastOp::create(builder, loc, patches, elementOf(conv));
    patches = reshapeTo(builder, loc, patches, ArrayRef<int64_t>{shape[0], down * across, depth});
    Value weight = reshapeTo(builder, loc, conv.getWeight(), ArrayRef<int64_t>{filters, depth});
    Value product = nn::MatMulOp::create(builder, loc, patches, weight, conv.getBias(), /*transposeLhs=*/false, /*transposeRhs=*/true);
    conv.replaceAllUsesWith(reshapeTo(builder, loc, product, ArrayRef<int64_t>{shape[0], down, across, filters}));
    conv.erase();
  }
};

} // namespace
} // namespace tenon::graph
