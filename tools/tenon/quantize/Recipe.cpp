#include "tools/tenon/quantize/Recipe.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace tenon::driver {
namespace {

using Json = nlohmann::json;

class RecipeReader {
public:
  RecipeReader(const std::string &path, const QuantizableModel &model) : path(path) {
    for (const QuantizableLayer &layer : model.layers())
      layers.insert(layer.name);
    tensors.insert(model.allTensors().begin(), model.allTensors().end());
  }

  Recipe read(std::string_view text) {
    Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("recipe") || json["recipe"] != 1)
      fail("is no recipe: JSON with \"recipe\": 1 was expected, as --save-recipe writes it");
    std::vector<const char *> known{"recipe", "model", "layers", "tensors", kEqualization};
    for (const NamedTechnique &technique : kTechniques)
      known.push_back(technique.name);
    checkKeys(json, "the recipe", known);
    if (json.contains(kEqualization))
      recipe.techniques.equalization = json[kEqualization] == kDepthwise ? Equalization::Depthwise : *equalizationFrom(truthOf(json[kEqualization], kEqualization));
    for (const NamedTechnique &technique : kTechniques)
      if (json.contains(technique.name))
        recipe.techniques.*technique.value = truthOf(json[technique.name], technique.name);
    for (const Json &layer : listOf(json, "layers"))
      readLayer(layer);
    for (const Json &tensor : listOf(json, "tensors"))
      readTensor(tensor);
    return recipe;
  }

private:
  [[noreturn]] void fail(const std::string &message) const { throw Failure(path + ": " + message); }

  /// A misspelt key would change nothing.
  void checkKeys(const Json &entry, const std::string &where, const std::vector<const char *> &known) const {
    for (const auto &[key, value] : entry.items())
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        std::string names;
        for (const char *name : known)
          names += (names.empty() ? "\"" : ", \"") + std::string(name) + "\"";
        fail(where + " has an unknown key " + Json(key).dump(-1, ' ', true, Json::error_handler_t::replace) + "; the known ones are " + names);
      }
  }

  Json listOf(const Json &json, const char *key) const {
    if (!json.contains(key))
      return Json::array();
    if (!json[key].is_array())
      fail(std::string("\"") + key + "\" is no list; one of objects with a \"name\" was expected");
    return json[key];
  }

  bool truthOf(const Json &json, const char *key) const {
    if (!json.is_boolean())
      fail(std::string("\"") + key + "\" is neither true nor false");
    return json;
  }

  std::string nameOf(const Json &entry, const char *what, const std::set<std::string> &known) const {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
      fail(std::string("a ") + what + " has no \"name\"");
    std::string name = entry["name"];
    if (!known.contains(name))
      fail(std::string("the model has no ") + what + " '" + name + "' to quantize; tenon quantize --json lists those it has");
    return name;
  }

  void readLayer(const Json &entry) {
    std::string name = nameOf(entry, "layer", layers);
    checkKeys(entry, "layer '" + name + "'", {"name", "bits", "input", "error"});
    Json bits = entry.contains("bits") ? entry["bits"] : Json(kQuantizedBits);
    if (bits != kQuantizedBits && bits != kHalfBits && bits != kFloatBits)
      fail("layer '" + name + "' has \"bits\": " + bits.dump(-1, ' ', true, Json::error_handler_t::replace) + "; 8, 16 (f16) or 32 (f32) was expected");
    if (!recipe.bits.emplace(name, bits.get<int>()).second)
      fail("layer '" + name + "' is listed twice");
  }

  void readTensor(const Json &entry) {
    std::string name = nameOf(entry, "tensor", tensors);
    checkKeys(entry, "tensor '" + name + "'", {"name", "method", "low", "high"});
    Recipe::Tensor tensor;
    if (entry.contains("method")) {
      tensor.method = entry["method"].is_string() ? rangeMethodNamed(entry["method"]) : std::nullopt;
      if (!tensor.method)
        fail("tensor '" + name + "' has an unknown \"method\"; the methods are " + rangeMethodNames());
    }
    if (entry.contains("low") != entry.contains("high"))
      fail("tensor '" + name + "' has one end of a range; \"low\" and \"high\", or neither, were expected");
    if (entry.contains("low")) {
      Range range{numberOf(entry["low"], name), numberOf(entry["high"], name)};
      if (!(range.low <= 0 && range.high >= 0))
        fail("tensor '" + name + "': its range does not hold 0; \"low\" <= 0 <= \"high\" was expected");
      tensor.range = range;
    }
    if (!recipe.tensors.emplace(name, tensor).second)
      fail("tensor '" + name + "' is listed twice");
  }

  double numberOf(const Json &number, const std::string &tensor) const {
    constexpr double kLargest = 3.4e38; // f32
    if (!number.is_number() || !(std::abs(number.get<double>()) <= kLargest))
      fail("tensor '" + tensor + "': \"low\" and \"high\" are not both numbers of f32");
    return number;
  }

  std::string path;
  std::set<std::string> layers, tensors;
  Recipe recipe;
};

} // namespace

Recipe parseRecipe(std::string_view text, const std::string &path, const QuantizableModel &model) { return RecipeReader(path, model).read(text); }

QuantizableModel::Floats Recipe::inFloat(const QuantizableModel &model) const {
  QuantizableModel::Floats floats;
  for (const QuantizableLayer &layer : model.layers())
    floats.push_back(bitsOf(layer).value_or(kQuantizedBits) != kQuantizedBits);
  return floats;
}

std::optional<int> Recipe::bitsOf(const QuantizableLayer &layer) const {
  auto known = bits.find(layer.name);
  return known == bits.end() ? std::nullopt : std::optional(known->second);
}

} // namespace tenon::driver
