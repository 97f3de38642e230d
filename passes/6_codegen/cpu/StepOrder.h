// The order in which a recurrent layer takes the elements of a sequence.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Where a step of `steps` lies in the sequence. `number`: of two directions the second one is backward.
inline Index timeOfStep(KernelBuilder &b, nn::Direction direction, Index number, Index steps, Index step) {
  Index backward = b.sub(b.sub(steps, 1), step);
  if (direction == nn::Direction::Reverse)
    return backward;
  if (direction == nn::Direction::Forward)
    return step;
  return b.select(b.equal(number, 0), step, backward);
}

} // namespace tenon::cpu
