// What `tenon tune` and `tenon agent` say to each other over TCP: JSON, one object a line; a job's plans follow it as they are.
//
//   host                                              agent
//   {"tenon_agent": 1, "token": "..."}
//                                                     {"machine": {"cpu": "...", "target": "x86-64+avx2", "cores": 4, ...}}
//   {"job": {"kind": 0, ...}, "sizes": [8192, 8192]}
//                                                     {"ready": true}
//   8192 + 8192 bytes
//                                                     {"working": true}        every second
//                                                     {"results": [...]}
// Instead of any answer: {"error": "..."}, with {"busy": true} where trying again later helps.
#pragma once
#include "tools/tenon/Machine.h"
#include "tools/tenon/MeasureProtocol.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

constexpr const char *kAgentAddress = "127.0.0.1:7787";
/// The longest lines that either side reads; longer ones end the connection.
constexpr size_t kLongestRequest = 64 << 10, kLongestReply = 16 << 20;

std::string helloLine(const std::string &token);
/// The token of a hello. Throws Failure where `line` is none.
std::string parseHello(const std::string &line);

std::string machineLine(const Machine &machine);
std::string errorLine(const std::string &error, bool busy = false);
std::string readyLine();
std::string workingLine();

struct AgentJob {
  MeasureJob job; ///< its plans are numbers: names of the files that the agent makes
  std::vector<uint64_t> sizes;
};
std::string agentJobLine(const AgentJob &job);
/// Throws Failure where `line` is no job, or has other than a sensible number of plans, threads or seconds.
AgentJob parseAgentJob(const std::string &line);

struct AgentReply {
  std::optional<Machine> machine;
  std::optional<std::vector<Measured>> results;
  std::string error;
  bool busy = false, ready = false, working = false;
};
/// Throws Failure where `line` is no reply.
AgentReply parseAgentReply(const std::string &line);

/// The shared secret in a file, white space around it left out. Throws Failure where it is too short to be one.
std::string readToken(const std::string &path);
/// Takes as long for a wrong token as for the right one.
bool sameToken(const std::string &a, const std::string &b);

} // namespace tenon::driver
