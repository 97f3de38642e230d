// Measuring on another machine, by its `tenon agent`.
#pragma once
#include "tools/tenon/AgentProtocol.h"
#include "tools/tenon/Socket.h"

namespace tenon::driver {

class AgentClient {
public:
  /// Connects. Throws Failure where there is no agent, or it refuses.
  AgentClient(const std::string &address, std::string token);

  /// The machine that measures.
  const Machine &machine() const { return described; }

  /// Runs a job there. An agent that disappears is looked for again, and asked once more; then the job is lost, and nothing is returned.
  /// A job that it refuses comes back with the reason as every plan's problem. Failures of files here throw Failure.
  std::vector<Measured> measure(const MeasureJob &job);

  /// Why jobs were lost, one a line.
  const std::string &losses() const { return lost; }

private:
  void connect(double absentSeconds, double busySeconds);
  std::vector<Measured> attempt(const AgentJob &request, const std::vector<std::string> &files);
  AgentReply reply(double seconds);

  Address address;
  std::string token, lost;
  Machine described;
  Socket connection;
};

} // namespace tenon::driver
