// Attention: a warp for each row of queries, online softmax over blocks of keys.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels of one nn.attention on views of arguments, as the CPU's family takes them. No parameters.
const KernelFamily &attentionFamily();

} // namespace tenon::gpu
