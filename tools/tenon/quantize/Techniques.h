// What is done beyond ranges, most of it to lose less in 8 bits.
#pragma once
#include <optional>

namespace tenon::driver {

/// Whose channels are scaled to like ranges before anything else.
enum class Equalization {
  None,
  Depthwise, // tensors that only depthwise convolutions read, each of whose weights has a scale of its own: nothing is lost by it
  All,       // all where the layers' results come closer on samples
};

/// Each is asked for, ruled out, or left to the next one who may decide: options, the recipe, and then what is usual.
struct Techniques {
  std::optional<Equalization> equalization;
  std::optional<bool> biasCorrection;   // biases take the mean of the error of each channel's results
  std::optional<bool> adaptiveRounding; // weights are rounded for the layer's results, not each for itself
  std::optional<bool> symmetric;        // 0 of tensors is the middle of their 256 steps, which are bytes with a sign
  std::optional<bool> float8;           // tensors and weights become floats of 8 bits (e4m3), which lie on both sides of 0 anyway

  /// These, and what they leave open from `others`.
  Techniques orElse(const Techniques &others) const {
    return {equalization ? equalization : others.equalization, biasCorrection ? biasCorrection : others.biasCorrection,
            adaptiveRounding ? adaptiveRounding : others.adaptiveRounding, symmetric ? symmetric : others.symmetric, float8 ? float8 : others.float8};
  }
  /// Whether one of those that look at samples is asked for.
  bool needSamples() const { return equalization.value_or(Equalization::None) != Equalization::None || biasCorrection.value_or(false) || adaptiveRounding.value_or(false); }
};

/// "--equalization" asks for all, "--no-equalization" for none.
constexpr std::optional<Equalization> equalizationFrom(std::optional<bool> asked) {
  return asked ? std::optional(*asked ? Equalization::All : Equalization::None) : std::nullopt;
}

/// The name that recipes and reports give equalization, whose value is true, false, or this.
constexpr const char *kEqualization = "equalization", *kDepthwise = "depthwise";
/// The others, under the names there.
struct NamedTechnique {
  const char *name;
  std::optional<bool> Techniques::*value;
};
constexpr NamedTechnique kTechniques[] = {
    {"bias_correction", &Techniques::biasCorrection}, {"adaptive_rounding", &Techniques::adaptiveRounding}, {"symmetric_activations", &Techniques::symmetric}, {"fp8", &Techniques::float8}};

constexpr Techniques kUsualTechniques{Equalization::Depthwise, false, false, false, false};

} // namespace tenon::driver
