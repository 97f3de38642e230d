#include "tools/tenon/MeasureProcess.h"
#include "tools/tenon/Failure.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

/// This program once more, as `measure-worker`, with a pipe to its input and one from its output.
class Child {
public:
  explicit Child(const std::string &device) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0)
      throw Failure(std::string("a measuring process cannot be started: ") + std::strerror(errno));
    if (::pipe2(out, O_CLOEXEC) != 0) {
      ::close(in[0]), ::close(in[1]);
      throw Failure(std::string("a measuring process cannot be started: ") + std::strerror(errno));
    }
    pid_t parent = ::getpid();
    pid = ::fork();
    if (pid == 0) {
      // Only calls that are safe after a fork of a process with threads.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent)
        ::_exit(1);
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      if (int null = ::open("/dev/null", O_WRONLY); null >= 0)
        ::dup2(null, STDERR_FILENO);
      char *const words[] = {const_cast<char *>("tenon"), const_cast<char *>("measure-worker"), const_cast<char *>("--device"),
                             const_cast<char *>(device.c_str()), nullptr};
      ::execv("/proc/self/exe", words);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    input = in[1];
    output = out[0];
    if (pid < 0)
      throw Failure(std::string("a measuring process cannot be started: ") + std::strerror(errno));
  }
  ~Child() {
    ::close(input);
    ::close(output);
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      wait();
    }
  }
  Child(const Child &) = delete;
  Child &operator=(const Child &) = delete;

  void send(const std::string &line) {
    // A child that is gone is noticed when nothing can be read.
    struct sigaction ignore{}, before{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    for (size_t done = 0; done < line.size();) {
      ssize_t written = ::write(input, line.data() + done, line.size() - done);
      if (written <= 0 && errno != EINTR)
        break;
      done += size_t(std::max<ssize_t>(written, 0));
    }
    ::sigaction(SIGPIPE, &before, nullptr);
  }

  enum class Read { Line, End, Late };
  /// The next line that the child writes before `until`.
  Read line(std::string &text, Clock::time_point until) {
    for (;;) {
      if (size_t end = buffer.find('\n'); end != std::string::npos) {
        text = buffer.substr(0, end);
        buffer.erase(0, end + 1);
        return Read::Line;
      }
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      struct pollfd waiting{output, POLLIN, 0};
      int ready = ::poll(&waiting, 1, int(std::max<long>(left, 0)));
      if (ready == 0)
        return Read::Late;
      if (ready < 0)
        continue; // interrupted
      char chunk[4096];
      ssize_t count = ::read(output, chunk, sizeof chunk);
      if (count <= 0)
        return Read::End;
      buffer.append(chunk, size_t(count));
    }
  }

  /// How the child ended, after Read::End.
  std::string ending() {
    int status = wait();
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      return "was killed: out of memory?";
    if (WIFSIGNALED(status))
      return std::string("crashed: ") + ::strsignal(WTERMSIG(status));
    return "ended the measuring process with status " + std::to_string(WEXITSTATUS(status));
  }

private:
  int wait() {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
    return status;
  }

  pid_t pid = -1;
  int input = -1, output = -1;
  std::string buffer;
};

struct Attempt {
  std::optional<std::vector<Measured>> results;
  size_t failed = 0; ///< without results: the plan that ran last
  std::string problem;
};

Attempt attempt(const MeasureJob &job, uint32_t device) {
  constexpr double kStartLimit = 30;
  Child child(std::to_string(device));
  child.send(jobLine(job));
  Attempt attempt;
  double limit = kStartLimit;
  for (std::string text;;) {
    auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit));
    switch (child.line(text, until)) {
    case Child::Read::Late: {
      char why[64];
      std::snprintf(why, sizeof why, "hangs: no answer within %.1f s", limit);
      attempt.problem = why;
      return attempt;
    }
    case Child::Read::End:
      if (attempt.problem.empty())
        attempt.problem = child.ending();
      return attempt;
    case Child::Read::Line: break;
    }
    MeasureReply reply = parseReply(text);
    if (reply.event) {
      attempt.failed = std::min(reply.event->plan, job.plans.size() - 1);
      limit = reply.event->limit;
    }
    if (reply.failure)
      attempt.problem = *reply.failure;
    if (reply.results && reply.results->size() == job.plans.size()) {
      attempt.results = std::move(reply.results);
      return attempt;
    }
  }
}

} // namespace

std::vector<Measured> measureInProcess(const MeasureJob &job, uint32_t device) {
  auto start = Clock::now();
  std::vector<Measured> results(job.plans.size());
  std::vector<size_t> left; // plans that have not failed
  for (size_t i = 0; i < job.plans.size(); i++)
    left.push_back(i);
  while (!left.empty()) {
    MeasureJob part = job;
    part.plans.clear();
    for (size_t i : left)
      part.plans.push_back(job.plans[i]);
    constexpr double kLeastSeconds = 0.1;
    part.seconds = std::max(kLeastSeconds, job.seconds - std::chrono::duration<double>(Clock::now() - start).count());
    Attempt made = attempt(part, device);
    if (made.results) {
      for (size_t i = 0; i < left.size(); i++)
        results[left[i]] = std::move((*made.results)[i]);
      return results;
    }
    bool reference = made.failed == 0;
    results[left[made.failed]].problem = made.problem;
    left.erase(left.begin() + ptrdiff_t(made.failed));
    if (reference) { // nothing to compare the others with
      for (size_t i : left)
        results[i].problem = "not measured: the plan it is compared with " + made.problem;
      return results;
    }
  }
  return results;
}

} // namespace tenon::driver
