// tenon._tenon: the compiler and the runtime for the package `tenon`, which adds names, element types and defaults.
#include "python/extension/Context.h"
#include "python/extension/Errors.h"
#include "python/extension/Plan.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/LocalGpu.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;

namespace tenon::python {
namespace {

const driver::CompilerEntry &compiler() {
  try {
    return driver::compiler();
  } catch (const driver::Failure &failure) {
    raiseCompileError(failure.what());
  }
}

/// What the compiler takes for a target: "cuda" is GPU number `device` of this machine.
std::string knownTarget(const std::string &target, uint32_t device) {
  try {
    return driver::withLocalGpu(target, device);
  } catch (const driver::Failure &failure) {
    raiseCompileError(failure.what());
  }
}

/// Compiles a file, or `model` from memory under the name `path`. Returns (plan, module's text, messages).
nb::tuple compile(const std::string &path, nb::object model, const std::string &target, uint32_t device,
                  std::vector<std::pair<std::string, std::string>> shapes, const std::string &tuning, bool exactOrder, const std::string &precision,
                  const std::string &stopAfter, const std::string &dumpPhases, const std::string &reproducer, const std::string &output) {
  CompileOptions options;
  options.target = knownTarget(target, device);
  options.shapes = std::move(shapes);
  options.tuningCache = tuning;
  options.exactOrder = exactOrder;
  options.precision = precision;
  options.stopAfter = stopAfter;
  options.dumpPhases = dumpPhases;
  options.reproducer = reproducer;
  options.output = output;
  const driver::CompilerEntry &entry = compiler();
  std::string_view bytes;
  if (!model.is_none()) {
    nb::bytes given = nb::cast<nb::bytes>(model);
    bytes = {given.c_str(), given.size()};
  }
  CompileResult result;
  {
    nb::gil_scoped_release released;
    result = model.is_none() ? entry.compileFile(path, options) : entry.compileMemory(bytes, path, options);
  }
  if (!result.ok)
    raiseCompileError(result.message);
  return nb::make_tuple(nb::bytes(result.plan.data(), result.plan.size()), asText(result.ir), asText(result.message));
}

/// What to compile for GPU number `device` of this machine.
std::string gpuTarget(uint32_t device) {
  tn_device_info info{};
  info.struct_size = sizeof info;
  check(tn_device_get_info(device, &info));
  std::string target = driver::targetFor(info);
  if (target.empty())
    raiseStatus(TN_WRONG_TARGET, std::string(info.name) + " is older than all GPUs that can be compiled for");
  return target;
}

std::vector<std::tuple<std::string, std::string, int, int>> operators() {
  std::vector<std::tuple<std::string, std::string, int, int>> out;
  for (const OperatorSupport &op : compiler().supportedOperators())
    out.emplace_back(op.domain, op.name, op.since, op.until);
  return out;
}

} // namespace
} // namespace tenon::python

NB_MODULE(_tenon, module) {
  using namespace tenon::python;
  module.attr("version") = tn_version();
  definePlan(module);
  defineContext(module);
  module.def("compile", compile, nb::arg("path"), nb::arg("model").none(), nb::kw_only(), nb::arg("target"), nb::arg("device"), nb::arg("shapes"),
             nb::arg("tuning_cache"), nb::arg("exact_order"), nb::arg("precision"), nb::arg("stop_after"), nb::arg("dump_phases"),
             nb::arg("reproducer"), nb::arg("output"));
  module.def("add_assembler", [](const std::string &path) { compiler().addAssembler(path); });
  module.def("gpu_target", gpuTarget, nb::arg("device") = 0);
  module.def("operators", operators);
  module.def("phases", [] { return compiler().phaseNames(); });
}
