// Products of dense matrices, for what calibration computes of a layer's rows and weights.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace tenon::driver {

/// out[i][j] = the sum over k of a[i][k] * b[j][k], with `rows` of a, `columns` rows of b, all of `depth` numbers. `threads`: 0 for one on each core.
/// The result does not depend on their number.
void multiplyTransposed(const float *a, size_t rows, const float *b, size_t columns, size_t depth, float *out, uint32_t threads);

/// [rows][columns] to [columns][rows].
std::vector<float> transposed(const float *matrix, size_t rows, size_t columns);

/// Calls `work` with 0 to count - 1, on several threads.
void inParallel(size_t count, uint32_t threads, const std::function<void(size_t)> &work);

} // namespace tenon::driver
