// depth_to_space and space_to_depth from reshape, transpose, reshape.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// Axes of size 1 at the front of the six-dimensional form may be missing (batch 1); this wants all six.
struct Shuffle {
  Value input;                 // [N, C, H, W]
  SmallVector<nn::Dim> split;  // six sizes
  ArrayRef<int64_t> perm;
};
std::optional<Shuffle> shuffleOf(nn::ReshapeOp op) {
  auto transpose = op.getInput().getDefiningOp<nn::TransposeOp>();
  auto split = transpose ? transpose.getInput().getDefiningOp<nn::ReshapeOp>() : nn::ReshapeOp();
  if (!split || rankOf(split) != 6 || rankOf(split.getInput()) != 4 || rankOf(op) != 4)
    return std::nullopt;
  return Shuffle{split.getInput(), nn::dimsOf(split.getType()), transpose.getPerm()};
}

struct DepthToSpaceFromParts : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto shuffle = shuffleOf(op);
    if (!shuffle)
      return failure();
    SmallVector<nn::Dim> in = nn::dimsOf(shuffle->input.getType()), out = nn::dimsOf(op.getType());
    const auto &s = shuffle->split;
    bool crd = shuffle->perm == ArrayRef<int64_t>{0, 1, 4, 2, 5, 3};
    bool dcr = shuffle->perm == ArrayRef<int64_t>{0, 3, 4, 1, 5, 2};
    nn::Dim block = crd ? s[2] : s[1], other = crd ? s[3] : s[2], channels = crd ? s[1] : s[3];
    if ((!crd && !dcr) || block != other || !block.isConstant() || s[0] != in[0] || s[4] != in[2] || s[5] != in[3])
      return failure();
    if (out[0] != in[0] || out[1] != channels || out[2] != in[2] * block || out[3] != in[3] * block)
      return failure();
    rewriter.replaceOpWithNewOp<nn::DepthToSpaceOp>(op, shuffle->input, *block.asConstant(), crd);
    return success();
  }
};

/// Only the order (by, bx, c) of the result's channels is nn.space_to_depth.
struct SpaceToDepthFromParts : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto shuffle = shuffleOf(op);
    if (!shuffle || shuffle->perm != ArrayRef<int64_t>{0, 3, 5, 1, 2, 4})
      return failure();
    SmallVector<nn::Dim> in = nn::dimsOf(shuffle->input.getType()), out = nn::dimsOf(op.getType());
    const auto &s = shuffle->split;
    if (s[3] != s[5] || !s[3].isConstant() || s[0] != in[0] || s[1] != in[1] || s[2] * s[3] != in[2] || s[4] * s[5] != in[3])
      return failure();
    if (out[0] != in[0] || out[1] != in[1] * s[3] * s[5] || out[2] != s[2] || out[3] != s[4])
      return failure();
    rewriter.replaceOpWithNewOp<nn::SpaceToDepthOp>(op, shuffle->input, *s[3].asConstant());
    return success();
  }
};

} // namespace

void addPixelShufflePatterns(RewritePatternSet &patterns) {
  patterns.add<DepthToSpaceFromParts, SpaceToDepthFromParts>(patterns.getContext());
}

} // namespace tenon::graph
