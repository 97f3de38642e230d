#include "passes/6_codegen/gpu/Libraries.h"
#include "passes/6_codegen/gpu/LibraryConvolution.h"
#include "passes/6_codegen/gpu/LibraryProduct.h"

namespace tenon::gpu {
using namespace mlir;

static std::optional<plan::LibraryCall> callOf(kernel::FuncOp func) {
  if (!func.getSchedule())
    return std::nullopt;
  StringRef family = func.getSchedule()->getFamily().getValue();
  if (family == cublasLtFamily().name())
    return productCall(func);
  return family == cudnnFamily().name() ? convolutionCall(func) : std::nullopt;
}

bool isLibrary(const KernelFamily &family) {
  return &family == &cublasLtFamily() || &family == &cudnnFamily();
}

bool isOfLibrary(kernel::ScheduleAttr schedule) {
  return schedule && (schedule.getFamily().getValue() == cublasLtFamily().name() || schedule.getFamily().getValue() == cudnnFamily().name());
}

std::optional<plan::LibraryCall> libraryCallOf(kernel::FuncOp func) {
  std::optional<plan::LibraryCall> call = callOf(func);
  if (call)
    call->algorithm = uint32_t(func.getScheduleAttr().get(kAlgorithmParameter, 0));
  return call;
}

std::optional<unsigned> wideBias(kernel::FuncOp func) {
  std::optional<plan::LibraryCall> call = callOf(func);
  if (!call || !call->bias || call->bias->dtype == TN_F32)
    return std::nullopt;
  Type stored = getElementTypeOrSelf(func.getBody().getArgument(call->bias->buffer).getType());
  return stored.isF32() ? std::optional(call->bias->buffer) : std::nullopt;
}

SmallVector<const KernelFamily *> libraryFamiliesFor(kernel::FuncOp func, const Target &target) {
  SmallVector<const KernelFamily *> families;
  for (const KernelFamily *family : {&cublasLtFamily(), &cudnnFamily()})
    if (family->matches(func, target))
      families.push_back(family);
  return families;
}

} // namespace tenon::gpu
