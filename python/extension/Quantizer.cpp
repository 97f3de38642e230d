// tenon._quantizer: the driver's quantization, over samples and a metric of Python's.
#include "python/extension/Buffers.h"
#include "python/extension/Errors.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/BlockQuantization.h"
#include "tools/tenon/quantize/HtmlReport.h"
#include "tools/tenon/quantize/Quantizer.h"

#include <cstring>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;

namespace tenon::python {
namespace {

// What is held out of the samples where there is no metric.
constexpr size_t kHeldOutRuns = 100, kHeldOutBytes = size_t(1) << 29;

/// Runs that a Python iterator gives: lists of buffers in the order of the signature, checked by the package.
class IteratedSamples : public driver::Dataset {
public:
  /// `begin` makes the iterator, from a list of (name, element type, shape with -1 for free sizes).
  explicit IteratedSamples(nb::object begin) : begin(std::move(begin)) {}
  ~IteratedSamples() override {
    nb::gil_scoped_acquire held;
    iterator.reset();
    begin.reset();
  }

  void start(const std::vector<tn_tensor_info> &inputs) override {
    nb::gil_scoped_acquire held;
    nb::list signature;
    types.clear();
    for (const tn_tensor_info &info : inputs) {
      nb::list dims;
      for (int axis = 0; axis < info.rank; axis++)
        dims.append(info.dims[axis]);
      signature.append(nb::make_tuple(asText(info.name), tn_dtype_name(info.dtype), dims));
      types.push_back(info.dtype);
    }
    iterator = begin(signature);
  }

  std::vector<driver::HostTensor> *next() override {
    nb::gil_scoped_acquire held;
    nb::object item = nb::steal(PyIter_Next(iterator.ptr()));
    if (!item.is_valid()) {
      if (PyErr_Occurred())
        throw nb::python_error();
      return nullptr;
    }
    HeldBuffers buffers;
    tensors.clear();
    for (size_t i = 0; i < types.size(); i++) {
      tn_tensor given = buffers.hold(item[i], types[i], /*writable=*/false);
      tensors.emplace_back(types[i], std::vector<int64_t>(given.dims, given.dims + given.rank), name());
      std::memcpy(tensors.back().data.data(), given.data, given.bytes);
    }
    return &tensors;
  }

