#include "runtime/cuda/LibraryCalls.h"

#include "runtime/plan/Plan.h"

namespace tenon::cuda {

using namespace plan;
using format::LibraryCall;

namespace {

bool isConvolution(const LibraryCall &call) {
  return call.library() == format::Library::Cudnn;
}

/// Calls `visit` with every kernel of a plan and of those that it calls.
template <typename Visit> void forEachKernel(const tn_plan &plan, Visit visit) {
  for (uint32_t i = 0; i < count(plan.metadata->kernels()); ++i)
    visit(*plan.metadata->kernels()->Get(i));
  for (const tn_plan *called : plan.plans)
    forEachKernel(*called, visit);
}

} // namespace

tn_status LibraryCalls::start(const tn_plan &plan, Memory &memory, Message &message) {
  uint32_t kernels = 0, ofProducts = 0, ofConvolutions = 0;
  forEachKernel(plan, [&](const format::Kernel &kernel) {
    ++kernels;
    if (const LibraryCall *call = kernel.library())
      ++(isConvolution(*call) ? ofConvolutions : ofProducts);
  });
  if (ofProducts)
    if (tn_status status = products.open(kernels, memory, message))
      return status;
  if (ofConvolutions)
    if (tn_status status = convolutions.open(kernels, memory, message))
      return status;
  if (!ofProducts && !ofConvolutions)
    return TN_OK;
  if (tn_status status = startSteps(plan, message))
    return status;
  for (const tn_plan *called : plan.plans)
    if (tn_status status = startSteps(*called, message))
      return status;
  return TN_OK;
}

/// Steps rather than kernels: errors name the node.
tn_status LibraryCalls::startSteps(const tn_plan &plan, Message &message) {
  for (uint32_t i = 0; i < plan.stepCount(); ++i) {
    const format::Launch *launch = plan.metadata->steps()->Get(i)->kind_as_Launch();
    const format::Kernel *kernel = launch ? plan.metadata->kernels()->Get(launch->kernel()) : nullptr;
    const LibraryCall *call = kernel ? kernel->library() : nullptr;
    if (!call)
      continue;
    uint32_t number = plan.firstKernel + launch->kernel(), workspace = kernel->arguments() + kernel->results();
    if (isConvolution(*call) ? convolutions.isDescribed(number) : products.isDescribed(number))
      continue;
    Message why;
    tn_status status = isConvolution(*call) ? convolutions.describe(number, *call, workspace, why) : products.describe(number, *call, workspace, why);
    if (status)
      return message.fail(status, "step %u, kernel '%s' of node '%s': %s", i, kernel->name()->c_str(),
                          count(launch->sources()) ? launch->sources()->Get(0)->c_str() : "?", why.c_str());
  }
  return TN_OK;
}

tn_status LibraryCalls::queue(uint32_t kernel, const LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message) {
  return isConvolution(call) ? convolutions.queue(kernel, call, addresses, stream, message)
                             : products.queue(kernel, call, addresses, stream, message);
}

void LibraryCalls::destroy() {
  products.destroy();
  convolutions.destroy();
}

} // namespace tenon::cuda
