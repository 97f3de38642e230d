#include "test/unit/runtime/gpu/Session.h"

#include <algorithm>

namespace tenon::test {

plan::Plan dynamicGpuPlan() {
  plan::Plan plan = dynamicPlan(), gpu = gpuPlan();
  plan.target = gpu.target;
  plan.code = {};
  plan.deviceCode = gpu.deviceCode;
  for (plan::Kernel &kernel : plan.kernels)
    kernel.entry = 0, kernel.threads = kernel.tasksPerBlock = 128;
  return plan;
}

void OnFakeDriver::SetUp() {
  driver = FakeDriver();
}

void OnFakeDriver::TearDown() {
  for (const auto &[kind, count] : driver.alive)
    EXPECT_EQ(count, 0) << "left: " << kind;
  for (const std::string &misuse : driver.misuses)
    ADD_FAILURE() << misuse;
}

static tn_tensor tensorAt(void *memory, const std::vector<int64_t> &dims) {
  tn_tensor tensor{};
  tensor.data = memory;
  tensor.dtype = TN_F32;
  tensor.rank = int32_t(dims.size());
  tensor.bytes = sizeof(float);
  for (size_t i = 0; i < dims.size(); ++i)
    tensor.bytes *= size_t(tensor.dims[i] = dims[i]);
  return tensor;
}

tn_tensor vectorTensor(std::vector<float> &values, std::vector<int64_t> dims) {
  return tensorAt(values.data(), dims);
}

tn_tensor deviceTensor(void *memory, std::vector<int64_t> dims) {
  return tensorAt(memory, dims);
}

tn_status Session::open(const plan::Plan &data) {
  bytes = plan::writePlanToMemory(data);
  return tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan);
}

tn_status Session::start(const tn_context_options *options) {
  return tn_context_create(plan, options, &context);
}

void Session::close() {
  tn_context_destroy(context);
  tn_plan_close(plan);
  context = nullptr;
  plan = nullptr;
}

} // namespace tenon::test
