#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "passes/6_codegen/gpu/Libraries.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

namespace tenon::schedule {
using namespace mlir;

kernel::ScheduleAttr bestSchedule(kernel::FuncOp func, const Target &target, bool fromLibraries) {
  SmallVector<const cpu::KernelFamily *> libraries;
  if (fromLibraries)
    libraries = gpu::libraryFamiliesFor(func, target);
  const cpu::KernelFamily *family = libraries.empty() ? cpu::familyFor(func, target) : libraries.front();
  if (!family)
    return {};
  SmallVector<kernel::ScheduleAttr> candidates;
  family->schedules(func, target, candidates);
  return candidates.empty() ? kernel::ScheduleAttr() : candidates.front();
}

void proposedSchedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) {
  const cpu::KernelFamily *first = cpu::familyFor(func, target), *general = cpu::families(target).back();
  if (!first)
    return;
  first->schedules(func, target, out);
  SmallVector<kernel::ScheduleAttr> calls;
  for (const cpu::KernelFamily *library : gpu::libraryFamiliesFor(func, target))
    library->schedules(func, target, calls);
  out.insert(std::next(out.begin(), !out.empty()), calls.begin(), calls.end()); // a tuner may have time for some only
  for (const cpu::KernelFamily *family : cpu::families(target))
    if (family != first && family != general && !gpu::isLibrary(*family) && family->matches(func, target))
      family->schedules(func, target, out);
}

std::string signatureOf(kernel::FuncOp func) {
  OwningOpRef<kernel::FuncOp> plain = cast<kernel::FuncOp>(func->clone());
  plain->setSymName("kernel");
  for (StringRef derived : {"schedule", "tasks", "overwrites"})
    (*plain)->removeAttr(derived);
  plain->setWorkspaceBytes(0);
  for (unsigned i = 0; i < plain->getNumArguments(); ++i)
    for (StringRef bound : {"kernel.winograd_errors", "kernel.strassen_error", "kernel.largest_sum", "kernel.split_share"})
      plain->removeArgAttr(i, bound); // of the values that some dispatch passes: they limit schedules, not what is computed
  std::string text;
  llvm::raw_string_ostream stream(text);
  plain->print(stream, OpPrintingFlags().useLocalScope().enableDebugInfo(false).assumeVerified());
  std::array<uint8_t, 32> digest = llvm::SHA256::hash(llvm::arrayRefFromStringRef(text));
  return llvm::toHex(ArrayRef(digest).take_front(16), /*LowerCase=*/true);
}

void setSchedule(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) {
  const cpu::KernelFamily *family = cpu::familyNamed(schedule.getFamily().getValue());
  cpu::KernelPlan plan = family->plan(func, schedule, target);
  func.setScheduleAttr(schedule);
  func.setTasksAttr(plan.tasks.attr());
  func.setWorkspaceBytes(plan.workspaceBytes);
  func.setOverwritesAttr(DenseI64ArrayAttr::get(func.getContext(), plan.overwrites));
}

void packArgument(kernel::FuncOp func, unsigned index, kernel::PackingAttr packing) {
  BlockArgument argument = func.getBody().getArgument(index);
  auto logical = cast<RankedTensorType>(argument.getType());
  auto packed = RankedTensorType::get(packing.packedShape(), logical.getElementType());
  argument.setType(packed);
  SmallVector<Type> inputs(func.getArgumentTypes());
  inputs[index] = packed;
  func.setFunctionType(FunctionType::get(func.getContext(), inputs, func.getResultTypes()));
  OpBuilder builder = OpBuilder::atBlockBegin(&func.getBody().front());
  auto unpack = kernel::UnpackOp::create(builder, func.getLoc(), logical, argument, packing);
  argument.replaceAllUsesExcept(unpack, unpack);
}

} // namespace tenon::schedule
