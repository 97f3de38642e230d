// Products with weights of four bits in blocks, which are unpacked as they are read.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

const KernelFamily &fourBitProductFamily();

} // namespace tenon::cpu
