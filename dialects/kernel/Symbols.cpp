// The sizes a kernel depends on.
#include "dialects/kernel/Kernel.h"
#include "llvm/ADT/SetVector.h"
#include <queue>

namespace tenon::kernel {
using namespace mlir;

using Names = llvm::SetVector<StringRef>;

namespace {
/// Gathers the symbols of attributes and types.
class Collector {
public:
  explicit Collector(Names &names) {
    auto collect = [&names](nn::Dim dim) {
      SmallVector<StringRef> found;
      dim.collectSymbols(found);
      names.insert(found.begin(), found.end());
    };
    walker.addWalk([=](nn::DimsAttr dims) {
      llvm::for_each(dims.dims(), collect);
      return WalkResult::skip();
    });
    walker.addWalk([=](nn::ExprAttr expr) {
      collect(nn::Dim(expr));
      return WalkResult::skip();
    });
  }

  void visit(Operation *op) {
    walker.walk(op->getAttrDictionary());
    for (Type type : op->getOperandTypes())
      walker.walk(type);
    for (Type type : op->getResultTypes())
      walker.walk(type);
  }

private:
  AttrTypeWalker walker;
};
} // namespace

void collectSymbols(FuncOp func) {
  Names names;
  Collector collector(names);
  func->walk<WalkOrder::PreOrder>([&](Operation *op) { collector.visit(op); });
  func.setSymbolsAttr(Builder(func.getContext()).getStrArrayAttr(SmallVector<StringRef>(names.begin(), names.end())));
}

SizeDefinitions::SizeDefinitions(Block &block) {
  for (Operation &op : block)
    for (StringRef name : nn::definedSymbols(&op))
      definers[name] = &op;
}

SmallVector<Operation *> SizeDefinitions::of(Operation *op) const {
  if (definers.empty())
    return {};
  Names names;
  Collector(names).visit(op);
  if (auto dispatch = dyn_cast<DispatchOp>(op))
    if (auto func = SymbolTable::lookupNearestSymbolFrom<FuncOp>(op, dispatch.getKernelAttr()))
      for (StringRef name : func.getSymbols().getAsValueRange<StringAttr>())
        names.insert(name);
  llvm::SetVector<Operation *> found;
  for (StringRef name : names)
    if (auto definer = definers.find(name); definer != definers.end() && definer->second != op)
      found.insert(definer->second);
  return found.takeVector();
}

bool SizeDefinitions::isKnown(Type tensor, Operation *user) const {
  SmallVector<StringRef> names;
  for (nn::Dim dim : definers.empty() ? SmallVector<nn::Dim>() : nn::dimsOf(tensor))
    dim.collectSymbols(names);
  return llvm::all_of(names, [&](StringRef name) {
    auto definer = definers.find(name);
    return definer == definers.end() || definer->second->isBeforeInBlock(user);
  });
}

bool sortByDependencies(Block &block) {
  SizeDefinitions sizes(block);
  SmallVector<Operation *> ops;
  for (Operation &op : block.without_terminator())
    ops.push_back(&op);
  llvm::DenseMap<Operation *, unsigned> position, waiting;
  for (auto [i, op] : llvm::enumerate(ops))
    position[op] = i;
  llvm::DenseMap<Operation *, SmallVector<Operation *>> readers;
  for (Operation *op : ops) {
    auto waitFor = [&](Operation *producer) {
      if (producer && position.contains(producer)) {
        ++waiting[op];
        readers[producer].push_back(op);
      }
    };
    for (Value operand : op->getOperands())
      waitFor(operand.getDefiningOp());
    llvm::for_each(sizes.of(op), waitFor);
  }
  // The ready op that stood first goes next: what is sorted stays as it is.
  std::priority_queue<unsigned, std::vector<unsigned>, std::greater<>> ready;
  for (Operation *op : ops)
    if (!waiting.lookup(op))
      ready.push(position[op]);
  size_t placed = 0;
  Operation *end = block.mightHaveTerminator() ? block.getTerminator() : nullptr;
  while (!ready.empty()) {
    Operation *op = ops[ready.top()];
    ready.pop();
    end ? op->moveBefore(end) : op->moveBefore(&block, block.end());
    ++placed;
    for (Operation *reader : readers[op])
      if (--waiting[reader] == 0)
        ready.push(position[reader]);
  }
  return placed == ops.size();
}

} // namespace tenon::kernel
