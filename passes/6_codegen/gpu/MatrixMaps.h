// The left operand of a product as tensor maps, which let one instruction copy a tile of it (TMA).
#pragma once
#include "lib/Plan/TensorMap.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

/// One of each part of lhs, counted in units of two bytes. Rows that follow each other in memory are a matrix; those of images are found by the pixels of
/// the result that they belong to (im2col), zeros where padding is read.
using LhsMaps = llvm::SmallVector<plan::TensorMap, 2>;
inline bool isOfImages(const plan::TensorMap &map) { return !map.lower.empty(); }

/// None where the unit cannot copy lhs as tiles of `s` want it: sizes that only a run knows, channels that do not fill steps, padding that is not zero.
std::optional<LhsMaps> lhsMapsOf(const MatrixProblem &p, const MatrixSchedule &s);
/// Whether the buffers lie where maps want them, which is known once memory is planned.
bool hasAlignedMaps(kernel::FuncOp func, const LhsMaps &maps);

} // namespace tenon::gpu
