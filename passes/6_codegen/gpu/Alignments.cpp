// What is known about the addresses that kernels get.
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "passes/6_codegen/gpu/Beside.h"
#include "passes/6_codegen/gpu/EmitKernels.h"
#include <numeric>

namespace tenon::gpu {
using namespace mlir;

/// Bytes that divide every address in question; more than 16 is of no use.
static constexpr int64_t kMost = 16;

/// What divides an expression whatever the symbols: a factor of its product, or nothing.
static int64_t divisorOf(nn::Dim size) {
  if (std::optional<int64_t> constant = size.asConstant())
    return std::gcd(*constant, kMost);
  for (int64_t divisor = kMost; divisor > 1; divisor /= 2)
    if (size.dividedExactlyBy(nn::Dim::constant(size.context(), divisor)))
      return divisor;
  return 1;
}

/// Whole buffers are aligned: the arena's slices and constants to 64, the caller's tensors to 16 (the runtime copies those that are not).
static int64_t alignmentOf(Value buffer) {
  int64_t alignment = kMost;
  for (auto view = buffer.getDefiningOp<plan::ViewOp>(); view; view = view.getSource().getDefiningOp<plan::ViewOp>())
    alignment = std::gcd(alignment, divisorOf(nn::Dim(view.getOffset())));
  return alignment;
}

void markAlignments(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::MapVector<Operation *, SmallVector<int64_t>> known;
  module.walk([&](plan::LaunchOp launch) {
    SmallVector<int64_t> &alignments = known[symbols.lookup<kernel::FuncOp>(launch.getKernel())];
    if (alignments.empty())
      alignments.assign(launch->getNumOperands(), 0);
    for (auto [alignment, operand] : llvm::zip_equal(alignments, launch->getOperands()))
      alignment = std::gcd(alignment, alignmentOf(operand));
  });
  for (auto &[func, alignments] : llvm::to_vector(known)) // kernels beside each other get what the launch of all gets
    if (auto whole = cast_or_null<kernel::FuncOp>(func); whole && besideFamily().matches(whole, Target()))
      for (const BesidePart &part : partsOf(whole)) {
        SmallVector<int64_t> &ofPart = known[part.func];
        ofPart.resize(part.buffers.size(), 0);
        for (auto [alignment, buffer] : llvm::zip_equal(ofPart, part.buffers))
          alignment = std::gcd(alignment, alignments[buffer]);
      }
  for (auto &[func, alignments] : known)
    if (func)
      func->setAttr("tenon.alignments", DenseI64ArrayAttr::get(module.getContext(), alignments));
}

} // namespace tenon::gpu
