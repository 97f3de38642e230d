// A depthwise convolution with the 1x1 convolution before it, the one after it, or both: the blocks of mobile networks.
//
//   expand:    e[y, x, c] = f(sum over k of in[y, x, k] * w[k, c])      optional
//   depthwise: d[y, x, c] = g(sum over taps of e[.., .., c] * v[tap, c])
//   project:   out[y, x, n] = h(sum over c of d[y, x, c] * u[c, n])     optional
//
// f, g and h are programs of elementwise ops. e and d exist as a few rows in a task's workspace only.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"

namespace tenon::cpu {

struct ChainProblem {
  nn::ConvOp expand, depthwise, project; // the first or the last may be null

  /// The chain that a kernel is; none where it is something else, or has a form that is not computed here: only the batch may be free.
  static std::optional<ChainProblem> of(kernel::FuncOp func);

  bool hasExpand() const { return expand != nullptr; }
  bool hasProject() const { return project != nullptr; }
  nn::ConvOp first() const { return hasExpand() ? expand : depthwise; }
  nn::ConvOp last() const { return hasProject() ? project : depthwise; }
  mlir::MLIRContext *context() const { return nn::ConvOp(depthwise).getContext(); }
  /// Every filter is a constant argument, or a packed one.
  bool filtersConstant() const;

  nn::Dim batch() const;
  int64_t height() const; // of what the depthwise convolution reads
  int64_t width() const;
  int64_t outHeight() const;
  int64_t outWidth() const;
  int64_t channels() const; // of the depthwise convolution
  int64_t stride() const { return nn::ConvOp(depthwise).getStrides()[0]; }
  int64_t pad() const { return nn::ConvOp(depthwise).getPads()[0]; }
  /// Rows of its input that one row of the depthwise convolution reads.
  int64_t window() const;
  int64_t windowWidth() const; // taps of one of them
  int64_t tapCount() const;
};

/// Input and output channels of a 1x1 convolution.
int64_t depthOf(nn::ConvOp pointwise);
int64_t columnsOf(nn::ConvOp pointwise);

} // namespace tenon::cpu
