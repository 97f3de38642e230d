// After the first run with given shapes, a run allocates nothing (counted) and makes no system call (forbidden: the kernel kills the process that tries).
#include "tenon/runtime.h"

#include "test/unit/runtime/TestPlans.h"

#include <atomic>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// glibc's allocator under other names, so that its functions can be counted.
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static std::atomic<long> allocations;

void *malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : 12;
}
void free(void *memory) {
  allocations.fetch_add(memory != nullptr, std::memory_order_relaxed);
  __libc_free(memory);
}
}

namespace tenon {
namespace {

/// The dynamic plan at two shapes, run once each.
struct Runs {
  explicit Runs(uint32_t threads) {
    auto bytes = plan::writePlanToMemory(test::dynamicPlan());
    EXPECT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.spin_us = 1'000'000;
    EXPECT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
    // The larger shape first: the arena grows only for larger ones.
    EXPECT_EQ(run(16), TN_OK);
    EXPECT_EQ(run(5), TN_OK);
  }
  ~Runs() {
    tn_context_destroy(context);
    tn_plan_close(plan);
  }
  tn_status run(int64_t n) {
    tn_tensor inputs[2] = {{memory, sizeof memory, TN_F32, 2, {n, 4}}, {memory, sizeof memory, TN_F32, 2, {n, 4}}};
    tn_tensor outputs[2] = {};
    return tn_run(context, inputs, outputs);
  }
  tn_plan *plan = nullptr;
  tn_context *context = nullptr;
  alignas(64) float memory[64] = {};
};

TEST(QuietRun, AllocatesNothing) {
  for (uint32_t threads : {1u, 2u}) {
    Runs runs(threads);
    long before = allocations.load();
    for (int i = 0; i < 100; ++i)
      if (runs.run(i % 2 ? 5 : 16) != TN_OK)
        break;
    EXPECT_EQ(allocations.load() - before, 0) << threads << " threads";
  }
}

/// Sizes that the run defines, and a loop, once the largest have been seen.
TEST(QuietRun, AllocatesNothingForSizesThatTheRunDefines) {
  const plan::Plan plans[] = {test::readingPlan(), test::loopingPlan()};
  for (const plan::Plan &data : plans) {
    auto bytes = plan::writePlanToMemory(data);
    tn_plan *plan = nullptr;
    tn_context *context = nullptr;
    ASSERT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan), TN_OK) << tn_last_error();
    tn_context_options options = TN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    ASSERT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
    float x[8] = {};
    int32_t rank = data.inputs[0].dims.empty() ? 0 : 1; // of the count
    auto run = [&](int64_t count) {
      tn_tensor inputs[2] = {{&count, sizeof count, TN_I64, rank, {1}}, {x, sizeof x, TN_F32, 1, {8}}}, outputs[2] = {};
      return tn_run(context, inputs, outputs);
    };
    ASSERT_EQ(run(8), TN_OK) << tn_last_message(context);
    long before = allocations.load();
    for (int64_t i = 0; i < 100; ++i)
      if (run(i % 9) != TN_OK)
        break;
    EXPECT_EQ(allocations.load() - before, 0);
    tn_context_destroy(context);
    tn_plan_close(plan);
  }
}

/// Every system call but exit_group kills the process from here on.
bool forbidSystemCalls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int kNoSeccomp = 77;

/// Runs `body` in a child process that may not make system calls; its wait status.
template <typename Body> int inSilence(Body body) {
  pid_t child = fork();
  if (child == 0) {
    if (!forbidSystemCalls())
      _exit(kNoSeccomp);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(QuietRun, MakesNoSystemCall) {
  Runs runs(1);
  int control = inSilence([] { return int(syscall(SYS_getppid) == 0); });
  if (WIFEXITED(control) && WEXITSTATUS(control) == kNoSeccomp)
    GTEST_SKIP() << "the system has no seccomp filters";
  ASSERT_TRUE(WIFSIGNALED(control)) << "the filter lets system calls through";

  int status = inSilence([&] {
    for (int i = 0; i < 100; ++i)
      if (runs.run(i % 2 ? 5 : 16) != TN_OK)
        return 1;
    return 0;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
}

} // namespace
} // namespace tenon
