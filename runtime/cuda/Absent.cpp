// A library built without TENON_CUDA: no plan for a GPU gets as far as a context.
#include "runtime/cuda/GpuContext.h"

namespace tenon {

static tn_status absent(Message &message) {
  return message.fail(TN_WRONG_TARGET, "compiled for a GPU; this runtime was built without support for GPUs (TENON_CUDA=OFF)");
}

tn_status GpuContext::start(tn_plan &, uint32_t, Memory &, Message &message) { return absent(message); }
GpuContext::~GpuContext() {}
tn_status GpuContext::requireArena(const void *, size_t, Message &message) const {
  return absent(message);
}
Weights GpuContext::weights(const tn_plan &) const { return {}; }
tn_status GpuContext::run(PreparedPlan &, const GpuRun &, Message &message) { return absent(message); }
void GpuContext::forget(PreparedPlan &) {}
tn_status GpuContext::allocate(size_t, void **, const char *, Message &message) { return absent(message); }
void GpuContext::release(void *, size_t) {}
tn_status GpuContext::queue(PreparedPlan &, const StepRange &, Message &message) { return absent(message); }
tn_status GpuContext::copy(void *, const void *, size_t, Message &message) { return absent(message); }
tn_status GpuContext::store(void *, int64_t, Message &message) { return absent(message); }
tn_status GpuContext::fetch(void *, const void *, size_t, Message &message) { return absent(message); }
tn_status GpuContext::wait(Message &message) { return absent(message); }
tn_status GpuContext::bringInputs(const tn_layout &, const tn_tensor *, const tn_tensor **, Message &message) { return absent(message); }
tn_status GpuContext::deliverOutputs(const tn_tensor *, tn_tensor *, Message &message) { return absent(message); }

tn_status describeDevice(uint32_t, tn_device_info &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "this runtime was built without support for GPUs (TENON_CUDA=OFF)");
}
tn_status chooseVariant(tn_plan &plan, uint32_t, tn_plan **chosen, Message &) {
  *chosen = &plan;
  return TN_OK;
}
void releaseDevicePlans(tn_plan &) {}
bool hasGpuSupport() { return false; }

} // namespace tenon
