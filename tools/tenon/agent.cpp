// tenon agent: measures what a host compiles (`tenon tune --agent`). Needs the runtime, not the compiler.
#include "tools/tenon/AgentProtocol.h"
#include "tools/tenon/AgentSession.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Options.h"
#include "tools/tenon/Plan.h"
#include "tools/tenon/TemporaryFolder.h"
#include "tools/tenon/Verbs.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <set>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string listen = kAgentAddress, tokenFile;
  std::optional<uint32_t> device;
  AgentOptions options;
};

volatile std::sig_atomic_t stopped = 0;

/// Each connection is served by a process of its own: whatever comes over it, the next one finds the agent as it was.
class Agent {
public:
  Agent(Socket listener, const AgentOptions &options) : listener(std::move(listener)), options(options) {
    sigset_t handled;
    ::sigemptyset(&handled);
    for (int signal : {SIGINT, SIGTERM, SIGCHLD}) {
      ::sigaddset(&handled, signal);
      struct sigaction action{};
      action.sa_handler = [](int number) { stopped = number == SIGCHLD ? stopped : 1; };
      ::sigaction(signal, &action, nullptr);
    }
    // They come while poll waits, and at no other time.
    ::sigprocmask(SIG_BLOCK, &handled, &before);
  }
  ~Agent() {
    for (pid_t child : children)
      ::kill(child, SIGKILL);
    for (pid_t child : children)
      ::waitpid(child, nullptr, 0);
  }

  void serve() {
    while (!stopped) {
      struct pollfd waiting{listener.descriptor(), POLLIN, 0};
      bool ready = ::ppoll(&waiting, 1, nullptr, &before) > 0;
      reap();
      if (!ready)
        continue;
      if (Socket connection = listener.accept(); connection.valid())
        start(std::move(connection));
    }
  }

private:
  void reap() {
    for (pid_t child; (child = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
      children.erase(child);
      std::error_code ignored;
      std::filesystem::remove_all(options.folder + "/" + std::to_string(child), ignored);
    }
  }

  static void refuse(Socket &connection) {
    try {
      connection.send(errorLine("too many connections", true), 0);
    } catch (const ConnectionLost &) { // it has gone already
    }
  }

  void start(Socket connection) {
    constexpr size_t kMostConnections = 32;
    if (children.size() >= kMostConnections) {
      refuse(connection);
      return;
    }
    pid_t parent = ::getpid(), child = ::fork();
    if (child > 0)
      children.insert(child);
    if (child < 0)
      std::fprintf(stderr, "tenon agent: a connection cannot be served: %s\n", std::strerror(errno));
    if (child != 0)
      return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int signal : {SIGINT, SIGTERM, SIGCHLD})
      ::signal(signal, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (::getppid() == parent) {
      listener.close();
      serveConnection(std::move(connection), options);
    }
    std::fflush(nullptr);
    ::_exit(0);
  }

  Socket listener;
  AgentOptions options;
  sigset_t before;
  std::set<pid_t> children;
};

/// Says why there is no GPU of that number. In a process of its own: a driver that was opened before a fork is of no use after it.
bool hasDevice(uint32_t device) {
  pid_t child = ::fork();
  if (child < 0)
    throw Failure(std::string("--device: ") + std::strerror(errno));
  if (child == 0) {
    try {
      infoOfDevice(device);
      ::_exit(0);
    } catch (const Failure &failure) {
      std::fprintf(stderr, "tenon agent: %s\n", failure.what());
      ::_exit(1);
    }
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

int serve(Arguments &arguments) {
  Address address = parseAddress(arguments.listen);
  if (!arguments.tokenFile.empty())
    arguments.options.token = readToken(arguments.tokenFile);
  if (arguments.device && !hasDevice(*arguments.device))
    return 1;
  arguments.options.device = arguments.device.value_or(0);
  Socket listener = Socket::listen(address);
  if (!listener.isLoopback() && arguments.options.token.empty())
    throw UsageFailure("--listen " + arguments.listen +
                       " can be reached from other machines: that needs --token-file, since whoever connects runs code here");
  TemporaryFolder folder;
  arguments.options.folder = folder.path;
  std::printf("listening on %s\n", listener.address(true).text().c_str());
  std::fflush(stdout);
  Agent(std::move(listener), arguments.options).serve();
  return 0;
}

} // namespace

void addAgent(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("agent", "Measure here what `tenon tune --agent` compiles on another machine");
  verb->add_option("--listen", arguments->listen, "where; port 0 takes a free one")->capture_default_str()->type_name("HOST:PORT");
  verb->add_option("--token-file", arguments->tokenFile, "file with a secret that hosts must know; needed where other machines can connect")
      ->type_name("FILE");
  addDeviceOption(*verb, arguments->device, "the GPU that measures");
  verb->add_flag("--quiet", arguments->options.quiet, "say nothing of connections");
  verb->callback([arguments, &action] { action = [arguments] { return serve(*arguments); }; });
}

} // namespace tenon::driver
