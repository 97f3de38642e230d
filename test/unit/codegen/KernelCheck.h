// Runs a kernel on random inputs and compares it with the reference.
#pragma once
#include "test/unit/codegen/KernelHarness.h"
#include "test/unit/codegen/Reference.h"

namespace tenon::test {

/// An empty string if every result of the kernel agrees with the reference, relative to the largest element; else what went wrong.
/// Arguments are drawn from a normal distribution; integers from [0, `largestInteger`], booleans evenly.
/// Kernels for GPUs run in both orders of gpu/Machine.h. `schedule` as in KernelHarness::compile. With `inPlace` results take the memory of the
/// arguments that the plan lets them overwrite.
struct KernelCheck {
  std::string schedule;
  std::string target = "native"; // one whose code runs here
  Sizes sizes;
  double tolerance = 3e-6;
  int64_t largestInteger = 4;
  bool inPlace = false;
  bool onCpu = false; // of a kernel for a GPU: what the CPU's general road gives is expected, whatever the ops

  std::string operator()(const std::string &text) const;
};

/// The schedules that the family of a kernel proposes, best first, as text; at most `limit` of them, evenly taken.
std::vector<std::string> schedulesOf(const std::string &text, size_t limit, const std::string &target = "native");

/// Those of AVX2 and AVX-512 whose code runs here, or "native" where neither does.
std::vector<std::string> runnableTargets();

/// "array<i64: 2, 3>"
std::string array(llvm::ArrayRef<int64_t> values);

/// "tensor<2x3xf32>"
std::string tensor(llvm::ArrayRef<int64_t> shape, llvm::StringRef element = "f32");

} // namespace tenon::test
