// Steps of recurrent layers whose input product is a matrix product before them.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &recurrenceFamily();
} // namespace tenon::cpu
