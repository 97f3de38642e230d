#include "tools/tenon/quantize/MetricChoice.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/quantize/DetectionMetric.h"
#include "tools/tenon/quantize/Labels.h"
#include "tools/tenon/quantize/ScriptMetric.h"

#include <charconv>

namespace tenon::driver {
namespace {

MetricMaker byScript(const MetricOptions &options, const MetricSetting &setting) {
  if (!options.name.empty() || !options.labels.empty())
    throw UsageFailure("--evaluate measures by itself: it goes with neither --metric nor --labels");
  ScriptSetting script{options.script, setting.model, parseDuration(options.limit)};
  if (!(script.limit > 0))
    throw UsageFailure("--evaluate-limit is more than 0");
  return [=](const std::string &) { return scriptMetric(script); };
}

} // namespace

MetricMaker chooseMetric(const MetricOptions &options, const MetricSetting &setting) {
  if (!options.script.empty())
    return byScript(options, setting);
  const std::string name = !options.name.empty() ? options.name : options.labels.empty() ? "cosine" : "top1";
  if (name == "cosine" || name == "relative-error") {
    if (!options.labels.empty())
      throw UsageFailure("--metric " + name + " takes no --labels; with them, the metric is top1, top5, or any other top and a number, ap or ap50");
    Agreement kind = name == "cosine" ? Agreement::Cosine : Agreement::RelativeError;
    return [=](const std::string &floatModel) { return agreementWith(floatModel, kind, setting); };
  }
  size_t k = 0;
  const char *digits = name.data() + 3, *end = name.data() + name.size();
  bool isTop = name.starts_with("top") && std::from_chars(digits, end, k).ptr == end && k > 0, isPrecision = name == "ap" || name == "ap50";
  if (!isTop && !isPrecision)
    throw UsageFailure("--metric '" + name + "': the metrics are cosine and relative-error and, with --labels, top1, top5, or any other top and a number, ap and ap50");
  if (options.labels.empty())
    throw UsageFailure("--metric " + name + " counts right answers: --labels is missing");
  if (isTop)
    return [=, labels = readLabels(options.labels), file = options.labels](const std::string &) { return topK(k, labels, file, setting); };
  DetectionOverlaps overlaps = name == "ap" ? DetectionOverlaps::Coco : DetectionOverlaps::Half;
  return [=, boxes = readBoxes(options.labels), file = options.labels](const std::string &) { return detectionPrecision(overlaps, boxes, file, setting); };
}

} // namespace tenon::driver
