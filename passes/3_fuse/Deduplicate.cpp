#include "passes/3_fuse/Passes.h"
#include "dialects/kernel/Kernel.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/MapVector.h"
#include <map>

using namespace mlir;

namespace tenon::fuse {
#define GEN_PASS_DEF_DEDUPLICATE
#include "passes/3_fuse/Passes.h.inc"
namespace {

constexpr auto kIgnoreNames = OperationEquivalence::IgnoreLocations;

/// Equal up to locations and the kernel's name.
bool isEqual(kernel::FuncOp a, kernel::FuncOp b) {
  return a.getFunctionType() == b.getFunctionType() && a.getSymbols() == b.getSymbols() && a.getScheduleAttr() == b.getScheduleAttr() &&
         a.getArgAttrsAttr() == b.getArgAttrsAttr() && a.getResAttrsAttr() == b.getResAttrsAttr() &&
         OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(), kIgnoreNames);
}

llvm::hash_code hashOf(kernel::FuncOp func) {
  llvm::hash_code hash = llvm::hash_value(func.getFunctionType().getAsOpaquePointer());
  for (Operation &op : func.getBody().front())
    hash = llvm::hash_combine(hash, op.getName().getAsOpaquePointer(), op.getAttrDictionary().getAsOpaquePointer());
  return hash;
}

/// What the kernel computes, for people: the anchor and what follows it, at most four words.
std::string describe(kernel::FuncOp func) {
  constexpr unsigned kWords = 4;
  SmallVector<StringRef> words;
  bool isOnlyViews = true;
  for (Operation &op : func.getBody().front())
    isOnlyViews &= op.hasTrait<nn::ViewLike>() || isa<nn::ConstantOp, kernel::ReturnOp>(op);
  for (Operation &op : func.getBody().front()) {
    bool isView = op.hasTrait<nn::ViewLike>() && !(isOnlyViews && !isa<nn::ReshapeOp>(op));
    if (!isView && !isa<nn::ConstantOp, kernel::ReturnOp>(op))
      words.push_back(op.getName().stripDialect());
  }
  if (words.size() > kWords)
    words.resize(kWords);
  return llvm::join(words, "_");
}

struct Deduplicate : impl::DeduplicateBase<Deduplicate> {
  using DeduplicateBase::DeduplicateBase;

  void runOnOperation() override {
    // Candidates by hash; the first of equal kernels stays. Only the order of kernels decides, never an address.
    std::map<size_t, SmallVector<kernel::FuncOp>> buckets;
    DenseMap<StringAttr, kernel::FuncOp> representative;
    SmallVector<kernel::FuncOp> funcs(getOperation().getOps<kernel::FuncOp>());
    for (kernel::FuncOp func : funcs) {
      auto &bucket = buckets[hashOf(func)];
      auto *same = llvm::find_if(bucket, [&](kernel::FuncOp other) { return isEqual(func, other); });
      if (same == bucket.end()) {
        bucket.push_back(func);
        representative[func.getSymNameAttr()] = func;
      } else {
        representative[func.getSymNameAttr()] = *same;
      }
    }

    SmallVector<std::pair<kernel::DispatchOp, kernel::FuncOp>> calls;
    llvm::SetVector<kernel::FuncOp> used;
    getOperation().walk([&](kernel::DispatchOp dispatch) {
      auto found = representative.find(dispatch.getKernelAttr().getAttr());
      if (found == representative.end())
        return;
      calls.push_back({dispatch, found->second});
      used.insert(found->second);
    });
    rename(calls, used, funcs);
    dispatches += calls.size();
    kernels += used.size();
    if (summary)
      printSummary(calls);
  }

  /// Names in the order of first use; kernels that nothing uses go.
  void rename(ArrayRef<std::pair<kernel::DispatchOp, kernel::FuncOp>> calls, const llvm::SetVector<kernel::FuncOp> &used,
              ArrayRef<kernel::FuncOp> funcs) {
    for (kernel::FuncOp func : funcs)
      if (!used.contains(func))
        func.erase();
    for (auto [number, usedFunc] : llvm::enumerate(used)) {
      kernel::FuncOp func = usedFunc;
      func.setSymName(describe(func) + "_" + std::to_string(number));
      func->moveBefore(getOperation().getBody(), getOperation().getBody()->end());
    }
    for (auto [dispatch, func] : calls)
      dispatch.setKernelAttr(FlatSymbolRefAttr::get(func));
  }

  /// How many dispatches there are, apart from those that run before any input is known or that 5_memory makes views.
  void printSummary(ArrayRef<std::pair<kernel::DispatchOp, kernel::FuncOp>> calls) {
    int64_t constant = 0, concats = 0, slices = 0;
    std::map<std::string, int64_t> byKind;
    for (auto [dispatch, func] : calls) {
      bool isConstant = llvm::all_of(dispatch.getArgs(), [](Value v) { return v.getDefiningOp<nn::ConstantOp>(); });
      Operation &first = func.getBody().front().front();
      bool isAlone = isa<kernel::ReturnOp>(first.getNextNode());
      constant += isConstant;
      concats += !isConstant && isAlone && isa<nn::ConcatOp>(first);
      slices += !isConstant && isAlone && isa<nn::SliceOp>(first);
      if (!isConstant)
        ++byKind[describe(func)];
    }
    int64_t computing = int64_t(calls.size()) - constant - concats - slices;
    llvm::errs() << computing << " dispatches, " << concats << " concats and " << slices << " slices that may become views, " << constant
                 << " of constants; " << getOperation().getBody()->getOperations().size() - 1 << " kernels\n";
    for (const auto &[kind, count] : byKind)
      llvm::errs() << llvm::formatv("{0,6}  {1}\n", count, kind);
  }
};

} // namespace
} // namespace tenon::fuse
