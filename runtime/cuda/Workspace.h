// The workspace of a call.
#pragma once

#include "runtime/plan/PlanVerifier.h"

namespace tenon::cuda {

/// Libraries want theirs to begin at a multiple of 256 bytes, and refuse others; buffers begin elsewhere.
constexpr uint64_t kWorkspaceAlignment = 256;

/// What is left of a workspace for the library.
inline size_t usableWorkspace(const plan::format::LibraryCall &call) {
  return call.workspace_bytes() > kWorkspaceAlignment ? size_t(call.workspace_bytes() - kWorkspaceAlignment) : 0;
}

inline void *workspaceAt(void *buffer) {
  return reinterpret_cast<void *>((uintptr_t(buffer) + kWorkspaceAlignment - 1) & ~uintptr_t(kWorkspaceAlignment - 1));
}

} // namespace tenon::cuda
