// Checks what kernels have libraries compute.
#pragma once

#include "runtime/plan/PlanVerifier.h"

namespace tenon::plan {

inline constexpr uint32_t kMostAlgorithms = 16; ///< that a library is asked for

/// What is wrong with a call that computes `kernel`; null: nothing.
const char *problemOf(const format::LibraryCall &call, const format::Kernel &kernel);

/// Bytes from the begin of its buffer to the end of a tensor; UINT64_MAX where 64 bits do not hold them.
uint64_t extentOf(const format::LibraryTensor &tensor);

/// Whether each row of a matrix is whole and in one piece, and rows do not overlap; otherwise its columns are, in a verified one.
bool isOfRows(const format::LibraryTensor &tensor);

inline uint32_t elementBytes(format::DType dtype) {
  return dtype == format::DType::F32 ? 4 : 2; // of a verified tensor
}

} // namespace tenon::plan
