#include "python/extension/Plan.h"
#include "python/extension/Errors.h"

#include <cstdlib>
#include <cstring>
#include <nanobind/stl/string.h>
#include <new>
#include <string_view>

namespace nb = nanobind;

namespace tenon::python {

constexpr size_t kPlanAlignment = 64; // TN_OPEN_BORROW

Plan Plan::open(const std::string &path, bool verify) {
  tn_plan *opened = nullptr;
  check(tn_plan_open(path.c_str(), verify ? TN_OPEN_VERIFY : 0, &opened));
  Plan plan;
  plan.handle.reset(opened, tn_plan_close);
  return plan;
}

Plan Plan::fromBytes(std::span<const std::byte> bytes, bool verify) {
  Plan plan;
  plan.size = bytes.size();
  size_t room = (bytes.size() + kPlanAlignment) / kPlanAlignment * kPlanAlignment;
  plan.memory.reset(static_cast<std::byte *>(std::aligned_alloc(kPlanAlignment, room)), std::free);
  if (!plan.memory)
    throw std::bad_alloc();
  std::memcpy(plan.memory.get(), bytes.data(), bytes.size());
  tn_plan *opened = nullptr;
  check(tn_plan_open_memory(plan.memory.get(), plan.size, TN_OPEN_BORROW | (verify ? TN_OPEN_VERIFY : 0), &opened));
  plan.handle.reset(opened, tn_plan_close);
  return plan;
}

tn_plan_info Plan::info() const {
  tn_plan_info info{};
  info.struct_size = sizeof info;
  check(tn_plan_get_info(get(), &info));
  return info;
}

static tn_tensor_info describe(tn_status (*query)(const tn_plan *, uint32_t, tn_tensor_info *), const Plan &plan, uint32_t index) {
  tn_tensor_info info{};
  info.struct_size = sizeof info;
  check(query(plan.get(), index, &info));
  return info;
}
tn_tensor_info Plan::input(uint32_t index) const {
  return describe(tn_plan_input, *this, index);
}
tn_tensor_info Plan::output(uint32_t index) const {
  return describe(tn_plan_output, *this, index);
}

/// The text of a free dimension; a symbol whose name is no identifier is quoted there, but not here.
static nb::str freeDimension(std::string_view text) {
  bool quoted = text.size() > 2 && text.front() == '"' && text.find('"', 1) == text.size() - 1;
  if (quoted)
    text = text.substr(1, text.size() - 2);
  return nb::str(text.data(), text.size());
}

static const char *partName(tn_part part) {
  static constexpr const char *names[] = {"", "present", "data", "shapes", "bytes", "ends"};
  return size_t(part) < std::size(names) ? names[part] : "";
}

/// (name, element type, shape, the model's input or output, which part of it): fixed sizes as numbers, free ones as the text of their expression.
static nb::tuple signatureOf(const tn_tensor_info &info) {
  nb::list shape;
  for (int32_t axis = 0; axis < info.rank; ++axis)
    if (info.dims[axis] >= 0)
      shape.append(info.dims[axis]);
    else
      shape.append(freeDimension(info.dim_text[axis]));
  return nb::make_tuple(nb::str(info.name), nb::str(tn_dtype_name(info.dtype)), nb::tuple(shape), nb::str(info.value), nb::str(partName(info.part)));
}

static nb::tuple signature(const Plan &plan, tn_tensor_info (Plan::*query)(uint32_t) const, uint32_t count) {
  nb::list tensors;
  for (uint32_t index = 0; index < count; ++index)
    tensors.append(signatureOf((plan.*query)(index)));
  return nb::tuple(tensors);
}

/// For each step (kernel's name, or "" for a copy; the nodes of the model that it computes).
static nb::list steps(const Plan &plan) {
  nb::list out;
  for (uint32_t index = 0; index < plan.info().step_count; ++index) {
    tn_step_info step{};
    step.struct_size = sizeof step;
    check(tn_plan_step(plan.get(), index, &step));
    tn_kernel_info kernel{};
    kernel.struct_size = sizeof kernel;
    if (step.kernel >= 0)
      check(tn_plan_kernel(plan.get(), uint32_t(step.kernel), &kernel));
    nb::list sources;
    for (uint32_t source = 0; source < step.source_count; ++source)
      sources.append(nb::str(tn_plan_step_source(plan.get(), index, source)));
    out.append(nb::make_tuple(nb::str(kernel.name ? kernel.name : ""), nb::tuple(sources)));
  }
  return out;
}

static nb::dict properties(const Plan &plan) {
  tn_plan_info info = plan.info();
  nb::list features;
  for (uint32_t index = 0; index < info.feature_count; ++index)
    features.append(nb::str(tn_plan_feature(plan.get(), index)));
  nb::dict out;
  out["producer"] = nb::str(info.producer);
  out["model"] = nb::str(info.model);
  out["device"] = nb::str(info.device);
  out["arch"] = nb::str(info.arch);
  out["cpu"] = nb::str(info.cpu);
  out["features"] = nb::tuple(features);
  out["kernels"] = info.kernel_count;
  out["steps"] = info.step_count;
  out["file_bytes"] = info.file_bytes;
  out["weights_bytes"] = info.weights_bytes;
  out["is_static"] = bool(info.is_static);
  return out;
}

void definePlan(nb::module_ &module) {
  nb::class_<Plan>(module, "Plan")
      .def_static("open", &Plan::open, nb::arg("path"), nb::arg("verify") = false)
      .def_static(
          "from_bytes",
          [](const nb::bytes &bytes, bool verify) {
            return Plan::fromBytes({reinterpret_cast<const std::byte *>(bytes.c_str()), bytes.size()}, verify);
          },
          nb::arg("contents"), nb::arg("verify") = false)
      .def_prop_ro("contents", [](const Plan &plan) { return nb::bytes(plan.contents().data(), plan.contents().size()); })
      .def_prop_ro("inputs", [](const Plan &plan) { return signature(plan, &Plan::input, plan.info().input_count); })
      .def_prop_ro("outputs", [](const Plan &plan) { return signature(plan, &Plan::output, plan.info().output_count); })
      .def_prop_ro("steps", steps)
      .def_prop_ro("properties", properties);
}

} // namespace tenon::python
