// What the scores of Magika's model mean: the label of each, and when it is to be believed.
#pragma once
#include "FileFeatures.h"

#include <map>
#include <span>
#include <string>
#include <vector>

struct FileType {
  std::string label;       // "cpp"
  std::string description; // "C++ source"
  float score = 0;         // of the model, in [0, 1]
  bool certain = true;     // false: the score is too low, and the label is the model's best guess
};

class FileTypes {
public:
  /// Reads config.min.json (the model's) and content_types_kb.min.json (descriptions). Throws std::exception.
  FileTypes(const std::string &config, const std::string &descriptions);

  const FeatureSizes &sizes() const { return features; }
  size_t count() const { return labels.size(); }
  /// The type with the best of `count()` scores.
  FileType best(std::span<const float> scores) const;

private:
  FeatureSizes features;
  std::vector<std::string> labels;
  std::map<std::string, float> thresholds;
  std::map<std::string, std::string> overwrites, texts;
  float threshold = 0.5f;
};
