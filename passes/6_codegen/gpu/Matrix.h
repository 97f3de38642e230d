// Matrix products and convolutions on the matrix units, sm_80 and later: f16 or bf16, summed in f32, or bytes, summed in i32.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Contractions with constant weights; see MatrixSchedule for its parameters.
const KernelFamily &matrixFamily();

} // namespace tenon::gpu
