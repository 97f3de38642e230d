#include "runtime/plan/Plan.h"

#include "runtime/cpu/CpuFeatures.h"
#include "runtime/cuda/GpuContext.h"
#include "runtime/layout/Layout.h"
#include "runtime/plan/Steps.h"

#include <algorithm>
#include <cstring>

using namespace tenon;
using namespace tenon::plan;

namespace {

constexpr uint64_t kCodeCheckedOnOpen = uint64_t(4) << 20;

/// Kernels have to start in executable memory.
tn_status checkKernels(const format::Metadata &metadata, std::span<const uint8_t> code, Message &message) {
  for (uint32_t i = 0; i < count(metadata.kernels()); ++i) {
    const format::Kernel &kernel = *metadata.kernels()->Get(i);
    if (code.empty() || !isExecutable(code, kernel.entry()))
      return message.fail(TN_BAD_PLAN, "corrupted: kernel %u ('%s') does not start in the plan's code", i, kernel.name()->c_str());
  }
  return TN_OK;
}

} // namespace

std::span<const uint8_t> tn_plan::sectionBytes(const SectionEntry *section) const {
  return section ? std::span(bytes.data() + section->offset, section->bytes) : std::span<const uint8_t>();
}

tn_status tn_plan::verify(uint32_t flags, Message &message) {
  std::span<const uint8_t> file(bytes.data(), bytes.size());
  if (tn_status status = readSections(file, sections, message))
    return status;
  metadataSection = sections.find(SectionKind::Metadata);
  weightsSection = sections.find(SectionKind::Weights);
  codeSection = sections.find(SectionKind::CpuCode);
  cubinSection = sections.find(SectionKind::Cubin);
  ptxSection = sections.find(SectionKind::Ptx);
  if (!metadataSection || metadataSection->offset % kMetadataAlignment != 0)
    return message.fail(TN_BAD_PLAN, "corrupted: there is no aligned metadata section");
  if (weightsSection && weightsSection->offset % kConstantAlignment != 0)
    return message.fail(TN_BAD_PLAN, "corrupted: the weights section is not aligned");
  if (flags & TN_OPEN_VERIFY) {
    for (const SectionEntry &section : sections.table)
      if (tn_status status = checkSection(file, section, message))
        return status;
    if (tn_status status = checkPadding(file, sections, message))
      return status;
  }
  if (tn_status status = checkSection(file, *metadataSection, message))
    return status;
  // A flipped bit in code would crash where one in the weights gives wrong numbers, and code is small: 0.1 ms a megabyte.
  for (const SectionEntry *section : {codeSection, cubinSection, ptxSection})
    if (section && section->bytes <= kCodeCheckedOnOpen)
      if (tn_status status = checkSection(file, *section, message))
        return status;
  std::span<const uint8_t> weightsBytes = sectionBytes(weightsSection), codeBytes = sectionBytes(codeSection);
  const SectionBytes referred = {sectionBytes(metadataSection), weightsBytes, sectionBytes(cubinSection), sectionBytes(ptxSection)};
  if (tn_status status = verifyMetadata(referred, metadata, message))
    return status;
  weights = weightsBytes.data();
  if (codeSection)
    if (tn_status status = checkCode(codeBytes, metadata->target()->arch()->c_str(), message))
      return status;
  if (!isForGpu())
    if (tn_status status = checkKernels(*metadata, codeBytes, message))
      return status;
  if (tn_status status = openCalledPlans(referred, codeBytes, message))
    return status;
  if (tn_status status = openVariants(referred, message))
    return status;
  return verifyProgram(message);
}

/// Each plan that steps call has one caller, and they are not nested without end: contexts make a runner for every call, and runs call each other.
static tn_status checkCallers(const format::Metadata &root, Message &message) {
  constexpr uint8_t kDeepest = 128;
  Array<uint8_t> depths; // of the plans; 0: not called
  if (tn_status status = depths.allocate(libraryMemory(), count(root.plans()), "the plans that steps call", message))
    return status;
  std::fill(depths.begin(), depths.end(), 0);
  bool calledTwice = false, isTooDeep = false;
  auto visit = [&](const format::Metadata &metadata, uint8_t depth) {
    isTooDeep |= depth > kDeepest;
    for (uint32_t i = 0; i < count(metadata.steps()) && !isTooDeep; ++i)
      forEachCall(*metadata.steps()->Get(i), [&](const format::Call &call) {
        calledTwice |= depths[call.plan()] != 0;
        depths[call.plan()] = uint8_t(depth + 1);
      });
  };
  visit(root, 0);
  for (uint32_t i = 0; i < count(root.plans()); ++i) // callers come first
    visit(*root.plans()->Get(i), depths[i]);
  if (isTooDeep)
    return message.fail(TN_BAD_PLAN, "corrupted metadata: plans call each other deeper than %u", kDeepest);
  return calledTwice ? message.fail(TN_BAD_PLAN, "corrupted metadata: two steps call one plan") : TN_OK;
}

