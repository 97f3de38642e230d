#include "python/extension/Context.h"
#include "python/extension/Buffers.h"
#include "python/extension/Errors.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace tenon::python {
namespace {

class Context {
public:
  Context(const Plan &plan, uint32_t threads, uint64_t maxBytes) : plan(plan) {
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.max_bytes = maxBytes;
    tn_context *made = nullptr;
    check(tn_context_create(plan.get(), &options, &made));
    handle.reset(made, tn_context_destroy);
    tn_plan_info info = plan.info();
    for (uint32_t index = 0; index < info.input_count; ++index)
      inputTypes.push_back(plan.input(index).dtype);
    outputTypes.resize(info.output_count);
    for (uint32_t index = 0; index < info.output_count; ++index)
      outputTypes[index] = plan.output(index).dtype;
  }

  /// Runs with one array for each input; `results` holds one for each output, or None where it is to be made. Returns all outputs.
  nb::list run(const nb::list &arrays, const nb::list &results) {
    if (arrays.size() != inputTypes.size() || results.size() != outputTypes.size())
      raiseStatus(TN_INVALID_ARGUMENT, "the plan has " + std::to_string(inputTypes.size()) + " inputs and " + std::to_string(outputTypes.size()) +
                                           " outputs; given are " + std::to_string(arrays.size()) + " and " + std::to_string(results.size()));
    HeldBuffers held;
    std::vector<tn_tensor> inputs(inputTypes.size()), outputs(outputTypes.size());
    for (size_t index = 0; index < inputs.size(); ++index)
      inputs[index] = held.hold(arrays[index], inputTypes[index], /*writable=*/false);
    call([&] { return tn_output_shapes(handle.get(), inputs.data(), outputs.data()); });
    nb::list out;
    for (size_t index = 0; index < outputs.size(); ++index) {
      nb::object given = results[index];
      nb::object array = given.is_none() ? emptyFor(outputs[index]) : given;
      outputs[index] = held.hold(array, outputTypes[index], /*writable=*/true);
      out.append(array);
    }
    call([&] { return tn_run(handle.get(), inputs.data(), outputs.data()); });
    return out;
  }

  uint32_t threads() const { return tn_context_threads(handle.get()); }
  uint64_t bytes() const { return tn_context_bytes(handle.get()); }

private:
  /// Calls the runtime without the GIL.
  template <typename Work> void call(Work work) {
    tn_status status;
    {
      nb::gil_scoped_release released;
      status = work();
    }
    if (status != TN_OK)
      raiseStatus(status, tn_last_message(handle.get()));
  }

  Plan plan;
  std::shared_ptr<tn_context> handle;
  std::vector<tn_dtype> inputTypes, outputTypes;
};

} // namespace

void defineContext(nb::module_ &module) {
  nb::class_<Context>(module, "Context")
      .def(nb::init<const Plan &, uint32_t, uint64_t>(), nb::arg("plan"), nb::arg("threads") = 0, nb::arg("max_bytes") = 0)
      .def("run", &Context::run, nb::arg("inputs"), nb::arg("outputs"))
      .def_prop_ro("threads", &Context::threads)
      .def_prop_ro("bytes", &Context::bytes);
}

} // namespace tenon::python
