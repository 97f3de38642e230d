// A library built without TENON_CUDA.
#include "runtime/cuda/GpuContext.h"

namespace tenon {

tn_status GpuContext::start(tn_plan &, uint32_t, Memory &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "compiled for a GPU; this runtime was built without support for GPUs (TENON_CUDA=OFF)");
}
GpuContext::~GpuContext() {}
Weights GpuContext::weights() const {
  return {};
}
tn_status GpuContext::run(PreparedPlan &, const GpuRun &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "no support for GPUs");
}
void GpuContext::forget(PreparedPlan &) {}
tn_status describeDevice(uint32_t, tn_device_info &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "this runtime was built without support for GPUs (TENON_CUDA=OFF)");
}
tn_status chooseVariant(tn_plan &plan, uint32_t, tn_plan **chosen, Message &) {
  *chosen = &plan;
  return TN_OK;
}
void releaseDevicePlans(tn_plan &) {}
bool hasGpuSupport() {
  return false;
}

} // namespace tenon