template <typename List> tn_status tn_plan::addParts(const List *list, Array<tn_plan *> &parts, Message &message) {
  if (count(list) == 0)
    return TN_OK;
  if (tn_status status = parts.allocate(libraryMemory(), count(list), "the plans inside a plan", message))
    return status;
  std::fill(parts.begin(), parts.end(), nullptr);
  for (uint32_t i = 0; i < count(list); ++i) {
    if (tn_status status = createObject(libraryMemory(), &parts[i], "a plan inside a plan", message))
      return status;
    parts[i]->owner = &root();
    parts[i]->metadata = list->Get(i);
    parts[i]->weights = weights;
  }
  return TN_OK;
}

tn_status tn_plan::openCalledPlans(const SectionBytes &referred, std::span<const uint8_t> codeBytes, Message &message) {
  if (tn_status status = addParts(metadata->plans(), plans, message))
    return status;
  uint32_t kernels = count(metadata->kernels()), constants = count(metadata->constants());
  for (uint32_t i = 0; i < plans.size(); ++i) {
    tn_plan &called = *plans[i];
    called.holder = this;
    called.firstKernel = kernels;
    called.firstConstant = constants;
    if (tn_status status = verifyCalled(*called.metadata, *metadata, i, referred, message))
      return status;
    kernels += count(called.metadata->kernels());
    constants += count(called.metadata->constants());
    if (!isForGpu())
      if (tn_status status = checkKernels(*called.metadata, codeBytes, message))
        return status;
    if (tn_status status = called.verifyProgram(message))
      return status;
  }
  return plans.size() ? checkCallers(*metadata, message) : TN_OK;
}

tn_status tn_plan::openVariants(const SectionBytes &referred, Message &message) {
  if (tn_status status = addParts(metadata->variants(), variants, message))
    return status;
  for (tn_plan *variant : variants) {
    if (tn_status status = verifyVariant(*variant->metadata, *metadata, referred, message))
      return status;
    if (tn_status status = variant->openCalledPlans(referred, {}, message))
      return status;
    if (tn_status status = variant->verifyProgram(message))
      return status;
  }
  return TN_OK;
}

uint64_t tn_plan::weightsBytes() const {
  const SectionEntry *section = root().weightsSection;
  if (!owner && variants.size() == 0)
    return section ? section->bytes : 0;
  uint64_t total = 0;
  for (uint32_t i = 0; i < count(metadata->constants()); ++i)
    total += alignUp(metadata->constants()->Get(i)->bytes(), kConstantAlignment);
  for (const tn_plan *called : plans)
    total += called->weightsBytes();
  return total;
}

tn_status tn_plan::verifyProgram(Message &message) {
  if (tn_status status = segments.build(*metadata, libraryMemory(), message))
    return status;
  bool isGivenSizes = false;
  for (uint32_t i = 0; i < symbolCount(); ++i) {
    freeAxes |= metadata->symbols()->Get(i)->source() == format::SymbolSource::Axis;
    isGivenSizes |= metadata->symbols()->Get(i)->source() == format::SymbolSource::Caller;
  }
  for (uint32_t i = 0; i < bufferCount(); ++i)
    offsetsAreFixed &= metadata->buffers()->Get(i)->offset() >= 0 || segments.ofBuffer(*metadata->buffers()->Get(i)) > 0;
  // Fixed sizes and offsets are checked now, others when the shapes are known.
  return !freeAxes && !isGivenSizes && offsetsAreFixed ? checkFixedLayout(*this, libraryMemory(), message) : TN_OK;
}

tn_plan::~tn_plan() {
  releaseDevicePlans(*this);
  for (const Array<tn_plan *> *parts : {&plans, &variants})
    for (tn_plan *part : *parts)
      if (part)
        destroyObject(libraryMemory(), part);
}

