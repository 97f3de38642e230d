// The convolution of a narrow kernel.
//
// In a channels-last image the taps of one row of the filter and their channels are one run of memory: the result is a sum of dot products of such
// runs with the filter's rows [output channel][row][tap, input channel].
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "passes/6_codegen/cpu/SlidingWindow.h"

namespace tenon::cpu {

struct NarrowProblem {
  nn::ConvOp conv;
  WindowAxis vertical, horizontal;
  int64_t channels = 0, inputChannels = 0;
  int64_t width = 0, columns = 0; // of the input and of the result
  bool padded = false;            // some windows reach over the image's left or right border

  /// None if the kernel is anything else, or does not gain by it.
  static std::optional<NarrowProblem> of(kernel::FuncOp func, const Target &target);

  int64_t run() const { return horizontal.size * inputChannels; } // elements of one row of the window
  /// The filter's order in memory: [channel][row][tap, input channel].
  kernel::PackingAttr packing();
  /// Pixels of one step: accumulators for all channels of each stay in registers.
  int64_t mostPixels(const Target &target) const;
};

} // namespace tenon::cpu
