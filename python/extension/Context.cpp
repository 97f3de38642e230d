#include "python/extension/Context.h"
#include "python/extension/Buffers.h"
#include "python/extension/Errors.h"

#include <algorithm>
#include <cstring>
#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace tenon::python {
namespace {

class Context {
public:
  Context(const Plan &plan, uint32_t threads, uint64_t maxBytes, uint32_t device) : plan(plan) {
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.max_bytes = maxBytes;
    options.device = device;
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
    HeldBuffers held;
    auto [inputs, outputs] = tensorsOf(arrays, results, held);
    std::vector<nb::object> made(outputs.size());
    for (size_t index = 0; index < outputs.size(); ++index) {
      made[index] = results[index];
      if (made[index].is_none() && isKnown(outputs[index]))
        made[index] = emptyFor(outputs[index]);
      if (made[index].is_none()) {
        outputs[index] = {}; // the context's memory: only the run knows how much
        continue;
      }
      tn_tensor given = held.hold(made[index], outputTypes[index], /*writable=*/true);
      if (isKnown(outputs[index]))
        requireShape(index, given, outputs[index]);
      outputs[index] = given;
    }
    std::vector<tn_tensor> given = outputs;
    call([&] { return tn_run(handle.get(), inputs.data(), outputs.data()); });
    nb::list out;
    for (size_t index = 0; index < outputs.size(); ++index) {
      if (!made[index].is_none())
        requireShape(index, given[index], outputs[index]); // where only the run knew it
      if (made[index].is_none())
        made[index] = copyOf(outputs[index], held);
      out.append(made[index]);
    }
    return out;
  }

  /// Queues a run on a CUDA stream. All arrays are in the GPU's memory.
  void runAsync(const nb::list &arrays, const nb::list &results, uintptr_t stream) {
    HeldBuffers held;
    auto [inputs, outputs] = tensorsOf(arrays, results, held);
    for (size_t index = 0; index < outputs.size(); ++index) {
      tn_tensor given = held.hold(results[index], outputTypes[index], /*writable=*/true);
      if (isKnown(outputs[index]))
        requireShape(uint32_t(index), given, outputs[index]);
      outputs[index] = given;
    }
    call([&] { return tn_run_async(handle.get(), inputs.data(), outputs.data(), reinterpret_cast<void *>(stream)); });
  }

  uint32_t threads() const { return tn_context_threads(handle.get()); }
  uint64_t bytes() const { return tn_context_bytes(handle.get()); }

private:
  /// The inputs, and the outputs as far as these tell their shapes.
  std::pair<std::vector<tn_tensor>, std::vector<tn_tensor>> tensorsOf(const nb::list &arrays, const nb::list &results, HeldBuffers &held) {
    if (arrays.size() != inputTypes.size() || results.size() != outputTypes.size())
      raiseStatus(TN_INVALID_ARGUMENT, "the plan has " + std::to_string(inputTypes.size()) + " inputs and " + std::to_string(outputTypes.size()) +
                                           " outputs; given are " + std::to_string(arrays.size()) + " and " + std::to_string(results.size()));
    std::vector<tn_tensor> inputs(inputTypes.size()), outputs(outputTypes.size());
    for (size_t index = 0; index < inputs.size(); ++index)
      inputs[index] = held.hold(arrays[index], inputTypes[index], /*writable=*/false);
    call([&] { return tn_output_shapes(handle.get(), inputs.data(), outputs.data()); });
    return {std::move(inputs), std::move(outputs)};
  }

  /// Whether the shapes of the inputs say what the output's is.
  static bool isKnown(const tn_tensor &output) {
    return std::all_of(output.dims, output.dims + output.rank, [](int64_t dim) { return dim >= 0; });
  }

  /// The runtime needs room only, but an array of another shape would show the numbers in other places.
  void requireShape(uint32_t index, const tn_tensor &given, const tn_tensor &expected) {
    if (given.rank == expected.rank && std::equal(given.dims, given.dims + given.rank, expected.dims))
      return;
    raiseStatus(TN_SHAPE_MISMATCH, "output '" + std::string(plan.output(index).name) + "' has the shape " + shapeText(expected) +
                                       "; the array to write into has " + shapeText(given));
  }

  static std::string shapeText(const tn_tensor &tensor) {
    std::string text = "(";
    for (int32_t axis = 0; axis < tensor.rank; ++axis)
      text += (axis ? ", " : "") + std::to_string(tensor.dims[axis]);
    return text + (tensor.rank == 1 ? ",)" : ")");
  }

  /// An array with the contents of a tensor in the context's memory.
  nb::object copyOf(const tn_tensor &tensor, HeldBuffers &held) {
    nb::object array = emptyFor(tensor);
    tn_tensor copy = held.hold(array, tensor.dtype, /*writable=*/true);
    if (tensor.bytes)
      std::memcpy(copy.data, tensor.data, tensor.bytes);
    return array;
  }

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
      .def(nb::init<const Plan &, uint32_t, uint64_t, uint32_t>(), nb::arg("plan"), nb::arg("threads") = 0, nb::arg("max_bytes") = 0,
           nb::arg("device") = 0)
      .def("run", &Context::run, nb::arg("inputs"), nb::arg("outputs"))
      .def("run_async", &Context::runAsync, nb::arg("inputs"), nb::arg("outputs"), nb::arg("stream"))
      .def_prop_ro("threads", &Context::threads)
      .def_prop_ro("bytes", &Context::bytes);
}

} // namespace tenon::python
