// How far a tensor is from the one it stands for.
#pragma once
#include "tenon/runtime.h"

namespace tenon::driver {

struct OutputDistance {
  double cosine = 1;   // of the angle between them
  double relative = 0; // |found - expected| / |expected|; infinite where expected is 0 and found is not
};

/// Of f32 tensors. Tensors of other shapes, and values that are not finite, are as far as can be: 0 and infinity.
OutputDistance distanceBetween(const tn_tensor &expected, const tn_tensor &found);

} // namespace tenon::driver
