#include "tools/tenon/quantize/Calibration.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/CompiledModel.h"

#include <algorithm>
#include <set>

namespace tenon::driver {
namespace {

constexpr int64_t kHeldOutOneIn = 5;

/// Counts what lies in the watched tensors of run after run.
class Observer {
public:
  Observer(const QuantizableModel &model, const std::string &path, const CalibrationOptions &options, std::map<std::string, ValueCounts> &counts)
      : path(path), counts(counts), compiled(model.observed(), path, options.threads), watched(model.allTensors().begin(), model.allTensors().end()) {
    if (compiled.inputs().empty())
      throw Failure(path + ": has no inputs, so that there is nothing to calibrate with");
    if (options.rowBytes)
      sampleRows(model, options.rowBytes);
  }

  const std::vector<tn_tensor_info> &signature() const { return compiled.inputs(); }

  void see(std::vector<HostTensor> &inputs, int64_t run) {
    std::string what = "run " + std::to_string(run) + " of the samples";
    const std::vector<tn_tensor> &outputs = compiled.run(inputs, what);
    for (size_t i = 0; i < inputs.size(); i++)
      count(compiled.inputs()[i].name, inputs[i].view(), what);
    for (size_t i = 0; i < outputs.size(); i++)
      count(compiled.outputs()[i].name, outputs[i], what);
  }

  std::vector<RowSample> rows; // by layer

private:
  void sampleRows(const QuantizableModel &model, size_t bytes) {
    std::vector<LayerShape> shapes;
    for (const QuantizableLayer &layer : model.layers())
      shapes.push_back(model.shapeOf(layer));
    std::vector<size_t> capacities = rowCapacities(shapes, bytes);
    for (size_t i = 0; i < shapes.size(); i++) {
      readers[model.layers()[i].input].push_back(i);
      rows.emplace_back(shapes[i], capacities[i], /*seed=*/i);
    }
  }

  void count(const char *name, const tn_tensor &tensor, const std::string &what) {
    if (tensor.dtype != TN_F32 || !watched.contains(name))
      return;
    if (!counts[name].add(static_cast<const float *>(tensor.data), elementsOf(tensor)))
      throw Failure(path + ": tensor '" + name + "' holds NaN or infinity in " + what + "; the float model itself fails there");
    counts[name].endRun();
    if (auto layers = readers.find(name); layers != readers.end())
      for (size_t layer : layers->second)
        rows[layer].add(static_cast<const float *>(tensor.data), dimsOf(tensor));
  }

  std::string path;
  std::map<std::string, ValueCounts> &counts;
  CompiledModel compiled;
  std::set<std::string> watched;
  std::map<std::string, std::vector<size_t>> readers; // layers whose rows are kept
};

} // namespace

void observe(const QuantizableModel &model, const std::string &path, Dataset &dataset, const CalibrationOptions &options, StatisticsFile &file,
             Observation &observation, const ProgressFunction &progress) {
  progress("compiling", 0);
  Statistics &statistics = file.statistics;
  if (options.rowBytes) { // rows are not kept in the file: they would be many times the rest
    statistics.tensors.clear();
    statistics.runs = 0;
  }
  Observer observer(model, path, options, statistics.tensors);
  dataset.start(observer.signature());
  file.startWork();
  int64_t samples = 0, counted = 0, run = 0;
  for (std::vector<HostTensor> *inputs; (!options.limit || samples < options.limit) && (inputs = dataset.next()); run++) {
    requireFinite(*inputs, observer.signature(), dataset.name(), run);
    samples += samplesIn(*inputs);
    // The first fifth run comes early: few samples give one to hold out, too.
    bool isHeldOut = options.heldOut && run % kHeldOutOneIn == 1 && options.heldOut->keep(*inputs);
    if (!isHeldOut && options.kept)
      options.kept->keep(*inputs);
    if (!isHeldOut)
      counted += samplesIn(*inputs);
    if (run < statistics.runs)
      continue;
    if (!isHeldOut)
      observer.see(*inputs, run);
    statistics.runs = run + 1;
    file.keep();
    int64_t all = dataset.runs().value_or(0);
    if (options.limit && all)
      all = std::min(all, std::max<int64_t>(options.limit / samplesIn(*inputs), 1));
    progress("ranges", all ? double(run + 1) / double(all) : 0);
  }
  if (!counted)
    throw Failure(dataset.name() + ": holds no samples; at least one was expected");
  if (options.heldOut && !options.heldOut->runs().value_or(0))
    throw Failure(dataset.name() + ": holds one run of samples; two were expected, one of them to measure what quantization costs");
  for (const std::string &name : model.allTensors())
    if (!statistics.tensors.contains(name))
      throw Failure(path + ": tensor '" + name + "' is no f32 tensor; quantize a model in f32");
  observation.rows = std::move(observer.rows);
  observation.samples = counted;
}

} // namespace tenon::driver
