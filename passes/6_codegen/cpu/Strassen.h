// One level of Strassen's multiplication in Winograd's form: large matrix products with constant weights in 7/8 of the multiplications.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &strassenFamily();
} // namespace tenon::cpu
