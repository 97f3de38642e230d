// Lifetimes of plan.alloc, packed by the packer that the runtime uses too.
#include "dialects/plan/Plan.h"
#include "passes/5_memory/Passes.h"
#include "runtime/memory/ArenaPacker.h"

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

  LogicalResult pack(plan::FuncOp func) {
    llvm::MapVector<Value, Lifetime> lifetimes;
    uint32_t step = 0;
    for (Operation &op : func.getBody().front()) {
      if (!isa<plan::LaunchOp, plan::CopyOp>(op))
        continue;
      for (Value operand : op.getOperands()) {
        while (auto view = operand.getDefiningOp<plan::ViewOp>())
          operand = view.getSource();
        auto alloc = operand.getDefiningOp<plan::AllocOp>();
        if (!alloc)
          continue;
        std::optional<int64_t> bytes = nn::Dim(alloc.getSize()).asConstant();
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
