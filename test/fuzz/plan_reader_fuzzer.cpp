// Feeds damaged plans to the reader: opening, every query, layouts and contexts. Kernels are never called: they are code, and trusted.
//
// Each input is tried as it is, and once more with its checksums made to fit, so that the checks behind them are reached.
#include "tenon/runtime.h"

#include "runtime/plan/Checksum.h"
#include "runtime/plan/PlanFormat.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace {

using tenon::plan::FileHeader;
using tenon::plan::SectionEntry;

void repairChecksums(uint8_t *bytes, size_t size) {
  FileHeader header;
  if (size < sizeof header)
    return;
  memcpy(&header, bytes, sizeof header);
  memcpy(header.magic, tenon::plan::kMagic, sizeof header.magic);
  header.fileBytes = size;
  header.sectionCount = std::min<uint32_t>(header.sectionCount, 8);
  size_t tableBytes = header.sectionCount * sizeof(SectionEntry);
  if (size - sizeof header < tableBytes)
    return;
  for (uint32_t i = 0; i < header.sectionCount; ++i) {
    SectionEntry entry;
    memcpy(&entry, bytes + sizeof header + i * sizeof entry, sizeof entry);
    if (entry.bytes > size || entry.offset > size - entry.bytes)
      continue;
    entry.checksum = tenon::plan::checksum(bytes + entry.offset, entry.bytes);
    memcpy(bytes + sizeof header + i * sizeof entry, &entry, sizeof entry);
  }
  header.sectionTableChecksum = tenon::plan::checksum(bytes + sizeof header, tableBytes);
  header.headerChecksum = tenon::plan::checksum(&header, offsetof(FileHeader, headerChecksum));
  memcpy(bytes, &header, sizeof header);
}

template <typename Info, typename Query, typename Object> void askAll(Query query, Object object, uint32_t count) {
  for (uint32_t i = 0; i < std::min(count, 1000u); ++i) {
    Info info = {};
    info.struct_size = sizeof info;
    query(object, i, &info);
  }
}

void layOut(tn_plan *plan, const tn_plan_info &info) {
  // Free dimensions become 3, wherever they are.
  auto *inputs = static_cast<tn_tensor *>(calloc(info.input_count + 1, sizeof(tn_tensor)));
  auto *outputs = static_cast<tn_tensor *>(calloc(info.output_count + 1, sizeof(tn_tensor)));
  for (uint32_t i = 0; i < info.input_count; ++i) {
    tn_tensor_info input = {};
    input.struct_size = sizeof input;
    tn_plan_input(plan, i, &input);
    inputs[i].dtype = input.dtype;
    inputs[i].rank = input.rank;
    for (int axis = 0; axis < input.rank; ++axis)
      inputs[i].dims[axis] = input.dims[axis] < 0 ? 3 : input.dims[axis];
  }
  tn_layout *layout = nullptr;
  if (tn_layout_create(plan, inputs, &layout) == TN_OK) {
    askAll<tn_buffer_info>(tn_layout_buffer, layout, info.buffer_count);
    askAll<tn_step_cost>(tn_layout_step, layout, info.step_count);
    for (uint32_t i = 0; i < info.output_count; ++i)
      tn_layout_output(layout, i, &outputs[i]);
  }
  tn_layout_destroy(layout);
  tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  options.max_bytes = size_t(64) << 20;
  tn_context *context = nullptr;
  if (tn_context_create(plan, &options, &context) == TN_OK)
    tn_output_shapes(context, inputs, outputs);
  tn_context_destroy(context);
  free(inputs);
  free(outputs);
}

void tryPlan(const uint8_t *bytes, size_t size) {
  tn_plan *plan = nullptr;
  if (tn_plan_open_memory(bytes, size, 0, &plan) != TN_OK)
    return;
  tn_plan_info info = {};
  info.struct_size = sizeof info;
  tn_plan_get_info(plan, &info);
  askAll<tn_tensor_info>(tn_plan_input, plan, info.input_count);
  askAll<tn_tensor_info>(tn_plan_output, plan, info.output_count);
  askAll<tn_symbol_info>(tn_plan_symbol, plan, info.symbol_count);
  askAll<tn_kernel_info>(tn_plan_kernel, plan, info.kernel_count);
  askAll<tn_step_info>(tn_plan_step, plan, info.step_count);
  askAll<tn_constant_info>(tn_plan_constant, plan, info.constant_count);
  askAll<tn_device_code_info>(tn_plan_device_code, plan, info.device_code_count);
  layOut(plan, info);
  tn_plan_close(plan);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  tryPlan(data, size);
  auto *copy = static_cast<uint8_t *>(malloc(size));
  memcpy(copy, data, size);
  repairChecksums(copy, size);
  tryPlan(copy, size);
  free(copy);
  return 0;
}