  std::string name() const override { return "dataset"; }

private:
  nb::object begin, iterator;
  std::vector<tn_dtype> types;
  std::vector<driver::HostTensor> tensors;
};

/// A function of the package that takes an ONNX model's bytes and returns a number.
class CalledMetric : public driver::Metric {
public:
  explicit CalledMetric(nb::object function) : function(std::move(function)) {}
  ~CalledMetric() override {
    nb::gil_scoped_acquire held;
    function.reset();
  }
  std::string name() const override { return "metric"; }
  double score(const std::string &model) override {
    nb::gil_scoped_acquire held;
    return nb::cast<double>(function(nb::bytes(model.data(), model.size())));
  }

private:
  nb::object function;
};

struct Request {
  nb::object dataset, metric, progress; // metric: None for the agreement with the float model; progress: None
  std::string recipe;                   // "": none
  driver::QuantizeOptions options;
};

driver::Quantized quantized(std::string_view model, Request &request) {
  driver::QuantizableModel quantizable(std::as_bytes(std::span(model)), request.options.path);
  driver::Recipe recipe;
  if (!request.recipe.empty())
    recipe = driver::parseRecipe(request.recipe, "recipe", quantizable);
  std::optional<IteratedSamples> samples;
  driver::KeptSamples heldOut("samples held out of dataset", kHeldOutRuns, kHeldOutBytes);
  bool hasMetric;
  {
    nb::gil_scoped_acquire held;
    hasMetric = !request.metric.is_none();
    if (!request.dataset.is_none())
      samples.emplace(request.dataset);
  }
  if (request.options.maxDrop && !hasMetric)
    request.options.heldOut = &heldOut;
  auto metric = [&](const std::string &floatModel) -> std::unique_ptr<driver::Metric> {
    if (!hasMetric)
      return driver::agreementWith(floatModel, driver::Agreement::Cosine, {request.options.path, request.options.threads, &heldOut});
    nb::gil_scoped_acquire held;
    return std::make_unique<CalledMetric>(request.metric);
  };
  auto progress = [&](const char *step, double fraction) {
    nb::gil_scoped_acquire held;
    if (PyErr_CheckSignals()) // Ctrl-C
      throw nb::python_error();
    if (!request.progress.is_none())
      request.progress(step, fraction);
  };
  return driver::quantize(quantizable, request.options, recipe, samples ? &*samples : nullptr, metric, progress);
}

nb::tuple quantize(const std::string &path, nb::bytes model, nb::object dataset, nb::object metric, std::optional<double> maxDrop, const std::string &recipe,
                   const std::string &method, double percentile, std::optional<bool> equalization, std::optional<bool> biasCorrection, std::optional<bool> adaptiveRounding, std::optional<bool> symmetric, std::optional<bool> float8, std::optional<bool> ranksByMetric, bool halvesFallback,
                   int64_t samples, uint32_t threads, bool errors, nb::object progress) {
  std::optional<driver::RangeMethod> known = driver::rangeMethodNamed(method);
  if (!known)
    raiseQuantizationError("method '" + method + "': the methods are " + driver::rangeMethodNames());
  Request request{std::move(dataset), std::move(metric), std::move(progress), recipe, {}};
  request.options = {path, *known, percentile, samples, threads, maxDrop, driver::rankByFrom(ranksByMetric), halvesFallback, errors, {driver::equalizationFrom(equalization), biasCorrection, adaptiveRounding, symmetric, float8}, nullptr, nullptr};
  driver::Quantized done;
  std::string problem;
  try {
    nb::gil_scoped_release released;
    done = quantized({model.c_str(), model.size()}, request);
  } catch (const driver::Failure &failure) {
    problem = failure.what();
  }
  if (!problem.empty())
    raiseQuantizationError(problem);
  nb::list warnings;
  for (const std::string &warning : driver::reportWarnings(done.report))
    warnings.append(asText(warning));
  return nb::make_tuple(nb::bytes(done.model.data(), done.model.size()), asText(driver::reportJson(done.report)), asText(driver::recipeJson(done.report)),
                        asText(driver::reportText(done.report)), asText(driver::reportHtml(done.report)), warnings);
}

nb::tuple quantizeWeights(const std::string &path, nb::bytes model, int bits, int64_t group) {
  driver::BlockOptions options{bits, group};
  driver::BlockedModel done;
  std::string problem;
  try {
    nb::gil_scoped_release released;
    std::string_view bytes(model.c_str(), model.size());
    done = driver::quantizeWeights(driver::QuantizableModel(std::as_bytes(std::span(bytes)), path), options, path);
  } catch (const driver::Failure &failure) {
    problem = failure.what();
  }
  if (!problem.empty())
    raiseQuantizationError(problem);
  return nb::make_tuple(nb::bytes(done.model.data(), done.model.size()), asText(driver::blockedJson(done, options)));
}

} // namespace
} // namespace tenon::python

NB_MODULE(_quantizer, module) {
  module.def("quantize_weights", tenon::python::quantizeWeights, nb::arg("path"), nb::arg("model"), nb::arg("bits"), nb::arg("group"));
  module.def("quantize", tenon::python::quantize, nb::arg("path"), nb::arg("model"), nb::kw_only(), nb::arg("dataset").none(), nb::arg("metric").none(),
             nb::arg("max_drop").none(), nb::arg("recipe"), nb::arg("method"), nb::arg("percentile"), nb::arg("equalization").none(), nb::arg("bias_correction").none(), nb::arg("adaptive_rounding").none(), nb::arg("symmetric").none(), nb::arg("float8").none(), nb::arg("ranks_by_metric").none(), nb::arg("halves_fallback"), nb::arg("samples"), nb::arg("threads"), nb::arg("errors"),
             nb::arg("progress").none());
}
