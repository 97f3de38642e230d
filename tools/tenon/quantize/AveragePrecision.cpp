#include "tools/tenon/quantize/AveragePrecision.h"

#include <array>
#include <set>

namespace tenon::driver {
namespace {

constexpr size_t kMostOfAClass = 100;
constexpr int kRecalls = 101;

double areaOf(const Box &box) { return (box.x1 - box.x0) * (box.y1 - box.y0); }

struct Outcome {
  double score;
  bool isRight;
};

/// For each detection of the class in an image, whether it is the first on a box.
void match(const DetectedImage &image, int64_t label, double overlap, std::vector<Outcome> &outcomes) {
  std::vector<const Box *> free;
  for (const LabelledBox &box : image.truth)
    if (box.label == label)
      free.push_back(&box.box);
  size_t left = kMostOfAClass;
  for (const Detection &detection : image.found) {
    if (detection.label != label)
      continue;
    if (left-- == 0)
      return;
    double best = -1;
    size_t place = 0;
    for (size_t i = 0; i < free.size(); i++)
      if (double shared = overlapOf(detection.box, *free[i]); shared > best)
        best = shared, place = i;
    bool isRight = best >= overlap;
    if (isRight)
      free.erase(free.begin() + ptrdiff_t(place));
    outcomes.push_back({detection.score, isRight});
  }
}

/// Outcomes of all images, best first, against the number of boxes.
double precisionOf(std::vector<Outcome> outcomes, size_t boxes) {
  sortBestFirst(outcomes);
  std::vector<double> recall, precision;
  size_t hits = 0;
  for (const Outcome &outcome : outcomes) {
    hits += outcome.isRight;
    recall.push_back(double(hits) / double(boxes));
    precision.push_back(double(hits) / double(recall.size()));
  }
  for (size_t i = precision.size(); i-- > 1;)
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (int i = 0; i < kRecalls; i++) {
    size_t at = size_t(std::lower_bound(recall.begin(), recall.end(), double(i) / (kRecalls - 1)) - recall.begin());
    sum += at < precision.size() ? precision[at] : 0;
  }
  return sum / kRecalls;
}

} // namespace

double overlapOf(const Box &a, const Box &b) {
  double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0 && height > 0))
    return 0;
  double shared = width * height;
  return shared / (areaOf(a) + areaOf(b) - shared);
}

std::vector<Detection> withoutDoubles(std::vector<Detection> detections, double most) {
  sortBestFirst(detections);
  std::vector<Detection> kept;
  for (const Detection &detection : detections) {
    bool isDouble = std::any_of(kept.begin(), kept.end(), [&](const Detection &better) {
      return better.label == detection.label && overlapOf(better.box, detection.box) > most;
    });
    if (!isDouble)
      kept.push_back(detection);
  }
  return kept;
}

double averagePrecision(std::span<const DetectedImage> images, std::span<const double> overlaps) {
  std::set<int64_t> labels;
  for (const DetectedImage &image : images)
    for (const LabelledBox &box : image.truth)
      labels.insert(box.label);
  double sum = 0;
  for (int64_t label : labels) {
    size_t boxes = 0;
    for (const DetectedImage &image : images)
      boxes += size_t(std::count_if(image.truth.begin(), image.truth.end(), [&](const LabelledBox &box) { return box.label == label; }));
    for (double overlap : overlaps) {
      std::vector<Outcome> outcomes;
      for (const DetectedImage &image : images)
        match(image, label, overlap, outcomes);
      sum += precisionOf(std::move(outcomes), boxes);
    }
  }
  return labels.empty() ? 0 : sum / double(labels.size() * overlaps.size());
}

std::span<const double> cocoOverlaps() {
  static constexpr std::array<double, 10> kOverlaps{0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95};
  return kOverlaps;
}

} // namespace tenon::driver
