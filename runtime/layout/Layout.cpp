#include "runtime/layout/Layout.h"

#include "runtime/layout/InputShapes.h"
#include "runtime/layout/Slices.h"
#include "runtime/plan/Expressions.h"

using namespace tenon;
using namespace tenon::plan;

namespace {

/// Bytes of a tensor of the signature; false when a dimension is negative or the size overflows.
bool tensorBytes(const tn_layout &layout, const format::Tensor &tensor, int64_t &bytes) {
  int64_t elements = 1;
  bool isEmpty = false;
  for (uint32_t axis = 0; axis < count(tensor.dims()); ++axis) {
    int64_t dim = layout.value(tensor.dims()->Get(axis));
    if (dim < 0)
      return false;
    isEmpty |= dim == 0;
    if (!isEmpty && __builtin_mul_overflow(elements, dim, &elements))
      return false;
  }
  bytes = tn_dtype_bytes(tn_dtype(tensor.dtype()), isEmpty ? 0 : elements);
  return bytes >= 0 && bytes <= INT64_MAX / 2;
}

using TensorList = flatbuffers::Vector<flatbuffers::Offset<format::Tensor>>;

tn_status measureTensors(const tn_layout &layout, const TensorList *tensors, const Array<int64_t> &bytes, const char *what, Message &message) {
  for (uint32_t i = 0; i < bytes.size(); ++i)
    if (!tensorBytes(layout, *tensors->Get(i), bytes[i]))
      return message.fail(TN_SHAPE_MISMATCH, "the size of %s '%s' is negative or overflows with these shapes", what, tensors->Get(i)->name()->c_str());
  return TN_OK;
}

/// Outputs that the context places follow each other, aligned to 64.
tn_status placeOutputs(tn_layout &layout, Message &message) {
  int64_t end = 0;
  for (uint32_t i = 0; i < layout.outputBytes.size(); ++i) {
    layout.outputOffsets[i] = end;
    int64_t room = (layout.outputBytes[i] + 63) & ~int64_t(63);
    if (__builtin_add_overflow(end, room, &end))
      return message.fail(TN_SHAPE_MISMATCH, "the outputs' sizes overflow with these shapes");
  }
  layout.outputTotal = end;
  return TN_OK;
}

/// Bytes behind an operand.
int64_t operandRoom(const tn_layout &layout, const format::Operand &operand) {
  const format::Metadata &metadata = *layout.plan->metadata;
  int64_t room = 0;
  switch (operand.kind()) {
  case format::OperandKind::Input:
    room = layout.inputBytes[operand.index()];
    break;
  case format::OperandKind::Output:
    room = layout.outputBytes[operand.index()];
    break;
  case format::OperandKind::Constant:
    room = int64_t(metadata.constants()->Get(operand.index())->bytes());
    break;
  case format::OperandKind::Buffer:
    room = layout.value(metadata.buffers()->Get(operand.index())->bytes());
    break;
  }
  int64_t offset = layout.value(operand.offset());
  return offset < 0 || offset > room ? -1 : room - offset;
}

tn_status checkStep(const tn_layout &layout, uint32_t index, Message &message) {
  const format::Step &step = *layout.plan->metadata->steps()->Get(index);
  auto bad = [&](const char *why) { return message.fail(TN_BAD_PLAN, "step %u of the plan %s with these shapes", index, why); };
  if (const format::Copy *copy = step.kind_as_Copy()) {
    int64_t bytes = layout.value(copy->bytes());
    bool inside = bytes >= 0 && operandRoom(layout, *copy->from()) >= bytes && operandRoom(layout, *copy->to()) >= bytes;
    return inside ? TN_OK : bad("copies more than there is");
  }
  const format::Launch &launch = *step.kind_as_Launch();
  int64_t tasks = layout.value(launch.tasks());
  if (tasks < 0 || tasks > INT32_MAX)
    return bad("has no valid number of tasks");
  for (uint32_t i = 0; i < count(launch.operands()); ++i)
    if (operandRoom(layout, *launch.operands()->Get(i)) < 0)
      return bad("uses memory outside a buffer");
  return TN_OK;
}

tn_status fill(tn_layout &layout, const tn_tensor *inputs, Message &message) {
  tn_plan &plan = *layout.plan;
  Memory &memory = *layout.memory;
  Array<int64_t> symbols;
  const struct {
    Array<int64_t> *array;
    uint32_t size;
  } arrays[] = {{&symbols, plan.symbolCount()}, {&layout.values, plan.exprCount()}, {&layout.offsets, plan.bufferCount()},
                {&layout.inputBytes, plan.inputCount()}, {&layout.outputBytes, plan.outputCount()}, {&layout.outputOffsets, plan.outputCount()}};
  for (auto [array, size] : arrays)
    if (tn_status status = array->allocate(memory, size, "the layout of a shape", message))
      return status;
  if (tn_status status = bindSymbols(plan, inputs, symbols.data(), message))
    return status;
  if (tn_status status = evaluate(*plan.metadata, symbols.data(), layout.values.data(), message))
    return status;
  if (inputs)
    if (tn_status status = checkInputShapes(layout, inputs, message))
      return status;
  if (tn_status status = measureTensors(layout, plan.metadata->inputs(), layout.inputBytes, "input", message))
    return status;
  if (tn_status status = measureTensors(layout, plan.metadata->outputs(), layout.outputBytes, "output", message))
    return status;
  if (tn_status status = placeOutputs(layout, message))
    return status;
  for (uint32_t i = 0; i < plan.stepCount(); ++i)
    if (tn_status status = checkStep(layout, i, message))
      return status;
  return placeSlices(layout, message);
}

} // namespace

bool tn_layout::fits(const tn_tensor *inputs) const {
  for (uint32_t i = 0; i < plan->inputCount(); ++i) {
    const auto *dims = plan->metadata->inputs()->Get(i)->dims();
    if (inputs[i].rank != int32_t(count(dims)))
      return false;
    for (uint32_t axis = 0; axis < count(dims); ++axis)
      if (inputs[i].dims[axis] != values[dims->Get(axis)])
        return false;
  }
  return true;
}

void tn_layout::describeOutput(uint32_t index, tn_tensor &tensor) const {
  const format::Tensor &output = *plan->metadata->outputs()->Get(index);
  tensor.dtype = tn_dtype(output.dtype());
  tensor.rank = int32_t(count(output.dims()));
  for (int32_t axis = 0; axis < TN_MAX_RANK; ++axis)
    tensor.dims[axis] = axis < tensor.rank ? value(output.dims()->Get(uint32_t(axis))) : 0;
  tensor.bytes = size_t(outputBytes[index]);
}

namespace tenon {

tn_status makeLayout(tn_plan &plan, const tn_tensor *inputs, Memory &memory, tn_layout **layout, Message &message) {
  tn_layout *made = nullptr;
  if (tn_status status = createObject(memory, &made, "the layout of a shape", message, plan, memory))
    return status;
  if (tn_status status = fill(*made, inputs, message)) {
    destroyLayout(made);
    return status;
  }
  *layout = made;
  return TN_OK;
}

void destroyLayout(tn_layout *layout) {
  if (layout)
    destroyObject(*layout->memory, layout);
}

tn_status checkFixedLayout(tn_plan &plan, Memory &memory, Message &message) {
  tn_layout layout(plan, memory);
  if (tn_status status = fill(layout, nullptr, message))
    return status == TN_SHAPE_MISMATCH ? TN_BAD_PLAN : status; // no shape of the caller's is involved
  return checkSlices(layout, memory, message);
}

} // namespace tenon
