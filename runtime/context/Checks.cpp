#include "runtime/context/Checks.h"

#include <algorithm>

namespace tenon {

tn_status checkPointers(const tn_plan &plan, const tn_tensor *inputs, const tn_tensor *outputs, Message &message) {
  if (!inputs && plan.inputCount())
    return message.fail(TN_INVALID_ARGUMENT, "inputs is null; the plan has %u", plan.inputCount());
  if (!outputs && plan.outputCount())
    return message.fail(TN_INVALID_ARGUMENT, "outputs is null; the plan has %u", plan.outputCount());
  return TN_OK;
}

tn_status checkType(const char *what, const char *name, tn_dtype found, tn_dtype expected, Message &message) {
  if (found != expected)
    return message.fail(TN_TYPE_MISMATCH, "%s '%s' has element type %s, expected %s", what, name, tn_dtype_name(found), tn_dtype_name(expected));
  return TN_OK;
}

tn_status checkMemory(const char *what, const char *name, const tn_tensor &tensor, size_t needed, Message &message) {
  if (needed == 0)
    return TN_OK;
  if (!tensor.data)
    return message.fail(TN_INVALID_ARGUMENT, "%s '%s' has no data", what, name);
  size_t alignment = std::max<uint32_t>(8, tn_dtype_bits(tensor.dtype)) / 8;
  if (uintptr_t(tensor.data) % alignment != 0)
    return message.fail(TN_INVALID_ARGUMENT, "%s '%s' is at %p, it must be aligned to its elements of %zu bytes", what, name, tensor.data, alignment);
  if (tensor.bytes < needed)
    return message.fail(TN_SHAPE_MISMATCH, "%s '%s' has %zu bytes of memory, its shape needs %zu", what, name, tensor.bytes, needed);
  return TN_OK;
}

} // namespace tenon
