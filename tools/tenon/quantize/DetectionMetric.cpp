#include "tools/tenon/quantize/DetectionMetric.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/CompiledModel.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

constexpr size_t kMostCandidates = 30000, kMostBoxes = 300;
constexpr double kLeastScore = 0.001, kMostOverlap = 0.7;

/// The numbers of one sample: [rows, columns].
struct Scores {
  const float *values;
  size_t rows, columns;
  double at(size_t row, size_t column) const { return double(values[row * columns + column]); }
};

void keepBest(std::vector<Detection> &detections, size_t most) {
  sortBestFirst(detections);
  if (detections.size() > most)
    detections.resize(most);
}

/// Rows: centre x, centre y, width, height, and a score for each class.
std::vector<Detection> fromHead(const Scores &head) {
  std::vector<Detection> candidates;
  for (size_t row = 4; row < head.rows; row++)
    for (size_t i = 0; i < head.columns; i++) {
      double score = head.at(row, i), x = head.at(0, i), y = head.at(1, i), w = head.at(2, i) / 2, h = head.at(3, i) / 2;
      if (score > kLeastScore)
        candidates.push_back({{x - w, y - h, x + w, y + h}, int64_t(row - 4), score});
    }
  keepBest(candidates, kMostCandidates);
  return withoutDoubles(std::move(candidates), kMostOverlap);
}

/// Columns: x0, y0, x1, y1, score, class.
std::vector<Detection> fromRows(const Scores &rows) {
  std::vector<Detection> detections;
  for (size_t i = 0; i < rows.rows; i++) {
    double label = rows.at(i, 5), score = rows.at(i, 4);
    constexpr double kLargestLabel = 1 << 24; // f32 holds whole numbers up to here
    if (score > kLeastScore && label >= 0 && label <= kLargestLabel)
      detections.push_back({{rows.at(i, 0), rows.at(i, 1), rows.at(i, 2), rows.at(i, 3)}, int64_t(label), score});
  }
  return detections;
}

class DetectionMetric : public Metric {
public:
  DetectionMetric(DetectionOverlaps overlaps, std::vector<SampleBox> boxes, std::string boxesName, const MetricSetting &setting)
      : overlaps(overlaps), boxes(std::move(boxes)), boxesName(std::move(boxesName)), setting(setting) {}

  std::string name() const override { return overlaps == DetectionOverlaps::Coco ? "ap" : "ap50"; }

  double score(const std::string &model) override {
    CompiledModel compiled(model, setting.model, setting.threads);
    setting.samples->start(compiled.inputs());
    std::vector<DetectedImage> images;
    for (std::vector<HostTensor> *inputs; (inputs = setting.samples->next());) {
      int64_t run = int64_t(images.size()) / std::max<int64_t>(samplesIn(*inputs), 1);
      requireFinite(*inputs, compiled.inputs(), setting.samples->name(), run);
      detect(compiled.run(*inputs, "run " + std::to_string(run) + " of " + setting.samples->name()).front(), size_t(samplesIn(*inputs)), images);
    }
    for (const SampleBox &box : boxes) {
      if (box.sample >= images.size())
        throw Failure(boxesName + ": has a box of sample " + std::to_string(box.sample) + "; " + setting.samples->name() + " holds " + std::to_string(images.size()) + " samples");
      images[box.sample].truth.push_back(box.labelled);
    }
    std::span<const double> wanted = cocoOverlaps();
    return averagePrecision(images, overlaps == DetectionOverlaps::Coco ? wanted : wanted.first(1));
  }

private:
  void detect(const tn_tensor &output, size_t samples, std::vector<DetectedImage> &images) const {
    bool fits = output.dtype == TN_F32 && output.rank == 3 && size_t(output.dims[0]) == samples;
    size_t rows = fits ? size_t(output.dims[1]) : 0, columns = fits ? size_t(output.dims[2]) : 0;
    bool areRows = columns == 6, isHead = !areRows && rows > 4;
    if (!areRows && !isHead)
      throw Failure(setting.model + ": the first output is " + typeText(output.dtype, dimsOf(output)) +
                    "; f32[samples, 4 + classes, boxes] or f32[samples, boxes, 6] was expected to measure AP. Measure other outputs with --evaluate");
    for (size_t i = 0; i < samples; i++) {
      Scores scores{static_cast<const float *>(output.data) + i * rows * columns, rows, columns};
      std::vector<Detection> found = areRows ? fromRows(scores) : fromHead(scores);
      keepBest(found, kMostBoxes);
      images.push_back({std::move(found), {}});
    }
  }

  DetectionOverlaps overlaps;
  std::vector<SampleBox> boxes;
  std::string boxesName;
  MetricSetting setting;
};

} // namespace

std::unique_ptr<Metric> detectionPrecision(DetectionOverlaps overlaps, std::vector<SampleBox> boxes, const std::string &boxesName, const MetricSetting &setting) {
  return std::make_unique<DetectionMetric>(overlaps, std::move(boxes), boxesName, setting);
}

} // namespace tenon::driver
