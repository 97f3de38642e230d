// The C functions on layouts.
#include "runtime/layout/Layout.h"
#include "runtime/support/Info.h"

using namespace tenon;
using namespace tenon::plan;

namespace {

tn_status nullLayout() { return threadMessage().fail(TN_INVALID_ARGUMENT, "the layout is null"); }

} // namespace

extern "C" {

tn_status tn_layout_create(const tn_plan *plan, const tn_tensor *inputs, tn_layout **layout) {
  Message &message = threadMessage();
  if (!plan || !layout)
    return message.fail(TN_INVALID_ARGUMENT, "tn_layout_create: a null pointer for the plan or the place for the result");
  // A layout keeps the plan open: only the count of references changes.
  return makeLayout(*const_cast<tn_plan *>(plan), inputs, nullptr, libraryMemory(), layout, message);
}

void tn_layout_destroy(tn_layout *layout) { destroyLayout(layout); }

tn_status tn_layout_memory(const tn_layout *layout, tn_memory_info *info) {
  if (!layout)
    return nullLayout();
  uint64_t arena = (uint64_t(layout->arenaBytes) + 63) & ~uint64_t(63); // where outputs start
  return giveInfo<tn_memory_info>({0, layout->alignment, arena, uint64_t(layout->lowerBound), uint64_t(layout->naiveBytes), uint64_t(layout->outputTotal), layout->plan->weightsBytes()},
                                  info, threadMessage());
}

tn_status tn_layout_output(const tn_layout *layout, uint32_t index, tn_tensor *tensor) {
  if (!layout || !tensor)
    return nullLayout();
  if (index >= layout->plan->outputCount())
    return badIndex("output", index, layout->plan->outputCount(), threadMessage());
  layout->describeOutput(index, *tensor);
  tensor->data = nullptr;
  return TN_OK;
}

tn_status tn_layout_step(const tn_layout *layout, uint32_t index, tn_step_cost *cost) {
  if (!layout)
    return nullLayout();
  if (index >= layout->plan->stepCount())
    return badIndex("step", index, layout->plan->stepCount(), threadMessage());
  const format::Step &step = *layout->plan->metadata->steps()->Get(index);
  if (const format::Copy *copy = step.kind_as_Copy()) {
    int64_t bytes = layout->value(copy->bytes()); // of a size that only a run knows: anything, unchecked so far
    return giveInfo<tn_step_cost>({0, 1, 0, bytes < 0 || bytes > INT64_MAX / 2 ? -1 : 2 * bytes}, cost, threadMessage());
  }
  const format::Launch *launch = step.kind_as_Launch();
  if (!launch)
    return giveInfo<tn_step_cost>({0, 1, 0, 0}, cost, threadMessage());
  int64_t tasks = layout->value(launch->tasks()); // -1 where only a run knows it
  return giveInfo<tn_step_cost>({0, uint32_t(tasks < 0 ? 0 : tasks), layout->value(launch->flops()), layout->value(launch->bytes())}, cost, threadMessage());
}

tn_status tn_layout_buffer(const tn_layout *layout, uint32_t index, tn_buffer_info *info) {
  if (!layout)
    return nullLayout();
  if (index >= layout->plan->bufferCount())
    return badIndex("buffer", index, layout->plan->bufferCount(), threadMessage());
  const format::Buffer &buffer = *layout->plan->metadata->buffers()->Get(index);
  return giveInfo<tn_buffer_info>({0, buffer.first(), buffer.last(), buffer.alignment(), uint64_t(layout->offsets[index]), layout->plan->segments.ofBuffer(buffer) ? 0 : uint64_t(layout->value(buffer.bytes()))},
                                  info, threadMessage());
}
}
