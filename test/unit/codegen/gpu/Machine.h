// Blocks of threads of a GPU on this processor: threads are fibers of one thread here, which change where they wait for each other.
//
// What a GPU leaves open is done in one of two ways: with `isEager`, blocks and threads take turns from the first one on and copies that run beside
// the threads happen at once; without, they take turns from the last one on and such copies happen when they are waited for, of those that arrive at
// a barrier the last one first. Of a cluster's blocks the last one to take its turn goes on only when no other can. Code that waits too little gives
// other numbers in one of them.
#pragma once
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <ucontext.h>
#include <vector>

namespace tenon::test {

struct Statement;
class GpuThread;
class GpuCluster;

/// A place where threads meet: the last one does what they do together.
struct Meeting {
  uint64_t number = 0; // of meetings that are over
  const Statement *statement = nullptr;
  std::vector<std::pair<GpuThread *, uint64_t *>> arrived;
};

/// A barrier in shared memory (mbarrier).
struct SharedBarrier {
  int64_t expected = 0, pending = 0, bytes = 0;
  uint64_t phase = 0;
  std::vector<std::function<void()>> copies; // that are on their way

  void settle();
};

struct GpuBlock {
  GpuCluster *cluster = nullptr;
  int64_t rank = 0, number = 0; // in its cluster, in the grid
  std::vector<uint8_t> shared;
  std::vector<GpuThread> threads;
  std::vector<Meeting> warps, groups;
  Meeting all;
  int64_t alive = 0;
  std::map<uint32_t, SharedBarrier> barriers; // by address
};

class GpuThread {
public:
  using Work = std::function<void()>;
  /// Meets `count` threads at `meeting`; the last of them calls `together` with the values of all, in their order.
  void meet(Meeting &meeting, int64_t count, const Statement &statement, uint64_t *values,
            llvm::function_ref<void(std::vector<std::pair<GpuThread *, uint64_t *>> &)> together);
  void meetWarp(const Statement &statement, uint64_t *values, llvm::function_ref<void(std::vector<std::pair<GpuThread *, uint64_t *>> &)> together);
  /// Lets others run.
  void yield(const Statement &statement);
  /// Memory of the block or, where the address says so, of another block of the cluster. Null, and a problem, outside of it.
  uint8_t *shared(uint64_t address, int64_t bytes, const Statement &statement);
  /// A copy beside the thread: now or later.
  void copyBeside(Work copy);
  void commitCopies();
  void waitForCopies(size_t groups);
  void fail(const std::string &what, const Statement *statement);
  bool isEager() const;
  GpuBlock &ofBlock() { return *block; }
  int64_t number() const { return ownNumber; }

private:
  friend class GpuCluster;
  GpuBlock *block = nullptr;
  int64_t ownNumber = 0;
  ucontext_t context;
  bool isOver = false;
  const Meeting *waitsFor = nullptr;
  uint64_t meetingNumber = 0;
  const Statement *at = nullptr;
  std::vector<Work> open;
  std::deque<std::vector<Work>> groups;
};

/// Shared memory begins here: no address is 0.
constexpr uint32_t kSharedStart = 1024;
/// The first byte of an address in another block's memory is its rank, plus one.
constexpr int kRankShift = 24;

struct GpuLaunch {
  int64_t blocks = 1, threads = 1, sharedBytes = 0, cluster = 1;
  bool isEager = true;
  void (*kernel)(void *const *parameters) = nullptr;
  void *const *parameters = nullptr;
};

/// Runs all blocks; empty, or what went wrong.
std::string runOnEmulatedGpu(const GpuLaunch &launch);

/// The thread that runs now, and its numbers.
GpuThread &currentGpuThread();
extern "C" int32_t tenonGpuThreadNumber();
extern "C" int32_t tenonGpuBlockNumber();
extern "C" int32_t tenonGpuBlockCount();

class GpuCluster {
public:
  GpuCluster(const GpuLaunch &launch, int64_t firstBlock);
  ~GpuCluster();
  /// Runs the threads to their ends; empty, or what went wrong.
  std::string run();

  const GpuLaunch &launch;
  std::vector<std::unique_ptr<GpuBlock>> blocks;
  Meeting all;
  uint64_t progress = 0;
  std::string problem;

private:
  friend class GpuThread;
  void resume(GpuThread &thread);
  static void start(unsigned high, unsigned low);
  ucontext_t scheduler;
};

} // namespace tenon::test
