#include "lib/Compiler/Evaluate.h"
#include "dialects/nn/NN.h"
#include "lib/Compiler/Session.h"
#include "tenon/runtime.h"

namespace tenon {
using namespace mlir;

namespace {
struct PlanCloser {
  void operator()(tn_plan *plan) const { tn_plan_close(plan); }
};
struct ContextDestroyer {
  void operator()(tn_context *context) const { tn_context_destroy(context); }
};

FailureOr<tn_tensor> describe(const tn_tensor_info &info, Location loc) {
  tn_tensor tensor{};
  tensor.dtype = info.dtype;
  tensor.rank = info.rank;
  int64_t count = 1;
  for (int i = 0; i < info.rank; ++i)
    count *= tensor.dims[i] = info.dims[i];
  int64_t bytes = tn_dtype_bytes(info.dtype, count);
  if (bytes < 0)
    return emitError(loc, "a constant's size overflows");
  tensor.bytes = bytes;
  return tensor;
}
} // namespace

FailureOr<SmallVector<AsmResourceBlob>> CompiledEvaluator::evaluate(ModuleOp module, ArrayRef<ArrayRef<char>> data) {
  Location loc = module.getLoc();
  llvm::Expected<Target> target = Target::parse("native");
  if (!target)
    return emitError(loc) << llvm::toString(target.takeError());
  FailureOr<std::vector<std::byte>> bytes = compileForEvaluation(module, *target);
  if (failed(bytes))
    return failure();

  auto runtimeError = [&] { return emitError(loc) << "constant folding: " << tn_last_error(); };
  tn_plan *opened = nullptr;
  if (tn_plan_open_memory(bytes->data(), bytes->size(), 0, &opened) != TN_OK)
    return runtimeError();
  std::unique_ptr<tn_plan, PlanCloser> plan(opened);
  tn_context *created = nullptr;
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  if (tn_context_create(plan.get(), &options, &created) != TN_OK)
    return runtimeError();
  std::unique_ptr<tn_context, ContextDestroyer> context(created);

  SmallVector<tn_tensor> inputs, outputs;
  SmallVector<AsmResourceBlob> results, copies;
  tn_tensor_info info{};
  info.struct_size = sizeof(info);
  for (auto [index, given] : llvm::enumerate(data)) {
    ArrayRef<char> input = given;
    tn_plan_input(plan.get(), index, &info);
    FailureOr<tn_tensor> tensor = describe(info, loc);
    if (failed(tensor))
      return failure();
    if (tensor->bytes > input.size())
      return emitError(loc) << "constant folding: expected " << tensor->bytes << " bytes for '" << info.name << "', found " << input.size();
    // Weights may lie anywhere in a model file.
    constexpr size_t kLargest = 8;
    if (reinterpret_cast<uintptr_t>(input.data()) % std::clamp<size_t>(tn_dtype_bits(info.dtype) / 8, 1, kLargest)) {
      copies.push_back(HeapAsmResourceBlob::allocateAndCopyWithAlign(input, kLargest, /*dataIsMutable=*/true));
      input = copies.back().getData();
    }
    tensor->data = const_cast<char *>(input.data());
    inputs.push_back(*tensor);
  }
  tn_plan_info summary{};
  summary.struct_size = sizeof(summary);
  tn_plan_get_info(plan.get(), &summary);
  for (uint32_t index = 0; index < summary.output_count; ++index) {
    tn_plan_output(plan.get(), index, &info);
    FailureOr<tn_tensor> tensor = describe(info, loc);
    if (failed(tensor))
      return failure();
    results.push_back(HeapAsmResourceBlob::allocate(std::max<size_t>(tensor->bytes, 1), 64, /*dataIsMutable=*/true));
    tensor->data = results.back().getMutableData().data();
    outputs.push_back(*tensor);
  }
  if (tn_run(context.get(), inputs.data(), outputs.data()) != TN_OK)
    return emitError(loc) << "constant folding: " << tn_last_message(context.get());
  return results;
}

} // namespace tenon
