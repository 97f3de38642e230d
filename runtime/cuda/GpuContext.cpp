#include "runtime/cuda/GpuContext.h"

#include "runtime/cuda/Executor.h"

namespace tenon {

tn_status GpuContext::start(tn_plan &given, uint32_t device, Memory &from, Message &message) {
  memory = &from;
  if (tn_status status = createObject(from, &executor, "a GPU context", message, given, from))
    return status;
  plan = &given;
  plan->retain();
  return executor->start(device, message);
}

GpuContext::~GpuContext() {
  if (!executor)
    return;
  destroyObject(*memory, executor);
  plan->release();
}

tn_status GpuContext::requireArena(const void *arena, size_t bytes, Message &message) const {
  return executor->requireArena(arena, bytes, message);
}

Weights GpuContext::weights(const tn_plan &of) const {
  return executor->weights(of);
}

tn_status GpuContext::run(PreparedPlan &prepared, const GpuRun &run, Message &message) {
  return executor->run(prepared, run, message);
}

void GpuContext::forget(PreparedPlan &prepared) {
  executor->forget(prepared);
}

tn_status GpuContext::allocate(size_t bytes, void **block, const char *what, Message &message) {
  return executor->allocate(bytes, block, what, message);
}

void GpuContext::release(void *block, size_t bytes) {
  executor->release(block, bytes);
}

tn_status GpuContext::queue(PreparedPlan &prepared, const StepRange &range, Message &message) {
  return executor->queue(prepared, range, message);
}

tn_status GpuContext::copy(void *to, const void *from, size_t bytes, Message &message) {
  return executor->copy(to, from, bytes, message);
}

tn_status GpuContext::store(void *to, int64_t value, Message &message) {
  return executor->store(to, value, message);
}

tn_status GpuContext::fetch(void *to, const void *from, size_t bytes, Message &message) {
  return executor->fetch(to, from, bytes, message);
}

tn_status GpuContext::wait(Message &message) {
  return executor->wait(message);
}

tn_status GpuContext::bringInputs(const tn_layout &layout, const tn_tensor *inputs, const tn_tensor **brought, Message &message) {
  *brought = executor->broughtInputs();
  return executor->bringInputs(layout, inputs, message);
}

tn_status GpuContext::deliverOutputs(const tn_tensor *computed, tn_tensor *outputs, Message &message) {
  return executor->deliverOutputs(computed, outputs, message);
}

bool hasGpuSupport() {
  return true;
}

} // namespace tenon
