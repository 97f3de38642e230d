// LSTM layers: blocks of steps go through one product with the input weights, then step by step through the recurrence.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &recurrentFamily();
} // namespace tenon::cpu
