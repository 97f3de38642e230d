#include "runtime/cpu/ThreadPool.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tenon {
namespace {

// Clock readings are some 25 ns, a pause up to 40: one reading for this many pauses.
constexpr int kPausesPerClock = 64;
// How long the caller spins for others' last tasks before it lets other threads of the machine run.
constexpr int kCallerPauses = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0); }
void futexWake(std::atomic<uint32_t> &word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

constexpr uint64_t makeRange(uint32_t begin, uint32_t end) { return uint64_t(end) << 32 | begin; }
constexpr uint32_t rangeBegin(uint64_t range) { return uint32_t(range); }
constexpr uint32_t rangeEnd(uint64_t range) { return uint32_t(range >> 32); }
constexpr bool isEmpty(uint64_t range) { return rangeBegin(range) >= rangeEnd(range); }

/// Takes an eighth of the lane's tasks, at least one, from its front. Smaller and smaller pieces keep the threads' ends together.
/// A range that another launch has put in place meanwhile is as good: what is taken is taken from that launch.
bool takeFront(std::atomic<uint64_t> &lane, uint32_t &begin, uint32_t &end) {
  uint64_t range = lane.load(std::memory_order_acquire);
  while (!isEmpty(range)) {
    begin = rangeBegin(range);
    end = begin + (rangeEnd(range) - begin + 7) / 8;
    if (lane.compare_exchange_weak(range, makeRange(end, rangeEnd(range)), std::memory_order_acq_rel, std::memory_order_acquire))
      return true;
  }
  return false;
}

/// Takes a quarter of another lane's tasks, at least one, from its back.
bool takeBack(std::atomic<uint64_t> &lane, uint32_t &begin, uint32_t &end) {
  uint64_t range = lane.load(std::memory_order_acquire);
  while (!isEmpty(range)) {
    end = rangeEnd(range);
    begin = end - (end - rangeBegin(range) + 3) / 4;
    if (lane.compare_exchange_weak(range, makeRange(rangeBegin(range), begin), std::memory_order_acq_rel, std::memory_order_acquire))
      return true;
  }
  return false;
}

} // namespace

tn_status ThreadPool::start(uint32_t threads, const int32_t *cpus, uint32_t spinMicroseconds, Memory &memory, Message &message) {
  threadCount = threads;
  spinNanoseconds = uint64_t(spinMicroseconds) * 1000;
  if (threads == 1)
    return TN_OK;
  if (tn_status status = lanes.allocate(memory, threads, "the thread pool", message))
    return status;
  for (uint32_t i = 0; i < threads; ++i) {
    new (&lanes[i]) Lane;
    lanes[i].pool = this;
    lanes[i].index = i;
  }
  // Signals are the application's: its threads take them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  tn_status status = TN_OK;
  for (uint32_t i = 1; i < threads && !status; ++i) {
    int error = pthread_create(&lanes[i].thread, nullptr, workerMain, &lanes[i]);
    lanes[i].isRunning = error == 0;
    if (error) {
      status = message.fail(TN_DEVICE, "cannot start worker thread %u of %u: %s", i, threads - 1, strerror(error));
      break;
    }
    if (!cpus)
      continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpus[i] >= 0 && cpus[i] < CPU_SETSIZE)
      CPU_SET(cpus[i], &set);
    if ((error = pthread_setaffinity_np(lanes[i].thread, sizeof set, &set)))
      status = message.fail(TN_DEVICE, "worker thread %u cannot run on CPU %d: %s", i, cpus[i], strerror(error));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (status)
    stop();
  return status;
}

void ThreadPool::stop() {
  stopping.store(true, std::memory_order_seq_cst);
  for (Lane &lane : lanes)
    if (lane.isRunning)
      unpark(lane);
  for (Lane &lane : lanes)
    if (lane.isRunning)
      pthread_join(lane.thread, nullptr);
  lanes.reset();
}

void *ThreadPool::workerMain(void *argument) {
  Lane &lane = *static_cast<Lane *>(argument);
  while (lane.pool->awaitWork(lane))
    lane.pool->work(lane.index);
  return nullptr;
}

bool ThreadPool::awaitWork(Lane &lane) {
  uint64_t deadline = nanoseconds() + spinNanoseconds;
  for (;;) {
    for (int i = 0; i < kPausesPerClock; ++i) {
      if (!isEmpty(lane.range.load(std::memory_order_relaxed)))
        return true;
      pause();
    }
    if (stopping.load(std::memory_order_relaxed))
      return false;
    if (nanoseconds() < deadline)
      continue;
    // Announce, look again, sleep: whoever puts tasks in the lane afterwards sees the announcement (unpark), all in one total order.
    lane.parked.store(1, std::memory_order_seq_cst);
    if (isEmpty(lane.range.load(std::memory_order_seq_cst)) && !stopping.load(std::memory_order_seq_cst))
      futexWait(lane.parked, 1);
    lane.parked.store(0, std::memory_order_relaxed);
    deadline = nanoseconds() + spinNanoseconds;
  }
}

void ThreadPool::unpark(Lane &lane) {
  if (lane.parked.load(std::memory_order_seq_cst) && lane.parked.exchange(0))
    futexWake(lane.parked);
}

void ThreadPool::wake() {
  for (uint32_t i = 1; i < threadCount; ++i)
    unpark(lanes[i]);
}

void ThreadPool::work(uint32_t own) {
  uint32_t finished = 0, begin = 0, end = 0;
  auto runTasks = [&] {
    for (uint32_t task = begin; task < end; ++task)
      kernel(args, task);
    finished += end - begin;
  };
  while (takeFront(lanes[own].range, begin, end))
    runTasks();
  for (uint32_t i = 1; i < threadCount; ++i) {
    uint32_t other = own + i < threadCount ? own + i : own + i - threadCount;
    while (takeBack(lanes[other].range, begin, end))
      runTasks();
  }
  if (finished)
    done.fetch_add(finished, std::memory_order_release);
}

void ThreadPool::run(tn_kernel_fn launchKernel, const tn_kernel_args *launchArgs, uint32_t tasks) {
  kernel = launchKernel;
  args = launchArgs;
  done.store(0, std::memory_order_relaxed);
  // The same share of the tasks for the same thread in every launch: what it wrote is in its cache when the next launch reads it.
  auto shareBegin = [&](uint32_t thread) { return uint32_t(uint64_t(tasks) * thread / threadCount); };
  for (uint32_t i = 1; i < threadCount; ++i) {
    lanes[i].range.store(makeRange(shareBegin(i), shareBegin(i + 1)), std::memory_order_seq_cst);
    unpark(lanes[i]);
  }
  lanes[0].range.store(makeRange(0, shareBegin(1)), std::memory_order_release);
  work(0);
  for (int pauses = 0; done.load(std::memory_order_acquire) != tasks; ++pauses) {
    if (pauses < kCallerPauses)
      pause();
    else
      sched_yield();
  }
}

} // namespace tenon
