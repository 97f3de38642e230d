#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_LSTMSINTOPRODUCTS
#include "passes/1_graph/Passes.h.inc"
namespace {

constexpr int64_t kGates = 4;

/// Both biases of each gate, [directions * gates * units].
Value biasOf(OpBuilder &builder, nn::LSTMOp lstm, int64_t directions, int64_t columns) {
  Location loc = lstm.getLoc();
  auto part = [&](int64_t first) -> Value {
    SmallVector<nn::Dim> starts, sizes;
    for (int64_t start : {int64_t(0), first})
      starts.push_back(nn::Dim::constant(builder.getContext(), start));
    for (int64_t size : {directions, columns})
      sizes.push_back(nn::Dim::constant(builder.getContext(), size));
    return nn::SliceOp::create(builder, loc, lstm.getBias(), nn::dimsAttr(builder.getContext(), starts), nn::dimsAttr(builder.getContext(), sizes),
                               ArrayRef<int64_t>{1, 1});
  };
  Value both = nn::AddOp::create(builder, loc, part(0), part(columns));
  return reshapeTo(builder, loc, both, ArrayRef<int64_t>{directions * columns});
}

struct LSTMsIntoProducts : impl::LSTMsIntoProductsBase<LSTMsIntoProducts> {
  void runOnOperation() override {
    SmallVector<nn::LSTMOp> layers;
    getOperation().walk([&](nn::LSTMOp lstm) { layers.push_back(lstm); });
    for (nn::LSTMOp lstm : layers)
      replace(lstm);
    replaced += layers.size();
  }

  static void replace(nn::LSTMOp lstm) {
    OpBuilder builder(lstm);
    Location loc = lstm.getLoc();
    int64_t directions = lstm.getDirection() == nn::Direction::Bidirectional ? 2 : 1, columns = kGates * lstm.getHiddenSize();
    SmallVector<nn::Dim> x = nn::dimsOf(lstm.getInput().getType());
    auto constant = [&](int64_t size) { return nn::Dim::constant(builder.getContext(), size); };
    Value rows = reshapeTo(builder, loc, lstm.getInput(), {x[0] * x[1], x[2]});
    Value weight = reshapeTo(builder, loc, lstm.getWeight(), {constant(directions * columns), x[2]});
    Value product = nn::MatMulOp::create(builder, loc, rows, weight, /*bias=*/Value(), /*transposeLhs=*/false, /*transposeRhs=*/true);
    if (lstm.getBias())
      product = nn::AddOp::create(builder, loc, product, biasOf(builder, lstm, directions, columns));
    Value gates = reshapeTo(builder, loc, product, {x[0], x[1], constant(directions), constant(columns)});
    Value recurrence = transposeBy(builder, loc, lstm.getRecurrence(), ArrayRef<int64_t>{0, 2, 1});
    double none[] = {0, 0, 0};
    auto steps = nn::RecurrenceOp::create(
        builder, loc, lstm->getResultTypes(), gates, recurrence, /*reset_bias=*/Value(), lstm.getLengths(), lstm.getInitialH(), lstm.getInitialC(),
        lstm.getPeephole(), nn::CellAttr::get(builder.getContext(), nn::Cell::LSTM), lstm.getDirectionAttr(),
        builder.getStrArrayAttr({"Sigmoid", "Tanh", "Tanh"}), builder.getDenseF64ArrayAttr(none), builder.getDenseF64ArrayAttr(none),
        builder.getF64FloatAttr(0), /*input_forget=*/UnitAttr(), /*linear_before_reset=*/UnitAttr());
    lstm.replaceAllUsesWith(steps.getResults());
    lstm.erase();
  }
};

} // namespace
} // namespace tenon::graph
