#include "tools/tenon/TuneReport.h"
#include "tools/tenon/Table.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

const char *stateText(KernelTuning::State state) {
  switch (state) {
  case KernelTuning::State::Tuned: return "all tried";
  case KernelTuning::State::Partial: return "time ran out";
  case KernelTuning::State::Cached: return "from the cache";
  case KernelTuning::State::NotReached: return "not reached";
  case KernelTuning::State::Failed: return "failed";
  }
  return "";
}

double gainOf(double untuned, double tuned) { return tuned > 0 ? untuned / tuned : 1; }

std::string gainText(double gain) { return numberText(gain, 2) + "x"; }

/// Of a gain too small for gainText.
std::string percentText(double gain) { return numberText(100 * (gain - 1), 1) + " % faster"; }

std::string minutesText(double seconds) {
  return seconds < 60 ? timeText(seconds) : std::to_string(int(seconds) / 60) + " min " + std::to_string(int(seconds) % 60) + " s";
}

} // namespace

void printTuneReport(const std::string &model, const TuneReport &report, int threads, bool everything) {
  constexpr size_t kShown = 15;
  size_t discarded = 0, cached = 0, missed = 0, known = 0;
  Table table({{"%", Align::Right}, {"untuned us", Align::Right}, {"tuned us", Align::Right}, {"gain", Align::Right}, {"tried", Align::Right}, {"state"}, {"family"}, {"kernel"}});
  for (const KernelTuning &kernel : report.kernels) {
    discarded += kernel.state == KernelTuning::State::Failed ? 0 : kernel.discarded.size();
    known += size_t(kernel.known);
    cached += kernel.state == KernelTuning::State::Cached;
    missed += kernel.state == KernelTuning::State::NotReached;
  }
  size_t shown = everything ? report.kernels.size() : std::min(kShown, report.kernels.size());
  for (size_t i = 0; i < shown; i++) {
    const KernelTuning &kernel = report.kernels[i];
    table.add({numberText(100 * kernel.share, 1), numberText(kernel.untunedNs * 1e-3, 1), numberText(kernel.ns * 1e-3, 1), gainText(gainOf(kernel.untunedNs, kernel.ns)),
               std::to_string(kernel.candidates), stateText(kernel.state), kernel.family, kernel.name});
  }
  std::fputs(table.text().c_str(), stdout);
  if (shown < report.kernels.size())
    std::printf("  and %zu more kernels (--all lists them)\n", report.kernels.size() - shown);
  for (const KernelTuning &kernel : report.kernels)
    for (const std::string &why : kernel.discarded)
      std::printf("  discarded for %s: %s\n", kernel.name.c_str(), why.c_str());
  std::printf("%s: %d schedules tried (%zu discarded) in %s with %d thread%s; %zu kernels, %zu known before, %zu not reached\n", model.c_str(), report.candidates, discarded,
              minutesText(report.seconds).c_str(), threads, threads == 1 ? "" : "s", report.kernels.size(), cached, missed);
  if (known)
    std::printf("  %zu schedules had been tried before, as the cache says\n", known);
  for (const NetworkChange &change : report.networkChanges)
    std::printf("  in the network %s for %s, instead of %s: %s\n", change.after.c_str(), change.kernel.c_str(), change.before.c_str(), percentText(change.gain).c_str());
  if (report.networkTrials > 0)
    std::printf("  in the network: %d other schedule%s tried, %zu kept: %s\n", report.networkTrials, report.networkTrials == 1 ? "" : "s", report.networkChanges.size(),
                percentText(report.networkGain).c_str());
  if (report.networkFailures > 0)
    std::printf("  in the network: %d of them could not be measured; the first: %s\n", report.networkFailures, report.networkProblem.c_str());
  if (report.tunedNs > 0 && report.untunedNs > 0)
    std::printf("  one run: untuned %s, tuned %s: %s (kernels alone say %s)\n", timeText(report.untunedNs * 1e-9).c_str(), timeText(report.tunedNs * 1e-9).c_str(),
                gainText(gainOf(report.untunedNs, report.tunedNs)).c_str(), gainText(report.predictedGain).c_str());
}

void printTuneJson(const std::string &model, const std::string &cache, const TuneReport &report, int threads) {
  nlohmann::ordered_json json;
  json["model"] = model;
  json["cache"] = cache;
  json["threads"] = threads;
  json["seconds"] = report.seconds;
  json["candidates"] = report.candidates;
  json["untuned_ms"] = report.untunedNs * 1e-6;
  json["tuned_ms"] = report.tunedNs * 1e-6;
  json["gain"] = gainOf(report.untunedNs, report.tunedNs);
  json["predicted_gain"] = report.predictedGain;
  nlohmann::ordered_json changes = nlohmann::ordered_json::array();
  for (const NetworkChange &change : report.networkChanges)
    changes.push_back({{"kernel", change.kernel}, {"before", change.before}, {"after", change.after}, {"gain", change.gain}});
  json["network"] = {{"tried", report.networkTrials},
                     {"gain", report.networkGain},
                     {"failed", report.networkFailures},
                     {"problem", report.networkProblem},
                     {"changes", changes}};
  json["kernels"] = nlohmann::ordered_json::array();
  for (const KernelTuning &kernel : report.kernels)
    json["kernels"].push_back({{"name", kernel.name},
                               {"family", kernel.family},
                               {"dispatches", kernel.dispatches},
                               {"share", kernel.share},
                               {"untuned_us", kernel.untunedNs * 1e-3},
                               {"tuned_us", kernel.ns * 1e-3},
                               {"candidates", kernel.candidates},
                               {"known", kernel.known},
                               {"state", stateText(kernel.state)},
                               {"discarded", kernel.discarded}});
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

} // namespace tenon::driver
