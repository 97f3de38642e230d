#include "tools/tenon/quantize/Calibration.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Npz.h"
#include "tools/tenon/Plan.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

/// One input's samples, and the shape that one run takes of them.
struct Samples {
  std::string name;
  HostTensor tensor;
  std::vector<int64_t> runDims;
  int64_t runs = 0, runBytes = 0;
};

std::string sizesText(const std::vector<int64_t> &dims) {
  std::string text;
  for (int64_t size : dims)
    text += (text.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
  return "[" + text + "]";
}

void checkNumbers(const Samples &samples, const std::string &file) {
  if (samples.tensor.dtype != TN_F32)
    return;
  auto *values = reinterpret_cast<const float *>(samples.tensor.data.data());
  int64_t perRun = samples.runBytes / int64_t(sizeof(float));
  for (int64_t i = 0; i < samples.runs * perRun; i++)
    if (!std::isfinite(values[i]))
      throw Failure(file + ": sample " + std::to_string(i / perRun * samples.runDims[0]) + " of '" + samples.name + "' holds NaN or infinity; finite numbers were expected");
}

Samples samplesOf(const tn_tensor_info &info, const NpzReader &archive, const std::string &file) {
  std::string name = info.name, key = archive.has("in:" + name) ? "in:" + name : name;
  if (!archive.has(key))
    throw Failure(file + ": has no array '" + name + "'; one for each input of the model was expected, with its samples along the first axis");
  Samples samples{name, archive.read(key), {}, 0, 0};
  std::vector<int64_t> expected(info.dims, info.dims + info.rank);
  const std::vector<int64_t> &found = samples.tensor.dims;
  auto mismatch = [&](const std::string &why) {
    return Failure(file + ": '" + name + "' is " + typeText(samples.tensor.dtype, found) + "; " + why + ", for an input " + typeText(info));
  };
  if (samples.tensor.dtype != info.dtype)
    throw mismatch("the input's element type was expected");
  if (found.size() != expected.size() || expected.empty())
    throw mismatch("the input's rank was expected, with the samples along the first axis");
  for (size_t axis = 1; axis < found.size(); axis++)
    if (expected[axis] >= 0 && found[axis] != expected[axis])
      throw mismatch(sizesText(expected) + " was expected behind the first axis");
  int64_t batch = expected[0] > 0 ? expected[0] : 1;
  if (found[0] == 0 || found[0] % batch)
    throw mismatch("at least one sample, and a multiple of " + std::to_string(batch) + ", was expected");
  samples.runDims = found;
  samples.runDims[0] = batch;
  samples.runs = found[0] / batch;
  samples.runBytes = bytesOf(samples.tensor.dtype, samples.runDims, name);
  checkNumbers(samples, file);
  return samples;
}

PlanHandle compileObserved(const QuantizableModel &model, const std::string &path, std::vector<std::byte> &bytes) {
  CompileResult result = compiler().compileMemory(model.observed(), path, CompileOptions());
  if (!result.ok)
    throw Failure(result.message);
  bytes = std::move(result.plan);
  tn_plan *plan = nullptr;
  if (tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan) != TN_OK)
    throw Failure(path + ": " + tn_last_error());
  return PlanHandle(plan);
}

/// The watched outputs of one run after the other.
class Runs {
public:
  Runs(const QuantizableModel &model, const std::string &path, const CalibrationOptions &options) : path(path), plan(compileObserved(model, path, bytes)) {
    NpzReader archive(options.samples);
    for (const tn_tensor_info &info : inputsOf(plan.get()))
      inputs.push_back(samplesOf(info, archive, options.samples));
    if (inputs.empty())
      throw Failure(path + ": has no inputs, so that there is nothing to calibrate with");
    count = inputs.front().runs;
    for (const Samples &samples : inputs)
      if (samples.runs != count)
        throw Failure(options.samples + ": '" + samples.name + "' has samples for " + std::to_string(samples.runs) + " runs, '" + inputs.front().name + "' for " + std::to_string(count));
    if (options.limit)
      count = std::min(count, std::max<int64_t>(options.limit / inputs.front().runDims[0], 1));
    outputs = outputsOf(plan.get());
    context = makeContext(plan.get(), options.threads, false);
    std::vector<std::string> computed = model.computedTensors();
    watched.insert(computed.begin(), computed.end());
    for (const std::string &name : model.tensors())
      watched.insert(name);
  }

