// The C functions that tell what a plan holds.
#include "runtime/plan/Plan.h"
#include "runtime/plan/Steps.h"
#include "runtime/support/Info.h"

#include <cstdio>
#include <cstring>

using namespace tenon;
using namespace tenon::plan;

namespace {

using TensorList = flatbuffers::Vector<flatbuffers::Offset<format::Tensor>>;

tn_status nullPlan() { return threadMessage().fail(TN_INVALID_ARGUMENT, "the plan is null"); }

tn_status describe(const tn_plan &plan, const char *what, const TensorList *list, uint32_t index, tn_tensor_info *info) {
  if (index >= count(list))
    return badIndex(what, index, count(list), threadMessage());
  const format::Tensor &tensor = *list->Get(index);
  tn_tensor_info filled = {};
  filled.dtype = tn_dtype(tensor.dtype());
  filled.name = tensor.name()->c_str();
  filled.part = tn_part(tensor.part());
  filled.value = filled.part == TN_PART_WHOLE || !tensor.value() ? filled.name : tensor.value()->c_str();
  filled.rank = int32_t(count(tensor.dims()));
  for (uint32_t axis = 0; axis < TN_MAX_RANK; ++axis) {
    filled.dim_text[axis] = axis < count(tensor.dim_text()) ? text(tensor.dim_text()->Get(axis)) : "";
    if (axis >= count(tensor.dims()))
      continue;
    const format::Expr &dim = *plan.metadata->exprs()->Get(tensor.dims()->Get(axis));
    filled.dims[axis] = dim.op() == format::ExprOp::Const ? dim.a() : -1;
  }
  return giveInfo(filled, info, threadMessage());
}

/// Lists the names in the message when there is none like it.
tn_status find(const char *what, const TensorList *list, const char *name, uint32_t *index) {
  Message &message = threadMessage();
  if (!name || !index)
    return message.fail(TN_INVALID_ARGUMENT, "a null pointer for the name or the place for its index");
  char names[400] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < count(list); ++i) {
    const char *candidate = list->Get(i)->name()->c_str();
    if (strcmp(candidate, name) == 0) {
      *index = i;
      return TN_OK;
    }
    if (used < sizeof names)
      used += size_t(snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "", candidate));
  }
  return message.fail(TN_NAME_NOT_FOUND, "no %s is called '%s'; there %s %s", what, name, count(list) == 1 ? "is" : "are", count(list) ? names : "none");
}

struct AxisSymbols {
  uint32_t found;
  const format::Symbol *last; ///< number `wanted`; null if there are not so many
};

/// Symbols that are the size of an input's axis, up to number `wanted`. Others are no business of the caller's.
AxisSymbols axisSymbols(const tn_plan &plan, uint32_t wanted) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < plan.symbolCount(); ++i) {
    const format::Symbol &symbol = *plan.metadata->symbols()->Get(i);
    if (symbol.source() == format::SymbolSource::Axis && found++ == wanted)
      return {found, &symbol};
  }
  return {found, nullptr};
}

} // namespace

