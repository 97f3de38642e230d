#include "tools/tenon/AgentProtocol.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/JsonNumber.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {
using Json = nlohmann::json;

constexpr int kVersion = 1;

std::string line(const Json &json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// Calls `read`; whatever JSON complains of becomes a Failure.
template <typename Read> auto parsed(const char *what, const std::string &text, const Read &read) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception &error) {
    throw Failure(std::string("no ") + what + ": " + error.what());
  }
}

void check(bool good, const char *what) {
  if (!good)
    throw Failure(what);
}

Machine parseMachine(const Json &json) {
  constexpr int64_t kMostBytes = int64_t(1) << 40, kMostCores = 4096, kMostWays = 1024;
  Machine machine;
  machine.cpu = json.at("cpu");
  machine.target = json.at("target");
  machine.cores = int(wholeNumber(json.at("cores"), "machine: cores", 1, kMostCores));
  machine.l1Bytes = wholeNumber(json.at("l1_bytes"), "machine: l1_bytes", 0, kMostBytes);
  machine.l1Ways = int(wholeNumber(json.at("l1_ways"), "machine: l1_ways", 0, kMostWays));
  machine.l2Bytes = wholeNumber(json.at("l2_bytes"), "machine: l2_bytes", 0, kMostBytes);
  machine.l3Bytes = wholeNumber(json.at("l3_bytes"), "machine: l3_bytes", 0, kMostBytes);
  machine.gpu = json.value("gpu", "");
  machine.gpuTarget = json.value("gpu_target", "");
  return machine;
}

} // namespace

std::string helloLine(const std::string &token) {
  return line({{"tenon_agent", kVersion}, {"token", token}});
}

std::string parseHello(const std::string &text) {
  return parsed("greeting", text, [](const Json &json) {
    const Json &version = json.at("tenon_agent");
    check(version.is_number_integer() && version == kVersion, "another version of the protocol: use the same version of tenon on both machines");
    return json.at("token").get<std::string>();
  });
}

std::string machineLine(const Machine &machine) {
  return line({{"machine",
                {{"cpu", machine.cpu},
                 {"target", machine.target},
                 {"cores", machine.cores},
                 {"l1_bytes", machine.l1Bytes},
                 {"l1_ways", machine.l1Ways},
                 {"l2_bytes", machine.l2Bytes},
                 {"l3_bytes", machine.l3Bytes},
                 {"gpu", machine.gpu},
                 {"gpu_target", machine.gpuTarget}}}});
}

std::string errorLine(const std::string &error, bool busy) {
  return line({{"error", error}, {"busy", busy}});
}
std::string readyLine() {
  return line({{"ready", true}});
}
std::string workingLine() {
  return line({{"working", true}});
}

std::string agentJobLine(const AgentJob &job) {
  return line({{"job", Json::parse(jobLine(job.job))}, {"sizes", job.sizes}});
}

AgentJob parseAgentJob(const std::string &text) {
  return parsed("job", text, [](const Json &json) {
    AgentJob result;
    result.job = parseJob(json.at("job").dump());
    constexpr int64_t kMostBytes = int64_t(1) << 50;
    for (const Json &size : json.at("sizes"))
      result.sizes.push_back(uint64_t(wholeNumber(size, "job: size of a plan", 0, kMostBytes)));
    constexpr size_t kMostPlans = 64;
    constexpr double kLongest = 3600;
    const MeasureJob &job = result.job;
    check(!job.plans.empty() && job.plans.size() <= kMostPlans && job.plans.size() == result.sizes.size(),
          "job: 1 to 64 plans with a size each were expected");
    check(job.seconds >= 0 && job.seconds <= kLongest, "job: up to an hour was expected");
    for (const std::string &name : job.plans)
      check(!name.empty() && name.size() <= 9 && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }),
            "job: the name of a plan is no number");
    std::vector<std::string> names = job.plans;
    std::sort(names.begin(), names.end());
    check(std::adjacent_find(names.begin(), names.end()) == names.end(), "job: two plans have one name");
    return result;
  });
}

AgentReply parseAgentReply(const std::string &text) {
  return parsed("reply", text, [&](const Json &json) {
    AgentReply reply;
    reply.error = json.value("error", "");
    reply.busy = json.value("busy", false);
    reply.ready = json.value("ready", false);
    reply.working = json.value("working", false);
    if (json.contains("machine"))
      reply.machine = parseMachine(json.at("machine"));
    if (json.contains("results")) {
      reply.results = parseReply(text).results;
      check(reply.results.has_value(), "results: not understood");
      auto isTime = [](double ns) { return std::isfinite(ns) && ns >= 0; };
      for (const Measured &measured : *reply.results)
        check(isTime(measured.ns) &&
                  std::all_of(measured.kernels.begin(), measured.kernels.end(), [&](auto &kernel) { return isTime(kernel.second); }),
              "results: no possible time");
    }
    return reply;
  });
}

std::string readToken(const std::string &path) {
  std::vector<std::byte> bytes = readFile(path);
  std::string token(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  constexpr const char *kSpace = " \t\r\n";
  token.erase(0, token.find_first_not_of(kSpace));
  token.erase(token.find_last_not_of(kSpace) + 1);
  constexpr size_t kShortest = 16, kLongest = 1024;
  bool printable = std::all_of(token.begin(), token.end(), [](unsigned char c) { return c > ' ' && c < 127; });
  if (token.size() < kShortest || token.size() > kLongest || !printable)
    throw Failure(path + ": a token has 16 to 1024 printable characters without spaces; make one with: head -c 24 /dev/urandom | base64 > " + path);
  return token;
}

bool sameToken(const std::string &a, const std::string &b) {
  size_t longest = std::max(a.size(), b.size());
  unsigned different = a.size() != b.size();
  for (size_t i = 0; i < longest; i++)
    different |= unsigned(i < a.size() ? a[i] : 0) ^ unsigned(i < b.size() ? b[i] : 0);
  return different == 0;
}

} // namespace tenon::driver
