// Few reductions of very many elements, for GPUs: one for each multiprocessor and more, then one of their results.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_SPLITREDUCTIONS
#include "passes/1_graph/Passes.h.inc"
namespace {

/// How one reduction becomes two.
struct Parts {
  int64_t rows, parts, length; // length: of a part
};

std::optional<Parts> partsOf(nn::ReduceOp reduce) {
  using Kind = nn::ReduceKind;
  constexpr Kind kKinds[] = {Kind::Sum, Kind::Mean, Kind::Max, Kind::Min, Kind::SumSquare};
  constexpr int64_t kMostRows = 64, kShortest = 1 << 19, kWanted = 1024, kFewest = 128, kVector = 8; // kWanted: parts of all rows
  auto type = cast<RankedTensorType>(reduce.getInput().getType());
  if (!llvm::is_contained(kKinds, reduce.getKind()) || !type.hasStaticShape() || !isa<Float16Type, BFloat16Type, Float32Type>(type.getElementType()))
    return std::nullopt;
  int64_t first = type.getRank() - int64_t(reduce.getAxes().size());
  if (llvm::any_of(reduce.getAxes(), [&](int64_t axis) { return axis < first; }))
    return std::nullopt;
  int64_t length = 1;
  for (int64_t size : type.getShape().drop_front(first))
    length *= size;
  int64_t rows = length ? type.getNumElements() / length : 0;
  if (length < kShortest || rows > kMostRows)
    return std::nullopt;
  for (int64_t parts = kWanted; parts * rows >= kFewest; parts /= 2)
    if (parts * rows <= kWanted && length % (parts * kVector) == 0)
      return Parts{rows, parts, length / parts};
  return std::nullopt;
}

/// What lies between both is f32, whatever the element type.
void rewrite(nn::ReduceOp reduce, const Parts &p) {
  OpBuilder builder(reduce);
  Location loc = reduce.getLoc();
  Type element = elementOf(reduce), f32 = builder.getF32Type();
  Value x = reshapeTo(builder, loc, reduce.getInput(), ArrayRef<int64_t>{p.rows, p.parts, p.length});
  if (element != f32)
    x = nn::CastOp::create(builder, loc, x, f32);
  auto kind = reduce.getKind();
  Value parts = nn::ReduceOp::create(builder, loc, x, kind, SmallVector<int64_t>{2}, false);
  auto ofParts = kind == nn::ReduceKind::SumSquare ? nn::ReduceKind::Sum : kind;
  Value result = nn::ReduceOp::create(builder, loc, parts, ofParts, SmallVector<int64_t>{1}, false);
  if (element != f32)
    result = nn::CastOp::create(builder, loc, result, element);
  reduce.replaceAllUsesWith(reshapeTo(builder, loc, result, nn::dimsOf(reduce.getType())));
  reduce.erase();
}

struct SplitReductions : impl::SplitReductionsBase<SplitReductions> {
  void runOnOperation() override {
    SmallVector<std::pair<nn::ReduceOp, Parts>> found;
    getOperation().walk([&](nn::ReduceOp reduce) {
      if (std::optional<Parts> parts = partsOf(reduce))
        found.push_back({reduce, *parts});
    });
    for (auto &[reduce, parts] : found)
      rewrite(reduce, parts);
    split += found.size();
  }
};

} // namespace
} // namespace tenon::graph
