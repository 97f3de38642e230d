#include "tools/tenon/MeasureProtocol.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/JsonNumber.h"

#include <limits>

namespace tenon::driver {
namespace {
using Json = nlohmann::json;

std::string line(const Json &json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}
} // namespace

std::string jobLine(const MeasureJob &job) {
  return line({{"kind", int(job.kind)},
               {"plans", job.plans},
               {"threads", job.threads},
               {"verify", job.verify},
               {"seconds", job.seconds},
               {"tolerance", job.tolerance}});
}

MeasureJob parseJob(const std::string &text) {
  try {
    Json json = Json::parse(text);
    MeasureJob job;
    job.kind = MeasureJob::Kind(wholeNumber(json.at("kind"), "job: kind", 0, int(MeasureJob::Kind::Profile)));
    job.plans = json.at("plans").get<std::vector<std::string>>();
    constexpr int kMostThreads = 4096;
    job.threads = int(wholeNumber(json.at("threads"), "job: threads", 1, kMostThreads));
    job.verify = json.at("verify");
    job.seconds = json.at("seconds");
    job.tolerance = json.value("tolerance", 0.0);
    return job;
  } catch (const Json::exception &error) {
    throw Failure(std::string("job: ") + error.what());
  }
}

std::string eventLine(const MeasureEvent &event) {
  return line({{"at", event.plan}, {"limit", event.limit}});
}

std::string failureLine(const std::string &why) {
  return line({{"failure", why}});
}

std::string resultLine(const std::vector<Measured> &results) {
  Json list = Json::array();
  for (const Measured &measured : results)
    list.push_back({{"ns", measured.ns}, {"runs", measured.runs}, {"problem", measured.problem}, {"kernels", measured.kernels}});
  return line({{"results", list}});
}

MeasureReply parseReply(const std::string &text) {
  MeasureReply reply;
  try {
    Json json = Json::parse(text);
    constexpr int kMost = std::numeric_limits<int>::max();
    if (json.contains("at"))
      reply.event = MeasureEvent{size_t(wholeNumber(json.at("at"), "at", 0, kMost)), json.at("limit")};
    if (json.contains("failure"))
      reply.failure = json.at("failure");
    if (json.contains("results")) {
      std::vector<Measured> results;
      for (const Json &entry : json.at("results"))
        results.push_back({entry.at("ns"), int(wholeNumber(entry.at("runs"), "runs", 0, kMost)), entry.at("problem"),
                           entry.at("kernels").get<std::vector<std::pair<std::string, double>>>()});
      reply.results = std::move(results);
    }
  } catch (const Json::exception &) {
    return {};
  } catch (const Failure &) {
    return {};
  }
  return reply;
}

} // namespace tenon::driver
