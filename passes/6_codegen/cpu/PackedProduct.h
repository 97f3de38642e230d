// Products with weights of four or eight bits in blocks, which are unpacked as they are read.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

const KernelFamily &packedProductFamily();

} // namespace tenon::cpu
