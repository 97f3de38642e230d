// Panels of keys and values for attention.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// A matrix in memory: element (i, j) is at offset + i * row + j * column.
struct MatrixView {
  const Tensor &memory;
  Index offset, row, column;
};

/// Packs rows [0, count) of `source` (count x depth) as the columns of panels [panel][depth][width] at `offset` of `target`;
/// columns past `count` are zero.
void packTransposed(KernelBuilder &b, const MatrixView &source, Index count, int64_t depth, const Tensor &target, Index offset, int64_t width);

/// Packs `source` (count x columns) as panels [panel][capacity][width] at `offset` of `target`; columns past the last are zero.
void packColumns(KernelBuilder &b, const MatrixView &source, Index count, int64_t columns, const Tensor &target, Index offset, int64_t width,
                 int64_t capacity);

} // namespace tenon::cpu
