// One host's connection to the agent, in a process of its own.
#pragma once
#include "tools/tenon/Socket.h"

#include <string>

namespace tenon::driver {

struct AgentOptions {
  std::string token;  ///< "" : none is asked for
  std::string folder; ///< for plans and the lock that lets one host measure at a time
  uint32_t device = 0; ///< the GPU that measures
  bool quiet = false;
};

/// Serves a connection to its end. Never throws.
void serveConnection(Socket connection, const AgentOptions &options);

} // namespace tenon::driver
