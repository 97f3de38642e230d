#include "tools/tenon/AgentClient.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Table.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>

namespace tenon::driver {
namespace {

constexpr size_t kLongestReason = 300;
constexpr double kConnectSeconds = 5;
constexpr double kReplySeconds = 30; // an agent that works says so every second
constexpr double kBusySeconds = 3;   // an agent notices within one that its host was killed

/// The agent understood, and says no.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// For now.
struct Busy : Refused {
  using Refused::Refused;
};

void sendFile(Socket &connection, const std::string &path, uint64_t size) {
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file)
    throw Failure(path + ": " + std::strerror(errno));
  std::vector<char> piece(256 << 10);
  for (uint64_t left = size; left > 0;) {
    size_t count = std::fread(piece.data(), 1, std::min<uint64_t>(left, piece.size()), file.get());
    if (count == 0)
      throw Failure(path + ": ends early");
    connection.send({piece.data(), count}, kReplySeconds);
    left -= count;
  }
}

} // namespace

AgentClient::AgentClient(const std::string &where, std::string token) : address(parseAddress(where)), token(std::move(token)) {
  try {
    connect(0, kBusySeconds);
  } catch (const ConnectionLost &failure) {
    throw Failure("no agent at " + where + ": " + failure.what() + "; is `tenon agent` running there?");
  } catch (const Refused &failure) {
    throw Failure("the agent at " + where + " refuses: " + failure.what());
  }
}

/// Tries for some seconds: an agent that was started again needs a moment, and so does one that has not noticed yet that we had gone.
void AgentClient::connect(double absentSeconds, double busySeconds) {
  auto start = Socket::Clock::now();
  auto isOver = [&](double seconds) { return std::chrono::duration<double>(Socket::Clock::now() - start).count() >= seconds; };
  for (;;) {
    try {
      connection = Socket::connect(address, kConnectSeconds);
      connection.send(helloLine(token), kReplySeconds);
      AgentReply answer = reply(kReplySeconds);
      if (!answer.machine)
        throw ConnectionLost("it is no tenon agent");
      bool isOther = !described.cpu.empty() && (described.cpu != answer.machine->cpu || described.gpu != answer.machine->gpu);
      if (isOther) // times of both would be compared
        throw Refused("it is on another machine now: " +
                      foreignText(answer.machine->gpu.empty() ? answer.machine->cpu : answer.machine->gpu, kLongestReason));
      described = std::move(*answer.machine);
      return;
    } catch (const ConnectionLost &) {
      connection.close();
      if (isOver(absentSeconds))
        throw;
    } catch (const Busy &) {
      connection.close();
      if (isOver(busySeconds))
        throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

AgentReply AgentClient::reply(double seconds) {
  AgentReply answer;
  try {
    answer = parseAgentReply(connection.line(kLongestReply, seconds));
  } catch (const Failure &failure) {
    throw ConnectionLost("it says what no agent says: " + foreignText(failure.what(), kLongestReason));
  }
  if (answer.busy)
    throw Busy(foreignText(answer.error, kLongestReason));
  if (!answer.error.empty())
    throw Refused(foreignText(answer.error, kLongestReason));
  return answer;
}

std::vector<Measured> AgentClient::attempt(const AgentJob &request, const std::vector<std::string> &files) {
  // Every plan may take a process down that has a minute to answer, and none may take more.
  constexpr double kSecondsEach = 120;
  auto until = Socket::Clock::now() + std::chrono::duration_cast<Socket::Clock::duration>(
                                          std::chrono::duration<double>(2 * request.job.seconds + kSecondsEach * double(files.size())));
  connection.send(agentJobLine(request), kReplySeconds);
  if (!reply(kReplySeconds).ready)
    throw ConnectionLost("it does not answer as agents do");
  for (size_t i = 0; i < files.size(); i++)
    sendFile(connection, files[i], request.sizes[i]);
  while (Socket::Clock::now() < until)
    if (AgentReply answer = reply(kReplySeconds); answer.results && answer.results->size() == files.size())
      return std::move(*answer.results);
    else if (!answer.working)
      throw ConnectionLost("it does not answer as agents do");
  throw ConnectionLost("it never ends");
}

std::vector<Measured> AgentClient::measure(const MeasureJob &job) {
  AgentJob request{job, {}};
  for (size_t i = 0; i < job.plans.size(); i++) {
    std::error_code problem;
    request.sizes.push_back(std::filesystem::file_size(job.plans[i], problem));
    if (problem)
      throw Failure(job.plans[i] + ": " + problem.message());
    request.job.plans[i] = std::to_string(i);
  }
  constexpr int kAttempts = 2;
  constexpr double kPatience = 10;
  for (int i = 0; i < kAttempts; i++) {
    try {
      if (!connection.valid())
        connect(i == 0 ? 0 : kPatience, i == 0 ? 0 : kPatience);
      return attempt(request, job.plans);
    } catch (const ConnectionLost &failure) {
      connection.close();
      lost += "agent " + address.text() + ": " + failure.what() + "\n";
    } catch (const Busy &failure) {
      connection.close();
      lost += "agent " + address.text() + ": " + failure.what() + "\n";
    } catch (const Refused &failure) {
      connection.close(); // it has done the same
      return std::vector<Measured>(job.plans.size(), Measured{0, 0, std::string("refused by the agent: ") + failure.what(), {}});
    }
  }
  return {};
}

} // namespace tenon::driver
