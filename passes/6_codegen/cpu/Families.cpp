#include "passes/6_codegen/cpu/KernelFamily.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/RowReduction.h"

namespace tenon::cpu {

llvm::ArrayRef<const KernelFamily *> families() {
  static const RowReductionFamily rowReduction;
  static const LoopsFamily loops;
  static const KernelFamily *const all[] = {&rowReduction, &loops};
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
