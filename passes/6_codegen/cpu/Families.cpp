// The list of families. A new one takes a line in it, before what is more general.
#include "passes/6_codegen/cpu/Attention.h"
#include "passes/6_codegen/cpu/Contraction.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/Pooling.h"
#include "passes/6_codegen/cpu/RowReduction.h"

namespace tenon::cpu {

llvm::ArrayRef<const KernelFamily *> families() {
  static const DepthwiseFamily depthwise;
  static const PoolingFamily pooling;
  static const RowReductionFamily rowReduction;
  static const LoopsFamily loops;
  static const KernelFamily *const all[] = {&depthwise, &contractionFamily(), &attentionFamily(), &pooling, &rowReduction, &loops};
  return all;
}

const KernelFamily *familyNamed(llvm::StringRef name) {
  for (const KernelFamily *family : families())
    if (family->name() == name)
      return family;
  return nullptr;
}

const KernelFamily *familyFor(kernel::FuncOp func, const Target &target) {
  for (const KernelFamily *family : families())
    if (family->matches(func, target))
      return family;
  return nullptr;
}

} // namespace tenon::cpu
