// A kernel for GPUs against its reference, with one schedule of each way to compute it.
#pragma once
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {

struct GpuCheck {
  std::string family; // whose schedules are tried
  std::vector<std::string> targets = {"cuda:sm_90a"};
  /// Parameters of a schedule, "tma = 1, splits = 2": of each the family's first one that has them, which must exist. Empty: the first of all.
  std::vector<std::string> ways = {""};
  /// Instead of those that the family proposes, which takes some for larger kernels only: parameters, "rows = 4, lanes = 2".
  std::vector<std::string> given = {};
  double tolerance = 1e-3; // of the largest element: sums are f32, what lies between kernels' ops is rounded to halves
  bool onCpu = false;      // as in KernelCheck
  Sizes sizes = Sizes();

  void operator()(const std::string &text) const;

private:
  void check(const std::string &text, const std::string &target, const std::string &schedule) const;
};

/// A convolution of pixels with channels last: arguments %x, %w and %b, result %0.
std::string convolution(llvm::ArrayRef<int64_t> image, llvm::ArrayRef<int64_t> filter, int64_t stride, int64_t pad, llvm::StringRef element = "f16",
                        int64_t groups = 1);

/// The same with its product, or convolution, by the leading bits of f32 alone.
std::string inTf32(std::string text);

} // namespace tenon::test
