// Small plans for the tests, and what it takes to run them.
#pragma once

#include "lib/Plan/PlanWriter.h"

#include <string>
#include <vector>

namespace tenon::test {

/// The image of kernels.c.
const std::vector<std::byte> &kernelImage();

/// The address of a kernel of kernels.c.
uint64_t kernelEntry(const std::string &name);

/// The host's architecture.
std::string hostArch();

/// y = 2 * (x + w), for x of 8 floats and w = [0, 1, .. 7]; one buffer of 32 bytes and a workspace, both at fixed offsets.
///   step 0: sum = add(x, w)
///   step 1: y = twice(sum) with a workspace of 2 tasks
plan::Plan staticPlan();

/// y = 2 * ((a + b) + a), for a and b of shape [n, 4] with n in 0..1000; z = a, copied. Offsets are left to the runtime.
///   step 0: s = add(a, b)    tasks = min(n, 3), at least 1
///   step 1: t = add(s, a)
///   step 2: y = twice(t)
///   step 3: copy a to z
plan::Plan dynamicPlan();

/// out[i] = 1 for each of `tasks` tasks, on top of what is there.
plan::Plan countingPlan(uint32_t tasks);

/// Three launches of 4 tasks that append their numbers to a list, which begins with its length; each is said to read and write `bytes`.
plan::Plan trailPlan(int64_t bytes);

/// y = 2 * first `count` of 8 floats x, for an input `count`; what is behind `count` depends on its value.
///   step 0: read the size m from `count`, at most 8
///   step 1: require m <= 8
///   step 2: s = add(x, x), of m floats in memory that the run lays out
///   step 3: copy s to y
plan::Plan readingPlan();

/// y = x or 2 * x of n floats: a plan is called that copies, or one that adds.
///   step 0: if c: copies x; otherwise x + x
///   step 1: copy the result to y
plan::Plan branchingPlan();

/// y = 2^trips * x, rows = the value of each iteration: a loop whose body adds its carried value to itself, as long as `trips` says.
plan::Plan loopingPlan();

/// y = x + the rows of a matrix f32[5, 3], up to the one numbered `limit`: a loop that scans rows and whose body says whether it goes on.
plan::Plan scanningPlan();

/// A plan as if it had been compiled for a GPU, with those that its steps call.
plan::Plan onGpu(plan::Plan plan);

/// The static plan as if it had been compiled for a GPU: made-up machine code and PTX.
plan::Plan gpuPlan();
/// The same for sm_90 and sm_87, whose variant has the same weights at another address, and one more.
plan::Plan twoGpusPlan();

/// z = relu(x * w' + b) + x on a GPU, for x of shape [2, 4] and w [4, 4]: cublasLt computes the product, with a workspace, and `add` the sum.
///   step 0: p = product(x, w, b)
///   step 1: z = add(p, x)
plan::Plan libraryPlan();

/// A convolution of x, [1, 4, 3, 2] with its channels last, with four 3x3 filters on a GPU, in tf32: cuDNN computes it, with a workspace.
///   y[c] = min(max(the sum of what lies under the window in channel c % 2, + c + 1, 0), 20) of every second row and column, zeros around
plan::Plan convolutionPlan();

} // namespace tenon::test
