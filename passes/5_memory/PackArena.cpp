// Lifetimes of plan.alloc, packed by the packer that the runtime uses too.
#include "dialects/plan/Plan.h"
#include "passes/5_memory/BufferLifetimes.h"
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
    llvm::StringSet<> runTime;
    for (Operation &op : func.getBody().front())
      if (auto symbols = op.getAttrOfType<ArrayAttr>("symbols"))
        for (StringRef name : symbols.getAsValueRange<StringAttr>())
          runTime.insert(name);
    SmallVector<plan::AllocOp> allocs;
    SmallVector<Lifetime> list;
    for (auto &[op, steps] : bufferLifetimes(func)) {
      auto alloc = cast<plan::AllocOp>(op);
      std::optional<int64_t> bytes = nn::Dim(alloc.getSize()).asConstant();
      if (!bytes && isDefinedByRun(nn::Dim(alloc.getSize()), runTime))
        continue; // laid out by the run
      if (!bytes)
        return success(); // the runtime packs
      allocs.push_back(alloc);
      list.push_back({*bytes, int64_t(alloc.getAlignment()), steps.first, steps.last});
    }
    std::vector<int64_t> offsets;
    ArenaPacking packing;
    if (!packArena({list.data(), list.size()}, offsets, packing))
      return func.emitError("the sizes of its buffers overflow 63 bits");

    Builder builder(&getContext());
    for (auto [alloc, offset] : llvm::zip_equal(allocs, offsets))
      alloc.setOffset(offset);
    func.setArenaBytes(packing.arenaBytes);
    func.setLowerBound(packing.lowerBound);
    func.setNaiveBytes(packing.naiveBytes);
    buffers += list.size();
    return success();
  }
};
} // namespace

} // namespace tenon::memory
