#include "passes/3_fuse/Groups.h"
#include "passes/3_fuse/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace tenon::fuse {
#define GEN_PASS_DEF_OUTLINE
#include "passes/3_fuse/Passes.h.inc"
namespace {

/// One kernel in the making.
class Outliner {
public:
  Outliner(ArrayRef<Operation *> ops, int64_t number) : ops(ops), number(number) {
    for (Operation *op : ops) {
      for (OpOperand &operand : op->getOpOperands())
        classify(operand);
      for (Value result : op->getResults())
        if (isScratch(result) || llvm::any_of(result.getUsers(), [&](Operation *user) { return !contains(user); }))
          results.push_back(result);
    }
  }

  /// Writes the kernel at `functions` and replaces the ops by a dispatch.
  void run(OpBuilder &functions) {
    OpBuilder builder(ops.back());
    Location loc = builder.getFusedLoc(llvm::map_to_vector(ops, [](Operation *op) { return op->getLoc(); }));
    auto type = builder.getFunctionType(TypeRange(arguments.getArrayRef()), TypeRange(results));
    auto kernel = kernel::FuncOp::create(functions, loc, "kernel_" + std::to_string(number), type);
    fillBody(kernel);
    kernel::collectSymbols(kernel);
    auto dispatch = kernel::DispatchOp::create(builder, loc, type.getResults(), FlatSymbolRefAttr::get(kernel), arguments.getArrayRef());
    for (auto [result, out] : llvm::zip(results, dispatch.getOuts()))
      result.replaceAllUsesWith(out);
    for (Operation *op : llvm::reverse(ops)) {
      op->dropAllUses();
      op->erase();
    }
  }

private:
  bool contains(Operation *op) const { return llvm::is_contained(ops, op); }

  /// Memory that the op needs, whether or not anything reads it.
  static bool isScratch(Value result) { return isa<nn::SortIndicesOp, nn::SuppressOp>(result.getDefiningOp()); }

  void classify(OpOperand &operand) {
    Operation *producer = operand.get().getDefiningOp();
    if (producer && contains(producer))
      return;
    auto constant = dyn_cast_or_null<nn::ConstantOp>(producer);
    if (constant && inlinesConstant(operand, constant))
      inlined.insert(constant);
    else
      arguments.insert(operand.get());
  }

  void fillBody(kernel::FuncOp kernel) {
    Block &body = kernel.getBody().front();
    OpBuilder builder = OpBuilder::atBlockEnd(&body);
    IRMapping mapping;
    for (nn::ConstantOp constant : inlined)
      builder.clone(*constant, mapping);
    // After the clones: a constant that is an argument too (a scalar bias, say) is read as what each reader wants.
    IRMapping asArgument;
    for (auto [value, argument] : llvm::zip(arguments, body.getArguments())) {
      argument.setLoc(value.getLoc());
      asArgument.map(value, argument);
    }
    for (Operation *op : ops) {
      Operation *copy = builder.clone(*op, mapping);
      copy->removeAttr(kGroupAttr);
      for (auto [from, to] : llvm::zip(op->getOpOperands(), copy->getOpOperands()))
        if (asArgument.contains(from.get()) && !readsInlined(from))
          to.set(asArgument.lookup(from.get()));
    }
    kernel::ReturnOp::create(builder, kernel.getLoc(), llvm::map_to_vector(results, [&](Value v) { return mapping.lookup(v); }));
  }

  bool readsInlined(OpOperand &operand) const {
    auto constant = operand.get().getDefiningOp<nn::ConstantOp>();
    return constant && inlinesConstant(operand, constant);
  }

  ArrayRef<Operation *> ops;
  int64_t number;
  llvm::SetVector<Value> arguments;
  llvm::SetVector<nn::ConstantOp> inlined;
  SmallVector<Value> results;
};

struct Outline : impl::OutlineBase<Outline> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    next = 0;
    for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (!func.isExternal())
        outline(func);
  }

  void outline(func::FuncOp func) {
    Block &block = func.getBody().front();
    llvm::MapVector<int64_t, SmallVector<Operation *>> groups;
    for (Operation &op : block)
      if (auto group = op.getAttrOfType<IntegerAttr>(kGroupAttr))
        groups[group.getInt()].push_back(&op);
    OpBuilder functions(func->getContext());
    functions.setInsertionPointToEnd(getOperation().getBody());
    for (auto &[group, ops] : groups) {
      Outliner(ops, next++).run(functions);
      ++kernels;
    }
    // A dispatch stands where the last op of its group stood; readers of its first results may stand before.
    if (!kernel::sortByDependencies(block)) {
      func.emitError("groups of ops depend on each other in a circle");
      return signalPassFailure();
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isa<nn::ConstantOp, nn::ReshapeOp>(op) && op.use_empty())
        op.erase();
  }

  int64_t next = 0; // not the statistic: LLVM counts those in builds with assertions only
};

} // namespace
} // namespace tenon::fuse
