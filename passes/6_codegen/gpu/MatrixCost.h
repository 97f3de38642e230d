#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

/// Microseconds of a kernel of a chain, where each starts while the one before ends.
double costOf(const MatrixSchedule &schedule, int64_t rows, const MatrixProblem &problem, const Target &target);

/// The fastest schedule of a product of these sizes, where that was measured (MatrixMeasured.cpp).
std::optional<MatrixSchedule> measuredSchedule(int64_t rows, const MatrixProblem &problem, const Target &target);

/// For a tuner: the cost model does not choose from them.
llvm::SmallVector<MatrixSchedule> otherSchedules(const MatrixProblem &problem, const Target &target);

/// Registers of a thread of a direct schedule, about.
int64_t directRegisters(const MatrixSchedule &schedule, const MatrixProblem &problem);
constexpr int64_t kRegistersOfMultiprocessor = 65536; // of every architecture

} // namespace tenon::gpu
