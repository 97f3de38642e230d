// Handles of the runtime for the driver: closed when they go out of scope, errors as Failure.
#pragma once
#include "tenon/runtime.h"
#include "tools/tenon/HostTensor.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

struct Closer {
  void operator()(tn_plan *plan) const { tn_plan_close(plan); }
  void operator()(tn_context *context) const { tn_context_destroy(context); }
  void operator()(tn_layout *layout) const { tn_layout_destroy(layout); }
};
using PlanHandle = std::unique_ptr<tn_plan, Closer>;
using ContextHandle = std::unique_ptr<tn_context, Closer>;
using LayoutHandle = std::unique_ptr<tn_layout, Closer>;

/// Throws Failure with tn_last_error(), after "`what`: ", where `status` is not TN_OK.
void require(tn_status status, const std::string &what);

/// An info struct with struct_size set, filled by `query(&info)`; throws Failure where that does not return TN_OK.
template <typename Info, typename Query> Info infoOf(Query query) {
  Info info{};
  info.struct_size = sizeof info;
  require(query(&info), "");
  return info;
}

/// `flags` as for tn_plan_open.
PlanHandle openPlan(const std::string &path, uint32_t flags = 0);
/// tn_last_error() with the file's name before it, unless it is there.
std::string lastErrorAbout(const std::string &path);
tn_plan_info infoOfPlan(const tn_plan *plan);
std::vector<tn_tensor_info> inputsOf(const tn_plan *plan);
std::vector<tn_tensor_info> outputsOf(const tn_plan *plan);

/// Of GPU number `device`. Throws Failure where there is none.
tn_device_info infoOfDevice(uint32_t device);
bool isForGpu(const tn_plan *plan);
/// Refuses the number of a GPU, from --device, where the plan runs on the CPU.
void requireGpuPlan(const tn_plan *plan, std::optional<uint32_t> device);
/// `device`: the GPU that the plan runs on; the first one by default.
ContextHandle makeContext(tn_plan *plan, uint32_t threads, bool profile, std::optional<uint32_t> device = std::nullopt);

/// Sizes by input name, from --shape.
using Shapes = std::map<std::string, std::vector<int64_t>>;
/// From "name=1x3x224x224" texts. Throws Failure.
Shapes parseShapes(const std::vector<std::string> &texts);

/// Tensors without data, one for each input: fixed dimensions, those of `shapes`, and the smallest allowed, at least 1, for the rest.
/// `assumed` receives the names of the free dimensions that the latter applied to. Throws Failure where a shape does not fit.
std::vector<tn_tensor> inputShapes(const tn_plan *plan, const Shapes &shapes, std::vector<std::string> *assumed);

} // namespace tenon::driver
