// Kernels on strided operands: which ones can be, and the clones that are.
#include "passes/5_memory/Placement.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::memory {
using namespace mlir;

static constexpr StringLiteral kStrides = "kernel.strides";

bool isDense(Type tensor, ArrayRef<nn::Dim> strides) {
  SmallVector<nn::Dim> dims = nn::dimsOf(tensor), dense = kernel::denseStrides(tensor);
  for (size_t axis = 0; axis < dims.size(); ++axis)
    if (strides[axis] != dense[axis] && !dims[axis].isConstant(1))
      return false;
  return true;
}

bool StridedKernels::acceptsArgument(kernel::DispatchOp dispatch, unsigned index, ArrayRef<nn::Dim> strides) {
  return accepts(lookup(dispatch), false, index, strides);
}

bool StridedKernels::acceptsResult(kernel::DispatchOp dispatch, unsigned index, ArrayRef<nn::Dim> strides) {
  return accepts(lookup(dispatch), true, index, strides);
}

bool StridedKernels::accepts(kernel::FuncOp func, bool isResult, unsigned index, ArrayRef<nn::Dim> strides) {
  auto attr = nn::dimsAttr(func.getContext(), strides);
  auto [entry, isNew] = answers.try_emplace({func, index * 2 + isResult, attr}, false);
  if (!isNew)
    return entry->second;
  OwningOpRef<kernel::FuncOp> probe = cast<kernel::FuncOp>(func->clone());
  if (isResult)
    probe->setResultAttr(index, kStrides, attr);
  else
    probe->setArgAttr(index, kStrides, attr);
  const cpu::KernelFamily *family = func.getSchedule() ? cpu::familyNamed(func.getSchedule()->getFamily().getValue()) : nullptr;
  return answers[{func, index * 2 + isResult, attr}] = family && family->matches(*probe, target);
}

kernel::FuncOp StridedKernels::variant(kernel::FuncOp func, ArrayRef<nn::DimsAttr> arguments, ArrayRef<nn::DimsAttr> results) {
  Builder builder(func.getContext());
  SmallVector<Attribute> key;
  for (ArrayRef<nn::DimsAttr> list : {arguments, results})
    for (nn::DimsAttr strides : list)
      key.push_back(strides ? Attribute(strides) : builder.getUnitAttr());
  if (llvm::all_of(key, [](Attribute a) { return isa<UnitAttr>(a); }))
    return func;
  kernel::FuncOp &made = this->made[{func, builder.getArrayAttr(key)}];
  if (made)
    return made;
  made = func.clone();
  symbols.insert(made, std::next(Block::iterator(func)));
  for (auto [i, strides] : llvm::enumerate(arguments))
    if (strides)
      made.setArgAttr(i, kStrides, strides);
  for (auto [i, strides] : llvm::enumerate(results))
    if (strides)
      made.setResultAttr(i, kStrides, strides);
  kernel::collectSymbols(made);
  schedule::setSchedule(made, *made.getSchedule(), target); // the workspace may depend on the strides
  ++variants;
  return made;
}

kernel::FuncOp StridedKernels::copyKernel(RankedTensorType type) {
  kernel::FuncOp &func = copies[type];
  if (func)
    return func;
  auto module = cast<ModuleOp>(symbols.getOp());
  OpBuilder builder(module.getBodyRegion());
  func = kernel::FuncOp::create(builder, module.getLoc(), "copy", FunctionType::get(type.getContext(), {type}, {type}));
  builder.setInsertionPointToEnd(&func.getBody().front());
  kernel::ReturnOp::create(builder, module.getLoc(), func.getBody().getArguments());
  symbols.insert(func);
  kernel::collectSymbols(func);
  schedule::setSchedule(func, schedule::bestSchedule(func, target), target);
  return func;
}

} // namespace tenon::memory
