#include "passes/2_quantize/Chain.h"

using namespace mlir;

namespace tenon::quantize {
using namespace graph;

bool isByte(Value value) { return isa<IntegerType>(elementOf(value)) && elementOf(value).getIntOrFloatBitWidth() == 8; }

static bool isSplatConstant(Value value) {
  return isConstant(value) && splatValue(value) && llvm::all_of(nn::dimsOf(value.getType()), [](nn::Dim d) { return d.isConstant(1); });
}

namespace {
struct Collector {
  Chain &chain;
  bool stopAtBytes;

  void visit(Value value) {
    constexpr size_t kMostOps = 32;
    Operation *op = value.getDefiningOp();
    if (op && chain.ops.contains(op))
      return;
    bool isInner = op && op->hasTrait<nn::Elementwise>() && op->getNumResults() == 1 && chain.ops.size() < kMostOps &&
                   (value == chain.root || !stopAtBytes || !isByte(value)) && llvm::all_of(op->getOperands(), [&](Value v) { return isSplatConstant(v) || sameShape(v, chain.root); });
    if (!isInner) {
      chain.sources.insert(value);
      return;
    }
    for (Value operand : op->getOperands())
      if (!isSplatConstant(operand))
        visit(operand);
    chain.ops.insert(op);
  }
};
} // namespace

Chain Chain::of(Value root, bool stopAtBytes) {
  Chain chain{root, {}, {}};
  Collector{chain, stopAtBytes}.visit(root);
  return chain;
}

Value Chain::clone(OpBuilder &builder, ArrayRef<Value> values) const {
  IRMapping mapping;
  return clone(builder, mapping, values);
}

Value Chain::cloneWithConstants(OpBuilder &builder, ArrayRef<Value> values) const {
  IRMapping mapping;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (isSplatConstant(operand) && !mapping.contains(operand))
        mapping.map(operand, builder.clone(*operand.getDefiningOp())->getResult(0));
  return clone(builder, mapping, values);
}

Value Chain::clone(OpBuilder &builder, IRMapping &mapping, ArrayRef<Value> values) const {
  for (auto [source, value] : llvm::zip_equal(sources, values))
    mapping.map(source, value);
  for (Operation *op : ops) {
    Operation *copy = builder.clone(*op, mapping);
    // What takes a source's place may be a constant of one element itself.
    auto varying = llvm::find_if(op->getOperands(), [](Value v) { return !isSplatConstant(v); });
    Value operand = copy->getOperand(unsigned(varying - op->operand_begin()));
    copy->getResult(0).setType(nn::tensorOf(nn::dimsOf(operand.getType()), elementOf(op->getResult(0))));
    mapping.map(op->getResult(0), copy->getResult(0));
  }
  return mapping.lookup(root);
}

} // namespace tenon::quantize
