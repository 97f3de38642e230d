#include "tools/tenon/quantize/Recipe.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Table.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace tenon::driver {
namespace {

using Json = nlohmann::json;

/// As a message quotes it.
std::string quoted(const Json &json) {
  constexpr size_t kMost = 60;
  return foreignText(json.dump(-1, ' ', false, Json::error_handler_t::replace), kMost);
}

/// A text that knows on which line what was read last ends: nlohmann's library does not say where values lie.
class CountingIterator {
public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char *;
  using reference = const char &;

  CountingIterator(const char *at, size_t *line) : at(at), line(line) {}
  reference operator*() const { return *at; }
  CountingIterator &operator++() {
    *line += *at++ == '\n';
    return *this;
  }
  bool operator==(const CountingIterator &other) const { return at == other.at; }
  bool operator!=(const CountingIterator &other) const { return at != other.at; }

private:
  const char *at;
  size_t *line;
};

class RecipeReader {
public:
  RecipeReader(const std::string &path, const QuantizableModel &model) : path(path) {
    for (const QuantizableLayer &layer : model.layers())
      layers.insert(layer.name);
    tensors.insert(model.allTensors().begin(), model.allTensors().end());
  }

  Recipe read(std::string_view text) {
    Json json = parsed(text);
    if (!json.is_object() || !json.contains("recipe") || json["recipe"] != 1)
      fail("is no recipe: " + (json.is_object() && json.contains("recipe") ? "its \"recipe\" is " + quoted(json["recipe"]) : json.is_object() ? "it has no \"recipe\"" : "it holds " + quoted(json)) +
           "; an object with \"recipe\": 1 was expected, as --save-recipe writes it");
    std::vector<const char *> known{"recipe", "model", "layers", "tensors", kEqualization};
    for (const NamedTechnique &technique : kTechniques)
      known.push_back(technique.name);
    checkKeys(json, "the recipe", known);
    if (json.contains(kEqualization))
      recipe.techniques.equalization = json[kEqualization] == kDepthwise ? Equalization::Depthwise : *equalizationFrom(truthOf(json[kEqualization], kEqualization));
    for (const NamedTechnique &technique : kTechniques)
      if (json.contains(technique.name))
        recipe.techniques.*technique.value = truthOf(json[technique.name], technique.name);
    readEntries(json, "layers", &RecipeReader::readLayer);
    readEntries(json, "tensors", &RecipeReader::readTensor);
    return recipe;
  }

private:
  [[noreturn]] void fail(const std::string &message) const { throw Failure(path + ": " + (line ? "line " + std::to_string(line) + ": " : "") + message); }

  /// Notes on which line each entry of a list begins.
  Json parsed(std::string_view text) {
    size_t current = 1;
    std::string list;
    auto note = [&](int depth, Json::parse_event_t event, Json &value) {
      constexpr int kOfLists = 1, kOfEntries = 2;
      if (depth == kOfLists && event == Json::parse_event_t::key)
        list = value.get<std::string>();
      if (depth == kOfEntries && (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start || event == Json::parse_event_t::value))
        lines[list].push_back(current);
      return true;
    };
    try {
      return Json::parse(CountingIterator(text.data(), &current), CountingIterator(text.data() + text.size(), &current), note);
    } catch (const Json::exception &problem) {
      constexpr size_t kMost = 200;
      std::string_view said = problem.what(); // "[json.exception.parse_error.101] parse error at line 2, column 3: ..."
      fail("is no recipe: " + foreignText(std::string(said.substr(std::min(said.find("] ") + 2, said.size()))), kMost));
    }
  }

  void readEntries(const Json &json, const char *key, void (RecipeReader::*read)(const Json &)) {
    const std::vector<size_t> &begins = lines[key];
    Json entries = listOf(json, key);
    for (size_t i = 0; i < entries.size(); i++) {
      line = i < begins.size() ? begins[i] : 0;
      (this->*read)(entries[i]);
    }
    line = 0;
  }

  /// A misspelt key would change nothing.
  void checkKeys(const Json &entry, const std::string &where, const std::vector<const char *> &known) const {
    for (const auto &[key, value] : entry.items())
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        std::string names;
        for (const char *name : known)
          names += (names.empty() ? "\"" : ", \"") + std::string(name) + "\"";
        fail(where + " has an unknown key " + quoted(Json(key)) + "; the known ones are " + names);
      }
  }

  Json listOf(const Json &json, const char *key) const {
    if (!json.contains(key))
      return Json::array();
    if (!json[key].is_array())
      fail(std::string("\"") + key + "\" is " + quoted(json[key]) + "; a list of objects with a \"name\" was expected");
    return json[key];
  }

  bool truthOf(const Json &json, const char *key) const {
    if (!json.is_boolean())
      fail(std::string("\"") + key + "\" is " + quoted(json) + "; true or false was expected");
    return json;
  }

  std::string nameOf(const Json &entry, const char *what, const std::set<std::string> &known) const {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
      fail(std::string("a ") + what + " has no \"name\", which is a text: " + quoted(entry));
    std::string name = entry["name"];
    if (!known.contains(name))
      fail(std::string("the model has no ") + what + " '" + foreignText(name, kShown) + "' to quantize; tenon quantize --json lists those it has");
    return name;
  }

  void readLayer(const Json &entry) {
    std::string name = nameOf(entry, "layer", layers);
    checkKeys(entry, "layer '" + name + "'", {"name", "bits", "input", "error"});
    Json bits = entry.contains("bits") ? entry["bits"] : Json(kQuantizedBits);
    if (bits != kQuantizedBits && bits != kHalfBits && bits != kFloatBits)
      fail("layer '" + name + "' has \"bits\": " + quoted(bits) + "; 8, 16 (f16) or 32 (f32) was expected");
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
        fail("tensor '" + name + "' has the \"method\" " + quoted(entry["method"]) + "; the methods are " + rangeMethodNames());
    }
    if (entry.contains("low") != entry.contains("high"))
      fail("tensor '" + name + "' has one end of a range, " + quoted(entry) + "; \"low\" and \"high\", or neither, were expected");
    if (entry.contains("low")) {
      Range range{numberOf(entry["low"], name), numberOf(entry["high"], name)};
      if (!(range.low <= 0 && range.high >= 0))
        fail("tensor '" + name + "': its range from " + quoted(entry["low"]) + " to " + quoted(entry["high"]) + " does not hold 0; \"low\" <= 0 <= \"high\" was expected");
      tensor.range = range;
    }
    if (!recipe.tensors.emplace(name, tensor).second)
      fail("tensor '" + name + "' is listed twice");
  }

  double numberOf(const Json &number, const std::string &tensor) const {
    constexpr double kLargest = 3.4e38; // f32
    if (!number.is_number() || !(std::abs(number.get<double>()) <= kLargest))
      fail("tensor '" + tensor + "': " + quoted(number) + " in its range; \"low\" and \"high\" must be numbers of f32");
    return number;
  }

  static constexpr size_t kShown = 80; // of a name in a message
  std::string path;
  std::set<std::string> layers, tensors;
  std::map<std::string, std::vector<size_t>> lines; // on which the entries of each list begin
  size_t line = 0;                                  // of the entry that is read; 0: none
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
