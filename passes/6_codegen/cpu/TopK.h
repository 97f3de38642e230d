// The best elements of an axis, by a heap in the memory of the results.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &topKFamily();
} // namespace tenon::cpu
