#include "tools/tenon/AgentSession.h"
#include "tools/tenon/AgentProtocol.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/MeasureProcess.h"
#include "tools/tenon/Table.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <poll.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace tenon::driver {
namespace {

constexpr double kHelloSeconds = 10, kReplySeconds = 10;
constexpr double kIdleSeconds = 1800; // between jobs, while the host compiles
constexpr double kChunkSeconds = 30;  // for the next piece of a plan

/// While it lives, tells the host every second that work goes on, and ends this process, and so its measuring ones, when the host is gone.
class Watch {
public:
  explicit Watch(Socket &connection) : connection(connection), thread([this] { watch(); }) {}
  ~Watch() {
    {
      std::lock_guard lock(mutex);
      done = true;
    }
    changed.notify_one();
    thread.join();
  }

private:
  void watch() {
    constexpr auto kBeat = std::chrono::seconds(1);
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kBeat, [this] { return done; })) {
      struct pollfd state{connection.descriptor(), POLLRDHUP, 0};
      try {
        if (::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)))
          throw ConnectionLost("the connection was closed");
        connection.send(workingLine(), kReplySeconds);
      } catch (const ConnectionLost &) {
        ::_exit(0);
      }
    }
  }

  Socket &connection;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread thread;
};

class Session {
public:
  Session(Socket given, const AgentOptions &options) : connection(std::move(given)), options(options), name(connection.address(false).text()) {}

  void serve() {
    try {
      if (!admit())
        return;
      connection.send(machineLine(thisMachine(options.device)), kReplySeconds);
      for (;;)
        work();
    } catch (const ConnectionLost &lost) {
      say(lost.what());
    } catch (const std::exception &failure) { // a request that is none: nothing after it can be understood
      refuse(failure.what());
    }
  }

private:
  bool admit() {
    std::string token = parseHello(connection.line(kLongestRequest, kHelloSeconds));
    if (!options.token.empty() && !sameToken(token, options.token)) {
      std::this_thread::sleep_for(std::chrono::seconds(1)); // guessing takes time
      refuse("wrong token");
      return false;
    }
    // Held to the end of this process: two hosts at once would measure each other.
    int lock = ::open((options.folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
      refuse("another host tunes on this agent", true);
      return false;
    }
    say("connected");
    return true;
  }

  void work() {
    AgentJob request = parseAgentJob(connection.line(kLongestRequest, kIdleSeconds));
    MeasureJob &job = request.job;
    if (job.threads > coresOfThisProcess())
      throw Failure("job: " + std::to_string(job.threads) + " threads, but this machine has " + std::to_string(coresOfThisProcess()) + " cores");
    uint64_t total = 0;
    for (uint64_t size : request.sizes)
      total += size; // of 64 plans at most, each far from wrapping around
    std::error_code ignored;
    uint64_t room = std::filesystem::space(options.folder, ignored).available;
    if (total > room / 2)
      throw Failure("job: plans of " + bytesText(total) + ", but there is room for " + bytesText(room / 2) + " in " + options.folder);
    connection.send(readyLine(), kReplySeconds);

    std::string folder = options.folder + "/" + std::to_string(::getpid());
    std::filesystem::create_directory(folder);
    for (size_t i = 0; i < job.plans.size(); i++) {
      job.plans[i] = folder + "/" + job.plans[i] + ".plan";
      receive(job.plans[i], request.sizes[i]);
    }
    auto start = Socket::Clock::now();
    std::vector<Measured> results;
    {
      Watch watch(connection);
      results = measureInProcess(job, options.device);
    }
    std::filesystem::remove_all(folder, ignored);
    connection.send(resultLine(results), kReplySeconds);
    size_t bad = size_t(std::count_if(results.begin(), results.end(), [](const Measured &measured) { return !measured.problem.empty(); }));
    say(std::to_string(results.size()) + " plans measured in " + timeText(std::chrono::duration<double>(Socket::Clock::now() - start).count()) +
        (bad ? ", " + std::to_string(bad) + " with problems" : ""));
  }

  /// In pieces: memory does not grow with what a host sends.
  void receive(const std::string &path, uint64_t size) {
    std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "wbe"), std::fclose);
    if (!file)
      throw Failure(path + ": " + std::strerror(errno));
    std::vector<char> piece(std::min<uint64_t>(size, 256 << 10));
    for (uint64_t left = size; left > 0;) {
      std::span<char> part(piece.data(), std::min<uint64_t>(left, piece.size()));
      connection.receive(part, kChunkSeconds);
      if (std::fwrite(part.data(), 1, part.size(), file.get()) != part.size())
        throw Failure(path + ": " + std::strerror(errno));
      left -= part.size();
    }
    if (std::fflush(file.get()) != 0)
      throw Failure(path + ": " + std::strerror(errno));
  }

  void refuse(const std::string &reason, bool busy = false) {
    constexpr size_t kLongest = 300;
    std::string why = foreignText(reason, kLongest); // it may quote what was sent
    say("refused: " + why);
    try {
      connection.send(errorLine(why, busy), kReplySeconds);
    } catch (const ConnectionLost &) { // it has gone already
    }
  }

  void say(const std::string &what) const {
    if (!options.quiet)
      std::fprintf(stderr, "%s: %s\n", name.c_str(), what.c_str());
  }

  Socket connection;
  const AgentOptions &options;
  std::string name;
};

} // namespace

void serveConnection(Socket connection, const AgentOptions &options) {
  Session(std::move(connection), options).serve();
}

} // namespace tenon::driver
