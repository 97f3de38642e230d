#include "tools/tenon/quantize/Script.h"
#include "tools/tenon/Failure.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0)
      throw Failure(std::string("a process cannot be started: ") + std::strerror(errno));
  }
  ~Pipe() { closeEnd(0), closeEnd(1); }
  Pipe(const Pipe &) = delete;
  Pipe &operator=(const Pipe &) = delete;
  void closeEnd(int which) {
    if (ends[which] >= 0)
      ::close(ends[which]);
    ends[which] = -1;
  }
};

std::vector<char *> pointersTo(const std::vector<std::string> &texts) {
  std::vector<char *> pointers;
  for (const std::string &text : texts)
    pointers.push_back(const_cast<char *>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What this process has, less what `first` sets, which comes first.
std::vector<std::string> environmentWith(const std::vector<std::string> &first) {
  std::vector<std::string> all = first;
  for (char **entry = environ; *entry; entry++) {
    std::string text = *entry, name = text.substr(0, text.find('=') + 1);
    if (std::none_of(first.begin(), first.end(), [&](const std::string &set) { return set.starts_with(name); }))
      all.push_back(text);
  }
  return all;
}

/// A program with its output and its errors in pipes, in a process group of its own: what it starts ends with it where it takes too long.
class Process {
public:
  explicit Process(const ScriptRun &run) {
    std::vector<std::string> environment = environmentWith(run.environment);
    std::vector<char *> words = pointersTo(run.words), entries = pointersTo(environment);
    pid_t parent = ::getpid();
    pid = ::fork();
    if (pid < 0)
      throw Failure(std::string("a process cannot be started: ") + std::strerror(errno));
    if (pid == 0)
      become(words, entries, parent);
    ::setpgid(pid, pid); // here and there: whichever comes first
    output.closeEnd(1);
    errors.closeEnd(1);
  }
  ~Process() {
    if (pid > 0) {
      ::kill(-pid, SIGKILL);
      wait();
    }
  }
  Process(const Process &) = delete;
  Process &operator=(const Process &) = delete;

  /// Reads both pipes until the process has ended; false where that takes longer.
  bool readUntil(Clock::time_point until, ScriptResult &result) {
    constexpr int kLookEvery = 100; // milliseconds: a process that the program left behind may hold its pipes open
    for (;;) {
      struct pollfd waiting[2] = {{output.ends[0], POLLIN, 0}, {errors.ends[0], POLLIN, 0}};
      bool isOpen = waiting[0].fd >= 0 || waiting[1].fd >= 0;
      int ready = ::poll(waiting, 2, kLookEvery);
      if (ready > 0 && waiting[0].revents)
        readFrom(output, result.output);
      if (ready > 0 && waiting[1].revents)
        readFrom(errors, result.errors);
      if ((ready == 0 || !isOpen) && hasEnded())
        return true;
      if (Clock::now() >= until)
        return false;
    }
  }

  /// "" for success.
  std::string ending() const {
    if (WIFSIGNALED(status))
      return std::string("was ended by a signal: ") + ::strsignal(WTERMSIG(status));
    if (WEXITSTATUS(status) == kNotStarted)
      return "could not be started";
    return WEXITSTATUS(status) ? "ended with status " + std::to_string(WEXITSTATUS(status)) : "";
  }

private:
  static constexpr int kNotStarted = 127;

  /// In the child: only calls that are safe after a fork of a process with threads.
  [[noreturn]] void become(const std::vector<char *> &words, const std::vector<char *> &environment, pid_t parent) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
      ::_exit(kNotStarted);
    if (int null = ::open("/dev/null", O_RDONLY); null >= 0)
      ::dup2(null, STDIN_FILENO);
    ::dup2(output.ends[1], STDOUT_FILENO);
    ::dup2(errors.ends[1], STDERR_FILENO);
    ::execvpe(words[0], words.data(), environment.data());
    const char *why = std::strerror(errno);
    [[maybe_unused]] ssize_t ignored = ::write(STDERR_FILENO, why, std::strlen(why));
    ::_exit(kNotStarted);
  }

  static void readFrom(Pipe &pipe, std::string &text) {
    constexpr size_t kKept = 64 << 10;
    char chunk[4096];
    ssize_t count = ::read(pipe.ends[0], chunk, sizeof chunk);
    if (count < 0 && errno == EINTR)
      return;
    if (count <= 0)
      return pipe.closeEnd(0);
    text.append(chunk, size_t(count));
    if (text.size() > 2 * kKept)
      text.erase(0, text.size() - kKept);
  }

  bool hasEnded() {
    if (pid > 0 && ::waitpid(pid, &status, WNOHANG) == pid)
      pid = -1;
    return pid < 0;
  }

  void wait() {
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
  }

  Pipe output, errors;
  pid_t pid = -1;
  int status = 0;
};

} // namespace

ScriptResult runScript(const ScriptRun &run) {
  auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(run.limit));
  ScriptResult result;
  Process process(run);
  if (process.readUntil(until, result)) {
    result.problem = process.ending();
    return result;
  }
  char text[64];
  std::snprintf(text, sizeof text, "did not end within %g s and was killed", run.limit);
  result.problem = text;
  return result;
}

std::string lastLine(const std::string &text) {
  constexpr const char *kBlanks = " \t\r\n";
  size_t end = text.find_last_not_of(kBlanks);
  if (end == std::string::npos)
    return "";
  size_t begin = text.find_last_of('\n', end) + 1; // 0 where there is none
  begin = text.find_first_not_of(kBlanks, begin);
  return text.substr(begin, end - begin + 1);
}

} // namespace tenon::driver
