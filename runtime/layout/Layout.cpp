#include "runtime/layout/Layout.h"

#include "runtime/layout/InputShapes.h"
#include "runtime/layout/RunTimeSizes.h"
#include "runtime/layout/Slices.h"
#include "runtime/plan/Expressions.h"

using namespace tenon;
using namespace tenon::plan;

bool tenon::tensorBytes(const tn_layout &layout, const format::Tensor &tensor, int64_t &bytes) {
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

namespace {

using TensorList = flatbuffers::Vector<flatbuffers::Offset<format::Tensor>>;

tn_status measureTensors(const tn_layout &layout, const TensorList *tensors, const Array<int64_t> &bytes, const char *what, Message &message) {
  for (uint32_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] = 0; layout.plan->segments.isKnownBefore(*tensors->Get(i)) && !tensorBytes(layout, *tensors->Get(i), bytes[i]))
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
  case format::OperandKind::Result:
    if (!tensorBytes(layout, *metadata.results()->Get(operand.index())->tensor(), room))
      return -1;
    break;
  }
  int64_t offset = layout.value(operand.offset());
  return offset < 0 || offset > room ? -1 : room - offset;
}

} // namespace

/// Memory behind the arguments of a step that calls plans.
static tn_status checkCall(const tn_layout &layout, uint32_t index, Message &message) {
  const format::Step &step = *layout.plan->metadata->steps()->Get(index);
  auto fits = [&](const format::Operand *operand, int64_t bytes) { return !operand || operandRoom(layout, *operand) >= bytes; };
  auto argumentsFit = [&](const format::Call &call) {
    bool fit = true;
    for (uint32_t i = 0; i < count(call.arguments()); ++i) {
      int64_t bytes = 0;
      fit &= tensorBytes(layout, *call.arguments()->Get(i)->tensor(), bytes) && fits(call.arguments()->Get(i)->memory(), bytes);
    }
    return fit;
  };
  bool inside = true;
  if (const format::If *branch = step.kind_as_If())
    inside = fits(branch->condition(), 1) && argumentsFit(*branch->then_call()) && argumentsFit(*branch->else_call());
  else if (const format::Loop *loop = step.kind_as_Loop())
    inside = fits(loop->trips(), 8) && fits(loop->condition(), 1) && argumentsFit(*loop->body());
  return inside ? TN_OK : message.fail(TN_BAD_PLAN, "step %u of the plan passes more memory than there is with these shapes", index);
}

tn_status tenon::checkStep(const tn_layout &layout, uint32_t index, Message &message) {
  const format::Step &step = *layout.plan->metadata->steps()->Get(index);
  auto bad = [&](const char *why) { return message.fail(TN_BAD_PLAN, "step %u of the plan %s with these shapes", index, why); };
  if (const format::Copy *copy = step.kind_as_Copy()) {
    int64_t bytes = layout.value(copy->bytes());
    bool inside = bytes >= 0 && operandRoom(layout, *copy->from()) >= bytes && operandRoom(layout, *copy->to()) >= bytes;
    return inside ? TN_OK : bad("copies more than there is");
  }
  if (const format::ReadSizes *read = step.kind_as_ReadSizes()) {
    int64_t bytes = tn_dtype_bytes(tn_dtype(read->dtype()), count(read->symbols()));
    return operandRoom(layout, *read->from()) >= bytes ? TN_OK : bad("reads more sizes than there are");
  }
  if (const format::Require *require = step.kind_as_Require()) {
    int64_t left = layout.value(require->left()), right = layout.value(require->right());
    bool isEqual = require->relation() == format::Relation::Equal;
    if (isEqual ? left == right : left <= right)
      return TN_OK;
    const char *node = count(require->sources()) ? require->sources()->Get(0)->c_str() : "";
    return message.fail(TN_SHAPE_MISMATCH, "node '%s': %s: found %lld, expected %s%lld", node, text(require->what()), (long long)left, isEqual ? "" : "at most ",
                        (long long)right);
  }
  if (step.kind_as_If() || step.kind_as_Loop())
    return checkCall(layout, index, message);
  const format::Launch &launch = *step.kind_as_Launch();
  int64_t tasks = layout.value(launch.tasks());
  if (tasks < 0 || tasks > INT32_MAX)
    return bad("has no valid number of tasks");
  for (uint32_t i = 0; i < count(launch.operands()); ++i)
    if (operandRoom(layout, *launch.operands()->Get(i)) < 0)
      return bad("uses memory outside a buffer");
  return TN_OK;
}

namespace {

tn_status fill(tn_layout &layout, const tn_tensor *inputs, const int64_t *given, Message &message) {
  tn_plan &plan = *layout.plan;
  Memory &memory = *layout.memory;
  const struct {
    Array<int64_t> *array;
    uint32_t size;
  } arrays[] = {{&layout.symbols, plan.symbolCount()}, {&layout.values, plan.exprCount()}, {&layout.offsets, plan.bufferCount()},
                {&layout.inputBytes, plan.inputCount()}, {&layout.outputBytes, plan.outputCount()}, {&layout.outputOffsets, plan.outputCount()}};
  for (auto [array, size] : arrays)
    if (tn_status status = array->allocate(memory, size, "the layout of a shape", message))
      return status;
  if (tn_status status = bindSymbols(plan, inputs, given, layout.symbols.data(), message))
    return status;
  if (tn_status status = prepareSegments(layout, message))
    return status;
  if (tn_status status = evaluate(*plan.metadata, plan.segments, 0, layout.symbols.data(), layout.values.data(), message))
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
  for (uint32_t i = 0; i < plan.segments.endStep(0); ++i)
    if (tn_status status = checkStep(layout, i, message))
      return status;
  return placeSlices(layout, message);
}

} // namespace

bool tn_layout::fits(const tn_tensor *inputs, const int64_t *given) const {
  for (uint32_t i = 0; given && i < plan->symbolCount(); ++i)
    if (plan->metadata->symbols()->Get(i)->source() == format::SymbolSource::Caller && *given++ != symbols[i])
      return false;
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

void tn_layout::describeOutput(uint32_t index, tn_tensor &tensor, bool hasDefined) const {
  const format::Tensor &output = *plan->metadata->outputs()->Get(index);
  tensor.dtype = tn_dtype(output.dtype());
  tensor.rank = int32_t(count(output.dims()));
  bool isKnown = hasDefined || plan->segments.isKnownBefore(output);
  for (int32_t axis = 0; axis < TN_MAX_RANK; ++axis) {
    uint32_t dim = axis < tensor.rank ? output.dims()->Get(uint32_t(axis)) : 0;
    tensor.dims[axis] = axis >= tensor.rank ? 0 : isKnown || plan->segments.ofExpr(dim) == 0 ? value(dim) : -1;
  }
  tensor.bytes = isKnown ? size_t(outputBytes[index]) : 0;
}

namespace tenon {

tn_status makeLayout(tn_plan &plan, const tn_tensor *inputs, const int64_t *given, Memory &memory, tn_layout **layout, Message &message) {
  tn_layout *made = nullptr;
  if (tn_status status = createObject(memory, &made, "the layout of a shape", message, plan, memory))
    return status;
  if (tn_status status = fill(*made, inputs, given, message)) {
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
  if (tn_status status = fill(layout, nullptr, nullptr, message))
    return status == TN_SHAPE_MISMATCH ? TN_BAD_PLAN : status; // no shape of the caller's is involved
  return checkSlices(layout, memory, message);
}

} // namespace tenon
