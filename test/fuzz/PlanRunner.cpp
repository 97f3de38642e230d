#include "test/fuzz/PlanRunner.h"
#include "tenon/runtime.h"
#include "test/fuzz/GuardedMemory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace tenon::fuzz {
namespace {

constexpr int64_t kMostOperations = 100'000'000; // of one run, and bytes moved: a second in the slowest code
constexpr size_t kMostBytes = size_t(16) << 20;  // of a context, and of one input

void fillFloats(float *data, size_t count) {
  for (size_t i = 0; i < count; ++i)
    data[i] = float(int(i * 7 % 33) - 16) / 8;
}

/// Small numbers: they may be positions, counts and sizes.
template <typename T> void fillIntegers(T *data, size_t count) {
  for (size_t i = 0; i < count; ++i)
    data[i] = T(i % 11 == 10 ? -1 : int(i % 3));
}

/// The shapes of a sequence of vectors, of which the first one has all elements.
void fillShapes(const tn_tensor &tensor, int64_t elements) {
  auto *row = static_cast<int64_t *>(tensor.data);
  for (int64_t i = 0; i < tensor.dims[0]; ++i, row += tensor.dims[1]) {
    std::fill_n(row, tensor.dims[1], -1);
    row[0] = i == 0 ? elements : 0;
  }
}

void fill(const tn_tensor &tensor) {
  auto *data = static_cast<uint8_t *>(tensor.data);
  switch (tensor.dtype) {
  case TN_F32: return fillFloats(static_cast<float *>(tensor.data), tensor.bytes / 4);
  case TN_BOOL:
    for (size_t i = 0; i < tensor.bytes; ++i)
      data[i] = i % 2;
    return;
  case TN_F64:
    for (size_t i = 0; i < tensor.bytes / 8; ++i)
      static_cast<double *>(tensor.data)[i] = std::sin(double(i));
    return;
  case TN_I16: case TN_U16: return fillIntegers(static_cast<int16_t *>(tensor.data), tensor.bytes / 2);
  case TN_I32: case TN_U32: return fillIntegers(static_cast<int32_t *>(tensor.data), tensor.bytes / 4);
  case TN_I64: case TN_U64: return fillIntegers(static_cast<int64_t *>(tensor.data), tensor.bytes / 8);
  default:
    for (size_t i = 0; i < tensor.bytes; ++i)
      data[i] = uint8_t(i * 37 + 11);
  }
}

/// Inputs whose free dimensions are `size`, or one more where their names differ.
class Inputs {
public:
  Inputs(const tn_plan *plan, uint32_t count, int64_t size) {
    for (uint32_t i = 0; i < count; ++i) {
      tn_tensor_info info = {};
      info.struct_size = sizeof info;
      tn_plan_input(plan, i, &info);
      tn_tensor tensor = {};
      tensor.dtype = info.dtype;
      tensor.rank = info.rank;
      int64_t elements = 1;
      for (int axis = 0; axis < info.rank; ++axis) {
        tensor.dims[axis] = info.dims[axis] >= 0 ? info.dims[axis] : symbols.try_emplace(info.dim_text[axis], size + int64_t(symbols.size() % 2)).first->second;
        areSmall &= !__builtin_mul_overflow(elements, tensor.dims[axis], &elements);
      }
      int64_t bytes = tn_dtype_bytes(info.dtype, elements);
      areSmall &= bytes >= 0 && size_t(bytes) <= kMostBytes;
      if (!areSmall)
        return;
      memory.emplace_back(size_t(bytes), std::max(tn_dtype_bits(info.dtype) / 8, 1u));
      tensor.data = memory.back().data();
      tensor.bytes = size_t(bytes);
      info.part == TN_PART_SHAPES ? fillShapes(tensor, tensors.back().dims[0]) : fill(tensor);
      tensors.push_back(tensor);
    }
  }
  bool areSmall = true;
  std::vector<tn_tensor> tensors;

private:
  std::vector<GuardedBytes> memory;
  std::map<std::string, int64_t> symbols;
};

bool isQuick(const tn_layout *layout, uint32_t steps) {
  int64_t operations = 0;
  for (uint32_t i = 0; i < steps; ++i) {
    tn_step_cost cost = {};
    cost.struct_size = sizeof cost;
    tn_layout_step(layout, i, &cost);
    if (__builtin_add_overflow(operations, std::max(cost.flops, int64_t(0)), &operations) || __builtin_add_overflow(operations, std::max(cost.bytes, int64_t(0)), &operations))
      return false;
  }
  return operations <= kMostOperations;
}

void runFor(tn_plan *plan, const tn_plan_info &info, tn_context *context, int64_t size) {
  Inputs inputs(plan, info.input_count, size);
  tn_layout *layout = nullptr;
  if (!inputs.areSmall || tn_layout_create(plan, inputs.tensors.data(), &layout) != TN_OK)
    return;
  bool quick = isQuick(layout, info.step_count);
  tn_layout_destroy(layout);
  std::vector<tn_tensor> outputs(info.output_count);
  for (int run = 0; quick && run < 2; ++run)
    if (tn_run(context, inputs.tensors.data(), outputs.data()) != TN_OK)
      return;
}

} // namespace

void runPlan(std::span<const std::byte> bytes) {
  tn_plan *plan = nullptr;
  if (tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan) != TN_OK) {
    std::fprintf(stderr, "the compiler wrote a plan that does not open: %s\n", tn_last_error());
    abort();
  }
  tn_plan_info info = {};
  info.struct_size = sizeof info;
  tn_plan_get_info(plan, &info);
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 2;
  options.max_bytes = kMostBytes;
  options.allocator.allocate = [](void *, size_t size, size_t alignment) { return allocateGuarded(size, alignment); };
  options.allocator.release = [](void *, void *memory, size_t size) { releaseGuarded(memory, size); };
  tn_context *context = nullptr;
  if (tn_context_create(plan, &options, &context) == TN_OK) {
    runFor(plan, info, context, 3);
    runFor(plan, info, context, 0);
  }
  tn_context_destroy(context);
  tn_plan_close(plan);
}

} // namespace tenon::fuzz
