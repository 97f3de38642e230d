// The thread pool: every task runs once, whatever the numbers of tasks and threads; it parks and wakes.
#include "runtime/cpu/ThreadPool.h"

#include "runtime/cpu/Topology.h"
#include "test/unit/runtime/TestPlans.h"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace tenon {
namespace {

/// A kernel of this process: adds 1 to the task's counter.
void count(const tn_kernel_args *args, uint32_t task) { static_cast<int32_t *>(args->buffers[0])[task] += 1; }

struct Pool {
  explicit Pool(uint32_t threads, uint32_t spinMicroseconds = 50) {
    EXPECT_EQ(pool.start(threads, nullptr, spinMicroseconds, memory, message), TN_OK) << message.c_str();
  }
  ~Pool() { pool.stop(); }
  /// Runs `launches` launches of `tasks` tasks and checks that each task ran that often.
  void expectAllRun(uint32_t tasks, int32_t launches) {
    std::vector<int32_t> counters(tasks);
    void *buffers[] = {counters.data()};
    tn_kernel_args args = {buffers, nullptr};
    for (int32_t i = 0; i < launches; ++i)
      pool.run(count, &args, tasks);
    for (uint32_t task = 0; task < tasks; ++task)
      ASSERT_EQ(counters[task], launches) << "task " << task << " of " << tasks;
  }
  Memory memory;
  Message message;
  ThreadPool pool;
};

TEST(ThreadPool, EveryTaskRunsOnce) {
  for (uint32_t threads : {2, 3, 4, 7}) {
    Pool pool(threads);
    for (uint32_t tasks : {2, 3, 5, 8, 64, 1000})
      pool.expectAllRun(tasks, 50);
  }
}

TEST(ThreadPool, ParksAndWakes) {
  Pool pool(3, 1);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); // long enough to park
    if (i % 2)
      pool.pool.wake();
    pool.expectAllRun(9, 1);
  }
}

TEST(ThreadPool, StopsWhileParkedAndWhileSpinning) {
  for (int i = 0; i < 30; ++i) {
    Pool pool(3, i % 2 ? 1 : 100000);
    if (i % 3)
      pool.expectAllRun(4, 1);
  }
}

// For information: what a launch costs while the workers spin. Not checked: the machine may be busy.
TEST(ThreadPool, ForkJoin) {
  if (std::thread::hardware_concurrency() < 2)
    GTEST_SKIP() << "needs two CPUs";
  Pool pool(2, 10000);
  int32_t counters[2] = {};
  void *buffers[] = {counters};
  tn_kernel_args args = {buffers, nullptr};
  double best = 1;
  for (int round = 0; round < 50; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i)
      pool.pool.run(count, &args, 2);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 1000);
  }
  std::printf("fork-join of 2 threads: %.3f us\n", best * 1e6);
}

TEST(Topology, ThereIsACore) {
  EXPECT_GE(usableCores(), 1u);
  EXPECT_LE(usableCores(), std::max(1u, std::thread::hardware_concurrency()));
}

// A single thread begins a launch over large tensors with what the one before has left in the cache; small ones stay there anyway.
TEST(Threads, OneGoesToAndFro) {
  for (bool large : {false, true}) {
    auto bytes = plan::writePlanToMemory(test::trailPlan(large ? 1 << 20 : 1 << 10));
    tn_plan *plan = nullptr;
    ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    tn_context *context = nullptr;
    ASSERT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
    std::vector<int32_t> expected = {12, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    if (large)
      std::reverse(expected.begin() + 5, expected.begin() + 9);
    for (int run = 0; run < 2; ++run) { // every run begins forwards
      std::vector<int32_t> list(13);
      tn_tensor output = {list.data(), list.size() * 4, TN_I32, 0, {}};
      ASSERT_EQ(tn_run(context, nullptr, &output), TN_OK) << tn_last_message(context);
      EXPECT_EQ(list, expected);
    }
    tn_context_destroy(context);
    tn_plan_close(plan);
  }
}

// Through the whole runtime: launches of a plan on several threads.
TEST(ThreadPool, RunsPlans) {
  for (uint32_t tasks : {1u, 2u, 7u, 100u}) {
    auto bytes = plan::writePlanToMemory(test::countingPlan(tasks));
    tn_plan *plan = nullptr;
    ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = 4;
    tn_context *context = nullptr;
    ASSERT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
    EXPECT_EQ(tn_context_threads(context), 4u);
    std::vector<int32_t> counters(tasks);
    for (int run = 0; run < 20; ++run) {
      tn_tensor output = {counters.data(), counters.size() * 4, TN_I32, 0, {}};
      ASSERT_EQ(tn_run(context, nullptr, &output), TN_OK) << tn_last_message(context);
    }
    EXPECT_EQ(counters, std::vector<int32_t>(tasks, 20));
    tn_context_destroy(context);
    tn_plan_close(plan);
  }
}

} // namespace
} // namespace tenon
