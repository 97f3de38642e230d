// An order of dispatches with a low peak of live bytes.
#include "dialects/kernel/Kernel.h"
#include "passes/5_memory/Passes.h"

namespace tenon::memory {
#define GEN_PASS_DEF_ORDERDISPATCHES
#include "passes/5_memory/Passes.h.inc"

namespace {
using namespace mlir;

constexpr int64_t kAssumedSize = 64; // of a symbol: orders are compared, not measured

class OrderDispatchesPass : public impl::OrderDispatchesBase<OrderDispatchesPass> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func.getBody().hasOneBlock())
      return;
    original.clear();
    for (Operation &op : func.front().without_terminator())
      original.push_back(&op);
    describe(func);
    SmallVector<Operation *> order = schedule(func);
    if (order.size() != original.size() || peak(order) >= peak(original))
      return;
    Operation *terminator = func.front().getTerminator();
    for (Operation *op : order)
      op->moveBefore(terminator);
    ++reordered;
  }

  /// Bytes of every value that the arena holds, and how many readers it has; reshapes pass their readers on.
  void describe(func::FuncOp func) {
    bytes.clear();
    readers.clear();
    for (Operation *op : original) {
      if (!isa<kernel::DispatchOp>(op))
        continue;
      for (Value value : op->getResults()) {
        llvm::DenseMap<StringRef, int64_t> sizes;
        nn::Dim count = nn::numElements(value.getType());
        SmallVector<StringRef> names;
        count.collectSymbols(names);
        for (StringRef name : names)
          sizes[name] = kAssumedSize;
        int64_t width = nn::elementBytes(value.getType());
        bytes[value] = count.evaluate(sizes).value_or(0) * width;
      }
    }
    for (Operation *op : original)
      for (Value value : llvm::SmallDenseSet<Value>(op->operand_begin(), op->operand_end()))
        if (isa<kernel::DispatchOp>(op))
          ++readers[base(value)];
    for (Value value : func.front().getTerminator()->getOperands())
      ++readers[base(value)];
  }

  static Value base(Value value) {
    while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
      value = reshape.getInput();
    return value;
  }

  /// Bytes that running `op` adds to those alive: its results, less the operands that nobody else still needs.
  int64_t growth(Operation *op, const llvm::DenseMap<Value, int> &left) {
    int64_t sum = 0;
    for (Value value : op->getResults())
      sum += bytes.lookup(value);
    llvm::SmallDenseSet<Value> seen;
    for (Value value : op->getOperands())
      if (Value source = base(value); seen.insert(source).second && left.lookup(source) == 1)
        sum -= bytes.lookup(source);
    return sum;
  }

  void finish(Operation *op, llvm::DenseMap<Value, int> &left) {
    if (isa<kernel::DispatchOp>(op))
      for (Value value : llvm::SmallDenseSet<Value>(op->operand_begin(), op->operand_end()))
        --left[base(value)];
  }

  int64_t peak(ArrayRef<Operation *> order) {
    llvm::DenseMap<Value, int> left = readers;
    int64_t live = 0, highest = 0;
    for (Operation *op : order) {
      int64_t results = 0;
      for (Value value : op->getResults())
        results += bytes.lookup(value);
      highest = std::max(highest, live + results);
      live += growth(op, left);
      finish(op, left);
    }
    return highest;
  }

  SmallVector<Operation *> schedule(func::FuncOp func) {
    llvm::DenseMap<Value, int> left = readers;
    llvm::DenseMap<Operation *, int> waiting;
    SmallVector<Operation *> order, ready;
    kernel::SizeDefinitions sizes(func.front());
    llvm::DenseMap<Operation *, SmallVector<Operation *>> dependents; // of ops that define sizes
    for (Operation *op : original) {
      for (Value value : op->getOperands())
        waiting[op] += value.getDefiningOp() != nullptr;
      for (Operation *definer : sizes.of(op)) {
        ++waiting[op];
        dependents[definer].push_back(op);
      }
      if (!waiting[op])
        ready.push_back(op);
    }
    while (!ready.empty()) {
      // Constants and reshapes cost nothing: at once. Ties fall to the original order, in which `ready` is kept.
      auto best = llvm::min_element(ready, [&](Operation *a, Operation *b) {
        bool freeA = !isa<kernel::DispatchOp>(a), freeB = !isa<kernel::DispatchOp>(b);
        return freeA != freeB ? freeA : !freeA && growth(a, left) < growth(b, left);
      });
      Operation *op = *best;
      ready.erase(best);
      order.push_back(op);
      finish(op, left);
      auto release = [&](Operation *user) {
        if (waiting.contains(user) && --waiting[user] == 0)
          ready.insert(llvm::upper_bound(ready, user, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); }), user);
      };
      llvm::for_each(op->getUsers(), release);
      llvm::for_each(dependents.lookup(op), release);
    }
    return order;
  }

  SmallVector<Operation *> original;
  llvm::DenseMap<Value, int64_t> bytes;
  llvm::DenseMap<Value, int> readers;
};
} // namespace

} // namespace tenon::memory
