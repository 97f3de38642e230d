// Runs the tasks of a launch on a caller and its workers: spins while work keeps coming, then parks.
//
// Every thread has a lane: a range of tasks packed into one atomic word. It takes tasks from the front of its own lane and, when that is empty, from the
// back of the others'. A launch is over when all its tasks are done, whichever thread did them: a worker that sleeps or is descheduled holds nothing up.
#pragma once

#include "runtime/kernel_abi.h"
#include "runtime/support/Memory.h"

#include <atomic>
#include <pthread.h>

namespace tenon {

class ThreadPool {
public:
  ThreadPool() = default;
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool() { stop(); }

  /// Starts threads - 1 workers; worker i on CPU cpus[i] if `cpus` is given. Errors: TN_DEVICE, TN_OUT_OF_MEMORY, TN_LIMIT.
  tn_status start(uint32_t threads, const int32_t *cpus, uint32_t spinMicroseconds, Memory &memory, Message &message);
  void stop();

  uint32_t threads() const { return threadCount; }
  /// Wakes parked workers, so that they are there when the first launch comes.
  void wake();
  /// Calls kernel(args, task) for every task in [0, tasks), on all threads, and returns when all are done.
  void run(tn_kernel_fn kernel, const tn_kernel_args *args, uint32_t tasks);

private:
  // Two cache lines: adjacent lines are fetched in pairs.
  struct alignas(128) Lane {
    std::atomic<uint64_t> range{0};   ///< end << 32 | begin
    std::atomic<uint32_t> parked{0};  ///< 1 while its worker sleeps on it
    ThreadPool *pool = nullptr;
    uint32_t index = 0;
    pthread_t thread = {};
    bool isRunning = false;
  };

  static void *workerMain(void *lane);
  /// Returns when the lane has tasks; false when the pool stops.
  bool awaitWork(Lane &lane);
  void unpark(Lane &lane);
  /// Does tasks until none is left to take in any lane.
  void work(uint32_t lane);

  Array<Lane> lanes;
  uint32_t threadCount = 1;
  uint64_t spinNanoseconds = 0;
  std::atomic<bool> stopping{false};

  // The launch at hand. Written by the caller between launches, read by whoever has taken one of its tasks.
  tn_kernel_fn kernel = nullptr;
  const tn_kernel_args *args = nullptr;
  alignas(128) std::atomic<uint32_t> done{0};
};

} // namespace tenon
