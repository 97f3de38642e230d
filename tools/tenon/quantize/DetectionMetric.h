// Average precision of a detection model's boxes.
#pragma once
#include "tools/tenon/quantize/AveragePrecision.h"
#include "tools/tenon/quantize/Metric.h"

namespace tenon::driver {

/// A box of a sample, in the pixels of the model's input.
struct SampleBox {
  size_t sample = 0;
  LabelledBox labelled;
};

/// Text with "SAMPLE CLASS X0 Y0 X1 Y1" on each line, samples counted from 0, or an .npy of f32 or f64 [boxes, 6] with these columns. Throws Failure.
std::vector<SampleBox> readBoxes(const std::string &path);

enum class DetectionOverlaps { Coco, Half }; // IoU of 0.50 to 0.95, or 0.50 alone

/// AP of the first output, f32, samples along the first axis: [samples, 4 + classes, boxes], the rows centre x, centre y, width, height and a score for each
/// class, as YOLO's heads give it (scores above 0.001 count, and boxes that overlap a better one of their class by more than 0.7 do not); or
/// [samples, boxes, 6], the columns x0, y0, x1, y1, score, class. At most 300 boxes a sample.
std::unique_ptr<Metric> detectionPrecision(DetectionOverlaps overlaps, std::vector<SampleBox> boxes, const std::string &boxesName, const MetricSetting &setting);

} // namespace tenon::driver
