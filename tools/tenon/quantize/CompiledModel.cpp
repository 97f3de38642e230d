#include "tools/tenon/quantize/CompiledModel.h"
#include "tools/tenon/CompilerLibrary.h"
#include "tools/tenon/Failure.h"

namespace tenon::driver {

CompiledModel::CompiledModel(std::string_view onnx, const std::string &path, uint32_t threads, bool profile) : path(path) {
  CompileResult result = compiler().compileMemory(onnx, path, CompileOptions());
  if (!result.ok)
    throw Failure(result.message);
  bytes = std::move(result.plan);
  tn_plan *opened = nullptr;
  require(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &opened), path);
  plan.reset(opened);
  given = inputsOf(opened);
  made = outputsOf(opened);
  context = makeContext(opened, threads, profile);
}

const std::vector<tn_tensor> &CompiledModel::run(std::vector<HostTensor> &tensors, const std::string &what) {
  std::vector<tn_tensor> views;
  for (HostTensor &tensor : tensors)
    views.push_back(tensor.view());
  results.assign(made.size(), tn_tensor{}); // in the context's memory
  if (tn_status status = tn_run(context.get(), views.data(), results.data()); status != TN_OK)
    throw Failure(path + ": " + what + ": " + tn_last_message(context.get()) + " (" + tn_status_name(status) + ")");
  return results;
}

size_t elementsOf(const tn_tensor &tensor) {
  size_t count = 1;
  for (int i = 0; i < tensor.rank; i++)
    count *= size_t(tensor.dims[i]);
  return count;
}

} // namespace tenon::driver
