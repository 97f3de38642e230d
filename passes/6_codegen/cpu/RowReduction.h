// Softmax, layer_norm and rms_norm over rows that lie contiguously: a row is read once and stays in the first cache.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// One softmax over the last axis, or one layer_norm or rms_norm over the last axis, with any elementwise ops, views and gathers
/// before it, and elementwise ops of its result after it. Schedule: `tasks` at most; `keep` (0 or 1): keep the row's
/// intermediate values in memory instead of computing them again.
const KernelFamily &rowReductionFamily();

} // namespace tenon::cpu
