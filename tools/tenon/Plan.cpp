#include "tools/tenon/Plan.h"
#include "tools/tenon/Failure.h"

#include <algorithm>

namespace tenon::driver {
namespace {

std::vector<tn_tensor_info> signature(const tn_plan *plan, uint32_t count, tn_status (*query)(const tn_plan *, uint32_t, tn_tensor_info *)) {
  std::vector<tn_tensor_info> tensors;
  for (uint32_t i = 0; i < count; i++)
    tensors.push_back(infoOf<tn_tensor_info>([&](tn_tensor_info *info) { return query(plan, i, info); }));
  return tensors;
}

/// The smallest size, at least 1, of each symbol, by name.
std::map<std::string, int64_t> smallestSizes(const tn_plan *plan) {
  std::map<std::string, int64_t> sizes;
  for (uint32_t i = 0; i < infoOfPlan(plan).symbol_count; i++) {
    auto symbol = infoOf<tn_symbol_info>([&](tn_symbol_info *info) { return tn_plan_symbol(plan, i, info); });
    sizes[symbol.name] = std::max<int64_t>(1, symbol.minimum);
  }
  return sizes;
}

} // namespace

void require(tn_status status, const std::string &what) {
  if (status != TN_OK)
    throw Failure((what.empty() ? "" : what + ": ") + tn_last_error() + " (" + tn_status_name(status) + ")");
}

PlanHandle openPlan(const std::string &path, uint32_t flags) {
  tn_plan *plan = nullptr;
  if (tn_status status = tn_plan_open(path.c_str(), flags, &plan); status != TN_OK)
    throw Failure(lastErrorAbout(path) + " (" + tn_status_name(status) + ")");
  return PlanHandle(plan);
}

std::string lastErrorAbout(const std::string &path) {
  std::string message = tn_last_error();
  return message.find(path) == std::string::npos ? path + ": " + message : message;
}

tn_plan_info infoOfPlan(const tn_plan *plan) {
  return infoOf<tn_plan_info>([&](tn_plan_info *info) { return tn_plan_get_info(plan, info); });
}

std::vector<tn_tensor_info> inputsOf(const tn_plan *plan) { return signature(plan, infoOfPlan(plan).input_count, tn_plan_input); }
std::vector<tn_tensor_info> outputsOf(const tn_plan *plan) { return signature(plan, infoOfPlan(plan).output_count, tn_plan_output); }

tn_device_info infoOfDevice(uint32_t device) {
  tn_device_info info{};
  info.struct_size = sizeof info;
  require(tn_device_get_info(device, &info), "--device " + std::to_string(device));
  return info;
}

bool isForGpu(const tn_plan *plan) {
  return std::string_view(infoOfPlan(plan).device) == "cuda";
}

void requireGpuPlan(const tn_plan *plan, std::optional<uint32_t> device) {
  if (device && !isForGpu(plan))
    throw Failure("--device " + std::to_string(*device) + ": the plan runs on the CPU");
}

ContextHandle makeContext(tn_plan *plan, uint32_t threads, bool profile, std::optional<uint32_t> device) {
  requireGpuPlan(plan, device);
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = threads;
  options.profile = profile;
  options.device = device.value_or(0);
  tn_context *context = nullptr;
  require(tn_context_create(plan, &options, &context), "cannot make a context");
  return ContextHandle(context);
}

Shapes parseShapes(const std::vector<std::string> &texts) {
  Shapes shapes;
  for (const std::string &text : texts) {
    // Tensor names may hold '='; sizes do not.
    size_t equal = text.rfind('=');
    if (equal == std::string::npos || equal == 0)
      throw UsageFailure("--shape '" + text + "': expected name=1x3x224x224");
    shapes[text.substr(0, equal)] = parseDims(text.substr(equal + 1));
  }
  return shapes;
}

std::vector<tn_tensor> inputShapes(const tn_plan *plan, const Shapes &shapes, std::vector<std::string> *assumed) {
  std::map<std::string, int64_t> sizes = smallestSizes(plan);
  std::map<std::string, bool> given;
  std::vector<tn_tensor_info> inputs = inputsOf(plan);
  for (const auto &[name, dims] : shapes) {
    auto input = std::find_if(inputs.begin(), inputs.end(), [&, &name = name](const tn_tensor_info &info) { return info.name == name; });
    if (input == inputs.end())
      throw Failure("--shape: the plan has no input '" + name + "'");
    if (dims.size() != size_t(input->rank))
      throw Failure("--shape: input '" + name + "' is " + typeText(*input) + "; a shape of rank " + std::to_string(dims.size()) + " was given");
    for (int32_t i = 0; i < input->rank; i++) {
      if (input->dims[i] >= 0 && input->dims[i] != dims[size_t(i)])
        throw Failure("--shape: input '" + name + "' is " + typeText(*input) + "; size " + std::to_string(dims[size_t(i)]) + " was given for axis " + std::to_string(i));
      if (input->dims[i] < 0) {
        sizes[input->dim_text[i]] = dims[size_t(i)];
        given[input->dim_text[i]] = true;
      }
    }
  }
  std::vector<tn_tensor> tensors;
  for (const tn_tensor_info &input : inputs) {
    tn_tensor tensor{};
    tensor.dtype = input.dtype;
    tensor.rank = input.rank;
    for (int32_t i = 0; i < input.rank; i++) {
      tensor.dims[i] = input.dims[i];
      if (input.dims[i] >= 0)
        continue;
      std::string symbol = input.dim_text[i];
      auto size = sizes.find(symbol);
      tensor.dims[i] = size == sizes.end() ? 1 : size->second;
      if (assumed && !given[symbol] && std::find(assumed->begin(), assumed->end(), symbol) == assumed->end())
        assumed->push_back(symbol);
    }
    tensors.push_back(tensor);
  }
  return tensors;
}

} // namespace tenon::driver
