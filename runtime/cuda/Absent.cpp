// A library built without TENON_CUDA.
#include "runtime/cuda/GpuContext.h"

namespace tenon {

tn_status GpuContext::start(tn_plan &, uint32_t, Memory &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "compiled for a GPU; this runtime was built without support for GPUs (TENON_CUDA=OFF)");
}
GpuContext::~GpuContext() {}
const uint8_t *GpuContext::weights() const {
  return nullptr;
}
tn_status GpuContext::run(PreparedPlan &, const GpuRun &, Message &message) {
  return message.fail(TN_WRONG_TARGET, "no support for GPUs");
}
void GpuContext::forget(PreparedPlan &) {}
void releaseDevicePlans(tn_plan &) {}
bool hasGpuSupport() {
  return false;
}

} // namespace tenon
