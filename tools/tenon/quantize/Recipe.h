// What was decided for each layer and tensor: saved as JSON, edited by people, applied again.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/Techniques.h"

#include <optional>

namespace tenon::driver {

/// {"recipe": 1, "layers": [{"name": …, "bits": 8, 16 or 32}, …], "tensors": [{"name": …, "method": …, "low": …, "high": …}, …]}. Layers that are not
/// listed take 8 bits. Beside these lists, "bias_correction" and "adaptive_rounding" are true or false, and "equalization" is one of these or "depthwise"; none is kept
/// in numbers, so that they need samples. "symmetric_activations" does not.
/// A tensor without low and high is calibrated, by its method if it names one. Other keys are for people and are not read.
struct Recipe {
  struct Tensor {
    std::optional<RangeMethod> method;
    std::optional<Range> range;
  };
  std::map<std::string, int> bits; // by layer
  std::map<std::string, Tensor> tensors;
  Techniques techniques;

  /// Layers that do not take 8 bits.
  QuantizableModel::Floats inFloat(const QuantizableModel &model) const;
  /// None where the recipe does not say.
  std::optional<int> bitsOf(const QuantizableLayer &layer) const;
};

/// Throws Failure, naming `path`, where the text is no recipe, or speaks of layers or tensors that the model does not have.
Recipe parseRecipe(std::string_view text, const std::string &path, const QuantizableModel &model);

constexpr int kFloatBits = 32, kHalfBits = 16, kQuantizedBits = 8;

} // namespace tenon::driver