extern "C" {

tn_status tn_plan_get_info(const tn_plan *plan, tn_plan_info *info) {
  if (!plan)
    return nullPlan();
  const format::Metadata &metadata = *plan->metadata;
  const tn_plan &file = plan->root();
  tn_plan_info filled = {};
  filled.format_version = file.sections.formatVersion;
  filled.producer = text(metadata.producer());
  filled.model = text(metadata.model());
  filled.arch = text(metadata.target()->arch());
  filled.cpu = text(metadata.target()->cpu());
  filled.tuning = text(metadata.tuning());
  filled.feature_count = count(metadata.target()->features());
  filled.input_count = plan->inputCount();
  filled.output_count = plan->outputCount();
  filled.symbol_count = axisSymbols(*plan, plan->symbolCount()).found;
  filled.kernel_count = count(metadata.kernels());
  filled.step_count = plan->stepCount();
  filled.buffer_count = plan->bufferCount();
  filled.constant_count = count(metadata.constants());
  filled.file_bytes = file.bytes.size();
  filled.metadata_bytes = file.metadataSection->bytes;
  filled.weights_bytes = file.weightsSection ? file.weightsSection->bytes : 0;
  for (const SectionEntry *section : {file.codeSection, file.cubinSection, file.ptxSection})
    filled.code_bytes += section ? section->bytes : 0;
  filled.is_static = plan->symbolCount() == 0 && plan->hasFixedOffsets();
  filled.device_code_count = count(metadata.device_code());
  filled.device = plan->isForGpu() ? "cuda" : "cpu";
  filled.variant_count = uint32_t(1 + plan->variants.size());
  return giveInfo(filled, info, threadMessage());
}

tn_status tn_plan_device_code(const tn_plan *plan, uint32_t index, tn_device_code_info *info) {
  if (!plan)
    return nullPlan();
  if (index >= count(plan->metadata->device_code()))
    return badIndex("device code", index, count(plan->metadata->device_code()), threadMessage());
  const format::DeviceCode &code = *plan->metadata->device_code()->Get(index);
  return giveInfo<tn_device_code_info>({0, code.is_ptx(), code.arch()->c_str(), code.bytes()}, info, threadMessage());
}

const tn_plan *tn_plan_variant(const tn_plan *plan, uint32_t index) {
  if (!plan || index > plan->variants.size())
    return nullptr;
  return index ? plan->variants[index - 1] : plan;
}

const char *tn_plan_feature(const tn_plan *plan, uint32_t index) {
  const auto *features = plan ? plan->metadata->target()->features() : nullptr;
  return index < count(features) ? features->Get(index)->c_str() : nullptr;
}

tn_status tn_plan_input(const tn_plan *plan, uint32_t index, tn_tensor_info *info) {
  return plan ? describe(*plan, "input", plan->metadata->inputs(), index, info) : nullPlan();
}

tn_status tn_plan_output(const tn_plan *plan, uint32_t index, tn_tensor_info *info) {
  return plan ? describe(*plan, "output", plan->metadata->outputs(), index, info) : nullPlan();
}

tn_status tn_plan_find_input(const tn_plan *plan, const char *name, uint32_t *index) {
  return plan ? find("input", plan->metadata->inputs(), name, index) : nullPlan();
}

tn_status tn_plan_find_output(const tn_plan *plan, const char *name, uint32_t *index) {
  return plan ? find("output", plan->metadata->outputs(), name, index) : nullPlan();
}

tn_status tn_plan_symbol(const tn_plan *plan, uint32_t index, tn_symbol_info *info) {
  if (!plan)
    return nullPlan();
  AxisSymbols axes = axisSymbols(*plan, index);
  if (!axes.last)
    return badIndex("symbol", index, axes.found, threadMessage());
  const format::Symbol &symbol = *axes.last;
  return giveInfo<tn_symbol_info>({0, symbol.input(), symbol.axis(), symbol.name()->c_str(), symbol.minimum(), symbol.maximum()}, info, threadMessage());
}

static const char *libraryName(const format::Kernel &kernel) {
  return !kernel.library() ? "" : kernel.library()->library() == format::Library::Cudnn ? "cuDNN" : "cublasLt";
}

tn_status tn_plan_kernel(const tn_plan *plan, uint32_t index, tn_kernel_info *info) {
  if (!plan)
    return nullPlan();
  if (index >= count(plan->metadata->kernels()))
    return badIndex("kernel", index, count(plan->metadata->kernels()), threadMessage());
  uint32_t launches = 0;
  for (uint32_t i = 0; i < plan->stepCount(); ++i) {
    const format::Launch *launch = plan->metadata->steps()->Get(i)->kind_as_Launch();
    launches += launch && launch->kernel() == index;
  }
  const format::Kernel &kernel = *plan->metadata->kernels()->Get(index);
  return giveInfo<tn_kernel_info>(
      {0, launches, kernel.name()->c_str(), text(kernel.family()), text(kernel.schedule()), kernel.entry(), kernel.threads(), kernel.shared_bytes(),
       count(kernel.maps()), libraryName(kernel)},
      info, threadMessage());
}

tn_status tn_plan_tensor_map(const tn_plan *plan, uint32_t kernel, uint32_t index, tn_tensor_map_info *info) {
  if (!plan)
    return nullPlan();
  if (kernel >= count(plan->metadata->kernels()))
    return badIndex("kernel", kernel, count(plan->metadata->kernels()), threadMessage());
  const auto *maps = plan->metadata->kernels()->Get(kernel)->maps();
  if (index >= count(maps))
    return badIndex("tensor map", index, count(maps), threadMessage());
  const format::TensorMap &map = *maps->Get(index);
  tn_tensor_map_info filled = {0, map.buffer(), map.offset(), map.element_bytes(), count(map.sizes()), map.swizzle_bytes(), count(map.lower()) != 0, {}, {}, {}, {}, {}, {}};
  auto copy = [](const auto *from, auto *to) {
    for (uint32_t i = 0; i < count(from); ++i)
      to[i] = from->Get(i);
  };
  copy(map.sizes(), filled.sizes), copy(map.strides(), filled.strides), copy(map.steps(), filled.steps);
  copy(map.box(), filled.box), copy(map.lower(), filled.lower), copy(map.upper(), filled.upper);
  return giveInfo(filled, info, threadMessage());
}

tn_status tn_plan_step(const tn_plan *plan, uint32_t index, tn_step_info *info) {
  if (!plan)
    return nullPlan();
  if (index >= plan->stepCount())
    return badIndex("step", index, plan->stepCount(), threadMessage());
  const format::Step &step = *plan->metadata->steps()->Get(index);
  const format::Launch *launch = step.kind_as_Launch();
  return giveInfo<tn_step_info>({0, launch ? int32_t(launch->kernel()) : -1, count(sourcesOf(step)), tn_step_kind(step.kind_type())}, info, threadMessage());
}

const char *tn_plan_step_source(const tn_plan *plan, uint32_t step, uint32_t index) {
  if (!plan || step >= plan->stepCount())
    return nullptr;
  const auto *sources = sourcesOf(*plan->metadata->steps()->Get(step));
  return index < count(sources) ? sources->Get(index)->c_str() : nullptr;
}

tn_status tn_plan_constant(const tn_plan *plan, uint32_t index, tn_constant_info *info) {
  if (!plan)
    return nullPlan();
  if (index >= count(plan->metadata->constants()))
    return badIndex("constant", index, count(plan->metadata->constants()), threadMessage());
  const format::Constant &constant = *plan->metadata->constants()->Get(index);
  return giveInfo<tn_constant_info>({0, text(constant.name()), constant.offset(), constant.bytes()}, info, threadMessage());
}
}