  int64_t size() const { return count; }
  int64_t samples() const { return count * inputs.front().runDims[0]; }

  /// Calls `see(name, values, number of values)` for every watched tensor of run `i`.
  void run(int64_t i, const std::function<void(const std::string &, const float *, size_t)> &see) {
    std::vector<tn_tensor> given, made(outputs.size());
    for (Samples &samples : inputs) {
      tn_tensor view{};
      view.dtype = samples.tensor.dtype;
      view.rank = int32_t(samples.runDims.size());
      std::copy(samples.runDims.begin(), samples.runDims.end(), view.dims);
      view.data = samples.tensor.data.data() + i * samples.runBytes;
      view.bytes = size_t(samples.runBytes);
      given.push_back(view);
      if (watched.contains(samples.name) && view.dtype == TN_F32)
        see(samples.name, static_cast<const float *>(view.data), size_t(samples.runBytes) / sizeof(float));
    }
    if (tn_status status = tn_run(context.get(), given.data(), made.data()); status != TN_OK)
      throw Failure(path + ": sample " + std::to_string(i) + ": " + tn_last_message(context.get()) + " (" + tn_status_name(status) + ")");
    for (size_t o = 0; o < outputs.size(); o++)
      if (watched.contains(outputs[o].name) && made[o].dtype == TN_F32)
        see(outputs[o].name, static_cast<const float *>(made[o].data), size_t(bytesOf(TN_F32, dimsOf(made[o]), outputs[o].name)) / sizeof(float));
  }

private:
  std::string path;
  std::vector<std::byte> bytes; // the plan's memory
  PlanHandle plan;
  ContextHandle context;
  std::vector<Samples> inputs;
  std::vector<tn_tensor_info> outputs;
  std::set<std::string> watched;
  int64_t count = 0;
};

} // namespace

Observation observe(const QuantizableModel &model, const std::string &path, const CalibrationOptions &options,
                    const std::function<void(const char *, double)> &progress) {
  progress("compiling", 0);
  Runs runs(model, path, options);
  std::map<std::string, Range> ranges;
  for (int64_t i = 0; i < runs.size(); i++) {
    progress("ranges", 0.5 * double(i) / double(runs.size()));
    runs.run(i, [&](const std::string &name, const float *values, size_t count) {
      Range &range = ranges[name]; // holds 0 from the start
      for (size_t k = 0; k < count; k++) {
        if (!std::isfinite(values[k]))
          throw Failure(path + ": tensor '" + name + "' holds NaN or infinity for sample " + std::to_string(i) + "; the float model itself fails there");
        range.low = std::min<double>(range.low, values[k]);
        range.high = std::max<double>(range.high, values[k]);
      }
    });
  }
  for (const std::string &name : model.tensors())
    if (!ranges.contains(name))
      throw Failure(path + ": tensor '" + name + "' is no f32 tensor; quantize a model in f32");
  Observation observation;
  observation.samples = runs.samples();
  for (auto &[name, range] : ranges)
    observation.histograms.emplace(name, Histogram(range.low, range.high));
  for (int64_t i = 0; i < runs.size(); i++) {
    progress("histograms", 0.5 + 0.5 * double(i) / double(runs.size()));
    runs.run(i, [&](const std::string &name, const float *values, size_t count) { observation.histograms.at(name).add(values, count); });
  }
  return observation;
}

} // namespace tenon::driver
