// Lifetimes of plan.alloc, packed by the packer that the runtime uses too.
#include "dialects/plan/Plan.h"
#include "passes/5_memory/Passes.h"
#include "runtime/memory/ArenaPacker.h"
#include "llvm/ADT/StringSet.h"

namespace tenon::memory {
#define GEN_PASS_DEF_PACKARENA
#include "passes/5_memory/Passes.h.inc"

namespace {
using namespace mlir;

class PackArenaPass : public impl::PackArenaBase<PackArenaPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<plan::FuncOp>())
      if (failed(pack(func)))
        return signalPassFailure();
  }

  /// Whether a size depends on symbols that steps define, and on no others.
  static bool isDefinedByRun(nn::Dim size, const llvm::StringSet<> &runTime) {
    SmallVector<StringRef> names;
    size.collectSymbols(names);
    return llvm::all_of(names, [&](StringRef name) { return runTime.contains(name); });
  }

  LogicalResult pack(plan::FuncOp func) {
    for (Type input : func.getInputs().getAsValueRange<TypeAttr>())
      if (!cast<RankedTensorType>(input).hasStaticShape())
        return success(); // the runtime packs
    llvm::MapVector<Value, Lifetime> lifetimes;
    llvm::StringSet<> runTime;
    for (Operation &op : func.getBody().front())
      if (auto symbols = op.getAttrOfType<ArrayAttr>("symbols"))
        for (StringRef name : symbols.getAsValueRange<StringAttr>())
          runTime.insert(name);
    uint32_t step = 0;
    for (Operation &op : func.getBody().front()) {
      if (!plan::isStep(&op))
        continue;
      for (Value operand : op.getOperands()) {
        while (auto view = operand.getDefiningOp<plan::ViewOp>())
          operand = view.getSource();
        auto alloc = operand.getDefiningOp<plan::AllocOp>();
        if (!alloc)
          continue;
        std::optional<int64_t> bytes = nn::Dim(alloc.getSize()).asConstant();
        if (!bytes && isDefinedByRun(nn::Dim(alloc.getSize()), runTime))
          continue; // laid out by the run
        if (!bytes)
          return success(); // the runtime packs
        auto [entry, isNew] = lifetimes.try_emplace(operand, Lifetime{*bytes, int64_t(alloc.getAlignment()), step, step});
        entry->second.last = step;
      }
      ++step;
    }
    SmallVector<Lifetime> list;
    for (auto &entry : lifetimes)
      list.push_back(entry.second);
    std::vector<int64_t> offsets;
    ArenaPacking packing;
    if (!packArena({list.data(), list.size()}, offsets, packing))
      return func.emitError("the sizes of its buffers overflow 63 bits");

    Builder builder(&getContext());
    for (auto [entry, offset] : llvm::zip_equal(lifetimes, offsets))
      entry.first.getDefiningOp<plan::AllocOp>().setOffset(offset);
    func.setArenaBytes(packing.arenaBytes);
    func.setLowerBound(packing.lowerBound);
    func.setNaiveBytes(packing.naiveBytes);
    buffers += list.size();
    return success();
  }
};
} // namespace

} // namespace tenon::memory
