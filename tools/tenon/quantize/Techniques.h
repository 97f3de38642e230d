// What is done beyond ranges to lose less in 8 bits.
#pragma once
#include <optional>

namespace tenon::driver {

/// Each is asked for, ruled out, or left to the next one who may decide: options, the recipe, and then what is usual.
struct Techniques {
  std::optional<bool> equalization;     // channels are scaled to like ranges before anything else
  std::optional<bool> biasCorrection;   // biases take the mean of the error of each channel's results
  std::optional<bool> adaptiveRounding; // weights are rounded for the layer's results, not each for itself

  /// These, and what they leave open from `others`.
  Techniques orElse(const Techniques &others) const {
    return {equalization ? equalization : others.equalization, biasCorrection ? biasCorrection : others.biasCorrection, adaptiveRounding ? adaptiveRounding : others.adaptiveRounding};
  }
  /// Whether one of them is asked for: all look at samples.
  bool needSamples() const { return equalization.value_or(false) || biasCorrection.value_or(false) || adaptiveRounding.value_or(false); }
};

/// One of them under the name that recipes and reports give it.
struct NamedTechnique {
  const char *name;
  std::optional<bool> Techniques::*value;
};
constexpr NamedTechnique kTechniques[] = {{"equalization", &Techniques::equalization}, {"bias_correction", &Techniques::biasCorrection}, {"adaptive_rounding", &Techniques::adaptiveRounding}};

constexpr Techniques kUsualTechniques{false, false, false};

} // namespace tenon::driver
