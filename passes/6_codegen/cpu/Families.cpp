// The lists of families. A new one: `const KernelFamily &nameFamily();` in its header, and a line here, before what is more general.
#include "passes/6_codegen/cpu/Attention.h"
#include "passes/6_codegen/cpu/Contraction.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/DepthwiseChain.h"
#include "passes/6_codegen/cpu/PackedProduct.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "passes/6_codegen/cpu/LinearAttention.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/NarrowConvolution.h"
#include "passes/6_codegen/cpu/Pooling.h"
#include "passes/6_codegen/cpu/Recurrence.h"
#include "passes/6_codegen/cpu/Recurrent.h"
#include "passes/6_codegen/cpu/RowReduction.h"
#include "passes/6_codegen/cpu/Strassen.h"
#include "passes/6_codegen/cpu/TopK.h"
#include "passes/6_codegen/cpu/TransposeKernel.h"
#include "passes/6_codegen/cpu/Winograd.h"
#include "passes/6_codegen/cpu/WinogradBytes.h"
#include "passes/6_codegen/gpu/Families.h"
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::cpu {

llvm::ArrayRef<const KernelFamily *> families(const Target &target) {
  if (target.isGpu())
    return gpu::families();
  static const KernelFamily *const all[] = {
      &depthwiseFamily(), &depthwiseChainFamily(), &narrowConvolutionFamily(), &packedProductFamily(), &winogradFamily(), &winogradBytesFamily(), &strassenFamily(), &contractionFamily(), &attentionFamily(), &recurrentFamily(),
      &recurrenceFamily(),
      &linearAttentionFamily(), &topKFamily(),        &poolingFamily(),  &rowReductionFamily(), &transposeFamily(), &loopsFamily()};
  return all;
}

void KernelFamily::schedules(kernel::FuncOp func, const Target &, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const {
  out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>>{}));
}

const KernelFamily *familyNamed(llvm::StringRef name) {
  for (llvm::ArrayRef<const KernelFamily *> list : {families(Target()), gpu::families()})
    for (const KernelFamily *family : list)
      if (family->name() == name)
        return family;
  return nullptr;
}

const KernelFamily *familyFor(kernel::FuncOp func, const Target &target) {
  for (const KernelFamily *family : families(target))
    if (!gpu::isLibrary(*family) && family->matches(func, target))
      return family;
  return nullptr;
}

} // namespace tenon::cpu
