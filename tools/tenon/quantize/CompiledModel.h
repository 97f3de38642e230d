// A model that is compiled to be run at once: for calibration, and to measure what quantization costs.
#pragma once
#include "tools/tenon/Plan.h"
#include "tools/tenon/quantize/Dataset.h"

#include <string_view>

namespace tenon::driver {

class CompiledModel {
public:
  /// `onnx`: the model's bytes; `path` is for messages; `threads`: 0 for one on each core; `profile`: the context measures each step. Throws Failure.
  CompiledModel(std::string_view onnx, const std::string &path, uint32_t threads, bool profile = false);

  const std::vector<tn_tensor_info> &inputs() const { return given; }
  const std::vector<tn_tensor_info> &outputs() const { return made; }
  /// The outputs of a run, which stay valid until the next one. Throws Failure, naming `what`.
  const std::vector<tn_tensor> &run(std::vector<HostTensor> &tensors, const std::string &what);
  const tn_plan *handle() const { return plan.get(); }
  const tn_context *runner() const { return context.get(); }

private:
  std::string path;
  std::vector<std::byte> bytes; // the plan's memory
  PlanHandle plan;
  ContextHandle context;
  std::vector<tn_tensor_info> given, made;
  std::vector<tn_tensor> results;
};

/// Elements of a tensor.
size_t elementsOf(const tn_tensor &tensor);

} // namespace tenon::driver
