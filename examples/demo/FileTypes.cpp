#include "FileTypes.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

static nlohmann::json readJson(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    throw std::runtime_error(path + ": cannot be opened");
  return nlohmann::json::parse(file);
}

FileTypes::FileTypes(const std::string &configPath, const std::string &descriptionsPath) {
  nlohmann::json config = readJson(configPath);
  features = {config.at("beg_size"), config.at("end_size"), config.at("block_size"), config.at("padding_token"), config.at("min_file_size_for_dl")};
  labels = config.at("target_labels_space");
  thresholds = config.at("thresholds");
  overwrites = config.at("overwrite_map");
  threshold = config.at("medium_confidence_threshold");
  nlohmann::json types = readJson(descriptionsPath);
  for (const auto &[label, type] : types.items())
    if (type.contains("description") && type["description"].is_string())
      texts[label] = type["description"];
}

FileType FileTypes::best(std::span<const float> scores) const {
  size_t index = size_t(std::max_element(scores.begin(), scores.end()) - scores.begin());
  FileType type;
  type.label = labels.at(index);
  type.score = scores[index];
  auto own = thresholds.find(type.label);
  type.certain = type.score >= (own == thresholds.end() ? threshold : own->second);
  if (auto other = overwrites.find(type.label); other != overwrites.end())
    type.label = other->second;
  auto text = texts.find(type.label);
  type.description = text == texts.end() ? type.label : text->second;
  return type;
}
