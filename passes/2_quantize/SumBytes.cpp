#include "passes/2_quantize/Chain.h"
#include "passes/2_quantize/Passes.h"
#include <cmath>

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_SUMBYTES
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;

/// Whether `value` is bytes as f32, at most less a whole number.
bool isCentredBytes(Value value) {
  if (auto sub = value.getDefiningOp<nn::SubOp>()) {
    std::optional<double> zeroPoint = splatValue(sub.getRhs());
    if (!zeroPoint || *zeroPoint != std::floor(*zeroPoint))
      return false;
    value = sub.getLhs();
  }
  auto cast = value.getDefiningOp<nn::CastOp>();
  return cast && cast.getTo().isF32() && isByte(cast.getInput());
}

struct SumBytes : impl::SumBytesBase<SumBytes> {
  void runOnOperation() override {
    SmallVector<nn::ReduceOp> found;
    getOperation().walk([&](nn::ReduceOp op) { found.push_back(op); });
    for (nn::ReduceOp reduce : found)
      if (auto scaled = reduce.getInput().getDefiningOp<nn::MulOp>(); scaled && isLinear(reduce.getKind()) && isCentredBytes(scaled.getLhs()))
        if (std::optional<double> scale = splatValue(scaled.getRhs()))
          scaleAfter(reduce, scaled, *scale);
  }

private:
  static bool isLinear(nn::ReduceKind kind) { return kind == nn::ReduceKind::Sum || kind == nn::ReduceKind::Mean; }

  void scaleAfter(nn::ReduceOp reduce, nn::MulOp scaled, double scale) {
    OpBuilder builder(reduce);
    auto sum = cast<nn::ReduceOp>(builder.clone(*reduce));
    sum->setOperand(0, scaled.getLhs());
    Value factor = scalarConstant(builder, reduce.getLoc(), builder.getF32Type(), scale);
    reduce.replaceAllUsesWith(nn::MulOp::create(builder, scaled.getLoc(), sum.getResult(), factor).getResult());
    reduce.erase();
    if (scaled->use_empty())
      scaled.erase();
    ++summed;
  }
};
} // namespace
} // namespace tenon::quantize
