// What a tuning process and a measuring process say to each other: JSON, one object a line.
//
//   job:     {"kind": 0, "plans": ["/tmp/x/0.plan", ...], "threads": 2, "verify": true, "seconds": 1.5, "tolerance": 0}
//   events:  {"at": 3, "limit": 1.2}          plan 3 runs now; longer than 1.2 s means that it hangs
//            {"failure": "..."}               why this process ends now, with the plan that runs
//   result:  {"results": [{"ns": 1200, "runs": 24, "problem": "", "kernels": [["conv_0", 1200]]}, ...]}
#pragma once
#include "tenon/tuner.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

std::string jobLine(const MeasureJob &job);
/// Throws Failure where `line` is no job.
MeasureJob parseJob(const std::string &line);

struct MeasureEvent {
  size_t plan = 0;
  double limit = 0; ///< seconds
};
std::string eventLine(const MeasureEvent &event);
std::string failureLine(const std::string &why);
std::string resultLine(const std::vector<Measured> &results);

/// What a line of a measuring process says; nothing of it where it is not understood.
struct MeasureReply {
  std::optional<MeasureEvent> event;
  std::optional<std::string> failure;
  std::optional<std::vector<Measured>> results;
};
MeasureReply parseReply(const std::string &line);

} // namespace tenon::driver
