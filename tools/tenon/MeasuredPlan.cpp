#include "tools/tenon/MeasuredPlan.h"
#include "tools/tenon/ColdMemory.h"
#include "tools/tenon/Compare.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Inputs.h"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::driver {

/// Whether a GPU's driver compiles it when it is opened.
static bool hasOnlyPtx(const tn_plan *plan) {
  uint32_t count = infoOfPlan(plan).device_code_count;
  for (uint32_t i = 0; i < count; i++)
    if (!infoOf<tn_device_code_info>([&](tn_device_code_info *info) { return tn_plan_device_code(plan, i, info); }).is_ptx)
      return false;
  return count > 0;
}

static bool callsLibraries(const tn_plan *plan) {
  for (uint32_t i = 0; i < infoOfPlan(plan).kernel_count; i++)
    if (infoOf<tn_kernel_info>([&](tn_kernel_info *info) { return tn_plan_kernel(plan, i, info); }).library[0])
      return true;
  return false;
}

MeasuredPlan::MeasuredPlan(const std::string &path, int threads, uint32_t device, const std::function<void(bool)> &tellSlow) : gpu(device) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (file < 0 || ::fstat(file, &status) != 0) {
    ::close(file);
    throw Failure(path + ": " + std::strerror(errno));
  }
  bytes = size_t(status.st_size);
  mapping = ::mmap(nullptr, std::max<size_t>(bytes, 1), PROT_READ, MAP_PRIVATE, file, 0);
  ::close(file);
  if (mapping == MAP_FAILED)
    throw Failure(path + ": " + std::strerror(errno));

  tn_plan *opened = nullptr;
  require(tn_plan_open_memory(mapping, bytes, TN_OPEN_BORROW, &opened), path);
  plan.reset(opened);
  // Threads must still be awake when the weights have been dropped, which takes some nanoseconds a cache line.
  constexpr double kSpinUs = 500, kEvictUsPerByte = 0.03 / 64;
  spinTime = std::chrono::microseconds(int64_t(kSpinUs + kEvictUsPerByte * double(bytes)));
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = uint32_t(threads);
  options.spin_us = uint32_t(spinTime.count());
  options.device = device;
  bool isCompiled = hasOnlyPtx(opened), isOfLibraries = callsLibraries(opened);
  if (isCompiled || isOfLibraries)
    tellSlow(true);
  tn_context *made = nullptr;
  require(tn_context_create(opened, &options, &made), path);
  context.reset(made);
  if (isCompiled && !isOfLibraries)
    tellSlow(false);
  inputs = randomInputs(opened, inputShapes(opened, {}, nullptr));
  for (HostTensor &input : inputs)
    views.push_back(input.view());
  outputs.resize(infoOfPlan(opened).output_count);
  run();
}

MeasuredPlan::~MeasuredPlan() {
  device.reset();
  context.reset();
  plan.reset();
  if (mapping && mapping != MAP_FAILED)
    ::munmap(mapping, bytes);
}

double MeasuredPlan::run() {
  auto start = std::chrono::steady_clock::now();
  tn_status status = tn_run(context.get(), views.data(), outputs.data());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (status == TN_DEVICE) // no plan runs in this process any more
    throw DeviceLost(tn_last_message(context.get()));
  if (status != TN_OK)
    throw Failure(tn_last_message(context.get()));
  return seconds;
}

bool MeasuredPlan::isForGpu() const {
  return driver::isForGpu(plan.get());
}

double MeasuredPlan::runKernels() {
  constexpr int kInARow = 2;
  if (!isForGpu())
    return run();
  require(tn_profile(context.get(), kInARow), "profile");
  run();
  double seconds = 0;
  for (uint32_t step = 0; step < infoOfPlan(tn_context_plan(context.get())).step_count; step++)
    seconds += 1e-9 * double(infoOf<tn_step_profile>([&](tn_step_profile *info) { return tn_profile_step(context.get(), step, info); }).last_ns);
  require(tn_profile(context.get(), 0), "profile");
  return seconds;
}

double MeasuredPlan::runNetwork() {
  if (!isForGpu())
    return run();
  if (!device)
    device = std::make_unique<DeviceRuns>(context.get(), gpu, views, outputs);
  return device->run();
}

void MeasuredPlan::cool() {
  if (!isForGpu()) // whose second-level cache holds the weights of whole networks
    evictFromCaches(mapping, bytes);
}

std::vector<HostTensor> MeasuredPlan::results() const {
  std::vector<HostTensor> copies;
  for (const tn_tensor &output : outputs) {
    HostTensor copy(output.dtype, dimsOf(output), "output");
    std::memcpy(copy.data.data(), output.data, copy.data.size());
    copies.push_back(std::move(copy));
  }
  return copies;
}

std::string MeasuredPlan::difference(const std::vector<HostTensor> &expected, double tolerance) const {
  if (outputs.size() != expected.size())
    return "has another number of outputs";
  for (size_t i = 0; i < outputs.size(); i++) {
    Comparison comparison = compare(outputs[i], expected[i], {tolerance > 0 ? std::optional(tolerance) : std::nullopt});
    if (!comparison.problem.empty())
      return comparison.problem;
    char text[96];
    std::snprintf(text, sizeof text, "largest error %.2g, allowed %.2g", comparison.largestError, comparison.allowed);
    if (!comparison.equal)
      return text;
  }
  return "";
}

bool MeasuredPlan::repeatsItself() {
  if (first.empty()) {
    first = results();
    return true;
  }
  for (size_t i = 0; i < outputs.size(); i++)
    if (std::memcmp(outputs[i].data, first[i].data.data(), first[i].data.size()) != 0)
      return false;
  return true;
}

} // namespace tenon::driver
