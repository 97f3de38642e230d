// Info structs that grow: callers compiled against an older header pass a smaller one.
#pragma once

#include "runtime/support/Message.h"

#include <algorithm>
#include <cstring>

namespace tenon {

/// Copies as much of `filled` as the caller's struct has room for; its struct_size stays.
template <typename Info> tn_status giveInfo(Info filled, Info *info, Message &message) {
  if (!info || info->struct_size < sizeof(uint32_t) * 2)
    return message.fail(TN_INVALID_ARGUMENT, "an info struct is null or its struct_size is not set");
  filled.struct_size = info->struct_size;
  memcpy(info, &filled, std::min<size_t>(info->struct_size, sizeof(Info)));
  return TN_OK;
}

inline tn_status badIndex(const char *what, uint32_t index, uint32_t count, Message &message) {
  return message.fail(TN_INVALID_ARGUMENT, "%s %u does not exist; there are %u", what, index, count);
}

} // namespace tenon
