// What the emulated machine finds in code that waits too little, or meets nobody.
#include "test/unit/codegen/gpu/Machine.h"
#include "test/unit/codegen/gpu/Assembly.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

constexpr int64_t kThreads = 64;

/// One instruction after the other, with the values of a thread.
void run(const char *text, const char *constraints, std::initializer_list<uint64_t *> operands) {
  static std::map<std::string, std::unique_ptr<Assembly>> known;
  std::unique_ptr<Assembly> &assembly = known[text];
  std::string problem;
  if (!assembly)
    assembly = std::make_unique<Assembly>(text, constraints, problem);
  EXPECT_EQ(problem, "");
  std::vector<uint64_t> values(assembly->numValues());
  size_t place = 0;
  for (uint64_t *operand : operands)
    values[place++] = *operand;
  assembly->run(currentGpuThread(), values.data());
  place = 0;
  for (uint64_t *operand : operands) // results, and what stays the same
    *operand = values[place++];
}

uint64_t wordOf(int64_t thread) {
  return kSharedStart + 4 * uint64_t(thread);
}

void store(int64_t thread, uint64_t value) {
  uint64_t address = wordOf(thread);
  run("st.shared.b32 [$0], $1;", "r,r", {&address, &value});
}
uint64_t load(int64_t thread) {
  uint64_t result = 0, address = wordOf(thread);
  run("ld.shared.b32 $0, [$1];", "=r,r", {&result, &address});
  return result;
}

/// How many threads find in `parameters[0]` what they expect, in one order; or what went wrong.
std::string inOrder(void (*kernel)(void *const *), int64_t *right, bool isEager, int64_t sharedBytes = 4 * kThreads) {
  *right = 0;
  void *parameters[] = {right};
  return runOnEmulatedGpu(
      {.blocks = 1, .threads = kThreads, .sharedBytes = sharedBytes, .isEager = isEager, .kernel = kernel, .parameters = parameters});
}

template <bool waits> void neighbours(void *const *parameters) {
  int64_t own = currentGpuThread().number();
  store(own, uint64_t(own));
  if (waits)
    run("bar.sync 0;", "", {});
  int64_t other = (own + kThreads / 2) % kThreads;
  *static_cast<int64_t *>(parameters[0]) += load(other) == uint64_t(other);
}

TEST(GpuMachine, BarriersThatAreMissing) {
  int64_t right = 0;
  for (bool isEager : {true, false}) {
    EXPECT_EQ(inOrder(neighbours<true>, &right, isEager), "");
    EXPECT_EQ(right, kThreads);
    EXPECT_EQ(inOrder(neighbours<false>, &right, isEager), "");
    EXPECT_EQ(right, kThreads / 2);
  }
}

template <bool waits> void copied(void *const *parameters) {
  alignas(16) static const uint32_t source[4] = {7, 7, 7, 7};
  if (currentGpuThread().number())
    return;
  uint64_t to = kSharedStart, from = uint64_t(reinterpret_cast<uintptr_t>(source)), bytes = 16;
  run("cp.async.cg.shared.global [$0], [$1], 16, $2;", "r,l,r", {&to, &from, &bytes});
  run("cp.async.commit_group;", "", {});
  if (waits)
    run("cp.async.wait_group 0;", "", {});
  *static_cast<int64_t *>(parameters[0]) = int64_t(load(0));
}

TEST(GpuMachine, CopiesThatNobodyWaitsFor) {
  int64_t found = 0;
  EXPECT_EQ(inOrder(copied<true>, &found, false), "");
  EXPECT_EQ(found, 7);
  EXPECT_EQ(inOrder(copied<false>, &found, false), "");
  EXPECT_EQ(found, 0xFFFFFFFF);
}

void halfOfAWarp(void *const *) {
  uint64_t value = 1, result = 0;
  if (currentGpuThread().number() % 2)
    run("shfl.sync.bfly.b32 $0, $1, 16, 31, -1;", "=r,r", {&result, &value});
}

TEST(GpuMachine, ThreadsThatMeetNobody) {
  int64_t right = 0;
  EXPECT_EQ(inOrder(halfOfAWarp, &right, true), "no thread goes on: thread 1 of block 0 at 'shfl.sync.bfly.b32 $0, $1, 16, 31, -1'");
}

void beyond(void *const *) {
  store(kThreads, 1);
}

TEST(GpuMachine, AddressesOutsideOfSharedMemory) {
  int64_t right = 0;
  EXPECT_EQ(inOrder(beyond, &right, true), "address 1280 is outside of 256 bytes of shared memory: thread 0 of block 0 at 'st.shared.b32 [$0], $1'");
}

void waitsForABarrier(void *const *) {
  uint64_t address = kSharedStart, count = 2, phase = 0;
  if (currentGpuThread().number() == 0)
    run("mbarrier.init.shared::cta.b64 [$0], $1;", "r,r", {&address, &count});
  run("bar.sync 0;", "", {});
  if (currentGpuThread().number() == 1) // one of two
    run("mbarrier.arrive.shared::cta.b64 _, [$0];", "r", {&address});
  run("{ .reg .pred over; again: mbarrier.try_wait.parity.shared::cta.b64 over, [$0], $1; @!over bra again; }", "r,r", {&address, &phase});
}

TEST(GpuMachine, BarriersAtWhichTooFewArrive) {
  int64_t right = 0;
  EXPECT_NE(inOrder(waitsForABarrier, &right, true).find("no thread goes on"), std::string::npos);
}

TEST(GpuMachine, InstructionsThatNobodyKnows) {
  std::string problem;
  Assembly assembly("frobnicate.sync $0, $1;", "=r,r", problem);
  EXPECT_EQ(problem, "no one knows the instruction 'frobnicate.sync $0, $1'\n");
}

} // namespace
} // namespace tenon::test
