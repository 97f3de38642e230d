// Average precision of detections, as COCO defines it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace tenon::driver {

struct Box {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

struct LabelledBox {
  Box box;
  int64_t label = 0;
};

struct Detection {
  Box box;
  int64_t label = 0;
  double score = 0;
};

/// Largest `score` first; equal ones stay in their order.
template <typename Scored> void sortBestFirst(std::vector<Scored> &items) {
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < items.size(); i++)
    order.emplace_back(-items[i].score, i);
  std::sort(order.begin(), order.end());
  std::vector<Scored> sorted;
  sorted.reserve(items.size());
  for (const auto &[score, place] : order)
    sorted.push_back(items[place]);
  items = std::move(sorted);
}

/// The shared area, relative to that of both together.
double overlapOf(const Box &a, const Box &b);

/// Detections that overlap a better one of their class by more than `most` are left out; best first.
std::vector<Detection> withoutDoubles(std::vector<Detection> detections, double most);

/// An image: what was found, best first, and what is there.
struct DetectedImage {
  std::vector<Detection> found;
  std::vector<LabelledBox> truth;
};

/// The mean over classes that are there, over the given overlaps, and over 101 recalls of the best precision at that recall or a larger one. In an image
/// the 100 best detections of a class count; each box is found once, by the best detection that overlaps it enough. 0 where no image has a box.
double averagePrecision(std::span<const DetectedImage> images, std::span<const double> overlaps);

/// 0.50, 0.55, ... 0.95.
std::span<const double> cocoOverlaps();

} // namespace tenon::driver
