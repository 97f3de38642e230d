#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

/// Microseconds of a kernel of a chain, where each starts while the one before ends.
double costOf(const MatrixSchedule &schedule, int64_t rows, const MatrixProblem &problem, const Target &target);

/// The fastest schedules of products of these sizes, where they were measured (MatrixMeasured.cpp): the first one of them that computes this product.
llvm::SmallVector<MatrixSchedule> measuredSchedules(int64_t rows, const MatrixProblem &problem, const Target &target);

/// For a tuner: the cost model does not choose from them.
llvm::SmallVector<MatrixSchedule> otherSchedules(const MatrixProblem &problem, const Target &target);

/// Registers of a thread of a direct schedule, about.
int64_t directRegisters(const MatrixSchedule &schedule, const MatrixProblem &problem);
constexpr int64_t kRegistersOfMultiprocessor = 65536; // of every architecture

} // namespace tenon::gpu