tn_status tn_plan::checkTarget(Message &message) const {
  const format::Target &target = *metadata->target();
  const char *device = text(target.device());
  if (isForGpu()) // which GPUs there are is found out when a context is made
    return hasGpuSupport() ? TN_OK
                           : message.fail(TN_WRONG_TARGET, "compiled for a GPU; this runtime was built without support for GPUs (TENON_CUDA=OFF)");
  if (device[0] != '\0' && strcmp(device, "cpu") != 0)
    return message.fail(TN_WRONG_TARGET, "compiled for the device '%s'; this runtime runs plans for 'cpu' and 'cuda'", device);
  if (strcmp(target.arch()->c_str(), hostArch()) != 0 || target.pointer_bits() != 8 * sizeof(void *))
    return message.fail(TN_WRONG_TARGET, "compiled for %s with %u-bit pointers, this machine is %s with %zu; compile with --target for this machine",
                        target.arch()->c_str(), target.pointer_bits(), hostArch(), 8 * sizeof(void *));
  for (uint32_t i = 0; i < count(target.features()); ++i) {
    const char *feature = target.features()->Get(i)->c_str();
    int has = hasCpuFeature(feature);
    if (has != 1)
      return message.fail(TN_WRONG_TARGET, "needs the CPU feature '%s', which %s; it was compiled for %s: compile with --target for this machine", feature,
                          has == 0 ? "this machine lacks" : "this runtime does not know", text(target.cpu()));
  }
  return TN_OK;
}

tn_status tn_plan::mapCode(Message &message) {
  if (codeSection)
    if (tn_status status = code.map(bytes, codeSection->offset, codeSection->bytes, message))
      return status;
  bytes.closeFile();
  return TN_OK;
}

void tn_plan::release() {
  if (root().references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    destroyObject(libraryMemory(), &root());
}

namespace {

/// Where a plan comes from: a path, or bytes in memory.
struct PlanSource {
  const char *path = nullptr;
  const void *bytes = nullptr;
  size_t size = 0;
};

tn_status load(tn_plan &plan, const PlanSource &source, uint32_t flags, Message &message) {
  tn_status status = TN_OK;
  if (source.path)
    status = plan.bytes.mapFile(source.path, message);
  else if (flags & TN_OPEN_BORROW)
    status = plan.bytes.borrow(source.bytes, source.size, message);
  else
    status = plan.bytes.copy(source.bytes, source.size, message);
  if (!status)
    status = plan.verify(flags, message);
  return status ? status : plan.checkTarget(message);
}

tn_status open(const PlanSource &source, uint32_t flags, tn_plan **result) {
  Message &message = threadMessage();
  message.setPrefix(nullptr);
  if (!result || (!source.path && !source.bytes))
    return message.fail(TN_INVALID_ARGUMENT, "a null pointer where a plan's path, its bytes or the place for the result was expected");
  if (flags & ~(TN_OPEN_VERIFY | TN_OPEN_BORROW))
    return message.fail(TN_INVALID_ARGUMENT, "unknown flags 0x%x", flags);
  tn_plan *plan = nullptr;
  if (tn_status status = createObject(libraryMemory(), &plan, "a plan", message))
    return status;
  message.setPrefix(source.path);
  tn_status status = load(*plan, source, flags, message);
  if (!status)
    status = plan->mapCode(message);
  message.setPrefix(nullptr);
  if (status) {
    plan->release();
    return status;
  }
  *result = plan;
  return TN_OK;
}

tn_status check(const PlanSource &source, uint32_t flags) {
  Message &message = threadMessage();
  message.setPrefix(nullptr);
  if (!source.path && !source.bytes)
    return message.fail(TN_INVALID_ARGUMENT, "a null pointer where a plan's path or its bytes were expected");
  tn_plan *plan = nullptr;
  if (tn_status status = createObject(libraryMemory(), &plan, "a plan", message))
    return status;
  message.setPrefix(source.path);
  tn_status status = load(*plan, source, flags | TN_OPEN_VERIFY, message);
  message.setPrefix(nullptr);
  plan->release();
  return status;
}

} // namespace

extern "C" {

tn_status tn_plan_open(const char *path, uint32_t flags, tn_plan **plan) { return open({path, nullptr, 0}, flags, plan); }

tn_status tn_plan_open_memory(const void *bytes, size_t size, uint32_t flags, tn_plan **plan) { return open({nullptr, bytes, size}, flags, plan); }

void tn_plan_close(tn_plan *plan) {
  if (plan)
    plan->release();
}

tn_status tn_plan_check(const char *path) { return check({path, nullptr, 0}, 0); }

tn_status tn_plan_check_memory(const void *bytes, size_t size) {
  bool aligned = reinterpret_cast<uintptr_t>(bytes) % 64 == 0;
  return check({nullptr, bytes, size}, aligned ? TN_OPEN_BORROW : 0);
}
}
