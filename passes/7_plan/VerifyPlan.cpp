// Checks a packed plan without trusting the passes that made it.
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "passes/7_plan/Passes.h"
#include "llvm/ADT/StringSet.h"

namespace tenon::plan {
#define GEN_PASS_DEF_VERIFYPLAN
#include "passes/7_plan/Passes.h.inc"

namespace {
using namespace mlir;

/// A buffer behind views.
struct Slice {
  Value root;
  nn::Dim offset;
};

Slice sliceOf(Value buffer) {
  nn::Dim offset = nn::Dim::constant(buffer.getContext(), 0);
  while (auto view = buffer.getDefiningOp<ViewOp>()) {
    offset = offset + nn::Dim(view.getOffset());
    buffer = view.getSource();
  }
  return {buffer, offset};
}

class VerifyPlanPass : public impl::VerifyPlanBase<VerifyPlanPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto func : getOperation().getOps<FuncOp>())
      if (failed(verify(func, symbols)))
        return signalPassFailure();
  }

  LogicalResult verify(FuncOp func, SymbolTable &symbols) {
    written.clear();
    lifetimes.clear();
    pending.clear();
    for (Operation &op : func.getBody().front())
      for (StringRef name : symbolsOf(op))
        pending.insert(name);
    int64_t step = 0;
    for (Operation &op : func.getBody().front()) {
      if (auto launch = dyn_cast<LaunchOp>(op)) {
        auto kernel = symbols.lookup<kernel::FuncOp>(launch.getKernel());
        if (!kernel)
          return launch.emitError("calls @") << launch.getKernel() << ", which does not exist";
        if (failed(verify(launch, kernel)))
          return failure();
        ++launches;
      } else if (auto copy = dyn_cast<CopyOp>(op)) {
        if (failed(read(copy, copy.getSource())))
          return failure();
        written.insert(sliceOf(copy.getDestination()).root);
      } else if (auto sizes = dyn_cast<ReadSizesOp>(op)) {
        if (failed(read(sizes, sizes.getSource())))
          return failure();
      } else if (isa<IfOp, LoopOp>(op)) {
        for (Value operand : op.getOperands())
          if (failed(read(&op, operand)))
            return failure();
        written.insert_range(op.getResults());
      } else if (!isStep(&op)) {
        continue;
      }
      for (StringRef name : symbolsOf(op))
        pending.erase(name);
      for (Value operand : op.getOperands())
        if (auto alloc = sliceOf(operand).root.getDefiningOp<AllocOp>())
          lifetimes.try_emplace(alloc, step, step).first->second.second = step;
      ++step;
    }
    return verifyArena();
  }

  /// The symbols that a step defines.
  static SmallVector<StringRef> symbolsOf(Operation &op) {
    auto names = isStep(&op) ? op.getAttrOfType<ArrayAttr>("symbols") : ArrayAttr();
    return names ? llvm::to_vector(names.getAsValueRange<StringAttr>()) : SmallVector<StringRef>();
  }

  LogicalResult read(Operation *op, Value buffer) {
    Value root = sliceOf(buffer).root;
    if (root.getDefiningOp<InputOp>() || root.getDefiningOp<ConstantOp>() || written.contains(root))
      return success();
    return op->emitError("reads a buffer that nothing has written yet");
  }

  LogicalResult verify(LaunchOp launch, kernel::FuncOp kernel) {
    if (launch.getArgs().size() != kernel.getNumArguments() || launch.getOuts().size() != kernel.getNumResults() ||
        bool(launch.getWorkspace()) != (kernel.getWorkspaceBytes() != 0))
      return launch.emitError("passes ") << launch.getArgs().size() << " arguments and " << launch.getOuts().size() << " results to @"
                                         << launch.getKernel() << ", which has " << kernel.getNumArguments() << " and " << kernel.getNumResults();
    for (StringRef name : kernel.getSymbols().getAsValueRange<StringAttr>())
      if (pending.contains(name))
        return launch.emitError("uses the size '") << name << "', which only a later step defines";
    for (Value argument : launch.getArgs())
      if (failed(read(launch, argument)))
        return failure();
    for (auto [index, out] : llvm::enumerate(launch.getOuts())) {
      Slice result = sliceOf(out);
      if (result.root.getDefiningOp<InputOp>() || result.root.getDefiningOp<ConstantOp>())
        return launch.emitError("result ") << index << " would overwrite an input or a constant";
      for (auto [position, argument] : llvm::enumerate(launch.getArgs()))
        if (failed(verifySharing(launch, kernel, index, result, position, sliceOf(argument))))
          return failure();
      written.insert(result.root);
    }
    return success();
  }

  /// A result may lie where an argument lies if the schedule says so; or beside it in the same buffer (concat in place).
  LogicalResult verifySharing(LaunchOp launch, kernel::FuncOp kernel, unsigned index, Slice result, unsigned position, Slice argument) {
    if (result.root != argument.root)
      return success();
    bool declared = kernel.getOverwrites() && index < kernel.getOverwrites()->size() && (*kernel.getOverwrites())[index] == int64_t(position);
    if (result.offset == argument.offset && declared)
      return success();
    if (disjoint(result.offset, kernel.getResultTypes()[index], kernel.resultStrides(index), argument.offset,
                 kernel.getArgumentTypes()[position], kernel.argumentStrides(position)))
      return success();
    return launch.emitError("result ") << index << " of @" << launch.getKernel() << " shares memory with argument " << position
                                       << ", which its schedule does not allow";
  }

  /// Two parts of one buffer with equal strides are disjoint if, along some axis, one ends before the other begins.
  bool disjoint(nn::Dim offsetA, Type typeA, ArrayRef<nn::Dim> stridesA, nn::Dim offsetB, Type typeB, ArrayRef<nn::Dim> stridesB) {
    int64_t bytes = nn::elementBytes(typeA);
    auto extent = [&](Type type, ArrayRef<nn::Dim> strides) {
      nn::Dim last = nn::Dim::constant(&getContext(), 1);
      for (auto [size, stride] : llvm::zip_equal(nn::dimsOf(type), strides))
        last = last + (size - 1) * stride;
      return last * bytes;
    };
    // Apart as whole ranges of addresses.
    auto apart = [&](nn::Dim firstEnd, nn::Dim secondBegin) {
      std::optional<int64_t> gap = (secondBegin - firstEnd).lowerBound();
      return gap && *gap >= 0;
    };
    if (apart(offsetA + extent(typeA, stridesA), offsetB) || apart(offsetB + extent(typeB, stridesB), offsetA))
      return true;
    // Interleaved: rows of the outer tensor, each holding both parts side by side (the concat's axis is innermost after flattening).
    SmallVector<nn::Dim> dimsA = nn::dimsOf(typeA), dimsB = nn::dimsOf(typeB);
    for (int axis = int(dimsA.size()) - 1; axis > 0; --axis) {
      if (dimsA.size() != dimsB.size() || stridesA[axis] != stridesB[axis] || stridesA[axis - 1] != stridesB[axis - 1])
        continue;
      nn::Dim pitch = stridesA[axis - 1] * bytes, runA = dimsA[axis] * stridesA[axis] * bytes, runB = dimsB[axis] * stridesB[axis] * bytes;
      nn::Dim low = offsetA.mod(pitch), high = offsetB.mod(pitch);
      if ((apart(low + runA, high) && apart(high + runB, pitch)) || (apart(high + runB, low) && apart(low + runA, pitch)))
        return true;
    }
    return false;
  }

  LogicalResult verifyArena() {
    for (auto a = lifetimes.begin(); a != lifetimes.end(); ++a)
      for (auto b = std::next(a); b != lifetimes.end(); ++b) {
        AllocOp first = a->first, second = b->first;
        std::optional<int64_t> sizeA = nn::Dim(first.getSize()).asConstant(), sizeB = nn::Dim(second.getSize()).asConstant();
        if (!first.getOffset() || !second.getOffset() || !sizeA || !sizeB)
          continue; // packed, and checked, by the runtime
        bool together = a->second.first <= b->second.second && b->second.first <= a->second.second;
        bool overlap = *first.getOffset() < *second.getOffset() + *sizeB && *second.getOffset() < *first.getOffset() + *sizeA;
        if (together && overlap)
          return first.emitError("overlaps another buffer that is alive at the same time: [") << *first.getOffset() << ", "
                 << *first.getOffset() + *sizeA << ") and [" << *second.getOffset() << ", " << *second.getOffset() + *sizeB << ")";
      }
    return success();
  }

  llvm::DenseSet<Value> written;
  llvm::StringSet<> pending; // symbols that no step has defined yet
  llvm::MapVector<AllocOp, std::pair<int64_t, int64_t>> lifetimes;
};
} // namespace

} // namespace tenon::plan
