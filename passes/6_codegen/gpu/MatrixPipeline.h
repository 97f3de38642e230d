// Large tiles of a contraction on sm_90a, with warps that copy and warps that multiply.
//
// The block's last four warps copy: three the left operand, as LhsLoader finds it, and one the weights, a stage in one piece. The others, groups of four,
// multiply 64 rows by the tile's columns each. Barriers in shared memory tell when a stage is full and when it is empty; nothing else is waited for. A
// block stays for as many tiles as there are blocks less than tiles, so that the stages of the next tile fill while the sums of one are stored: by each
// warp its own 16 rows, a piece of their columns at a time.
#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

nn::Dim pipelineBlocks(const MatrixProblem &problem, const MatrixSchedule &s, const Target &target);
void emitPipeline(cpu::KernelBuilder &b, const MatrixProblem &problem, const MatrixSchedule &s);

} // namespace tenon::gpu
