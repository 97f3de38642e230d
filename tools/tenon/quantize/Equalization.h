// Channels of a tensor brought to like ranges, so that one scale for all of them wastes less: cross-layer equalization between convolutions, and
// SmoothQuant's migration from activations into weights between normalizations and products.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/RowSample.h"
#include "tools/tenon/quantize/Techniques.h"

namespace tenon::driver {

struct Equalized {
  std::string model;     // what the float model computes, with other constants
  size_t groups = 0;     // of tensors whose channels were scaled
  size_t candidates = 0; // that could have been
};

/// A channel's scale is a power of its largest input over a power of the largest weight that reads it (G. Xiao et al., SmoothQuant, 2022): of several
/// powers each group of tensors takes the one with the least error of the layers that read it, on these rows (by layer), or none.
Equalized equalize(const QuantizableModel &model, Equalization which, const std::vector<RowSample> &rows, uint32_t threads);
/// Whether there are tensors to scale at all.
bool canEqualize(const QuantizableModel &model, Equalization which);

} // namespace tenon::driver
