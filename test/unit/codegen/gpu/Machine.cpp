#include "test/unit/codegen/gpu/Machine.h"
#include "test/unit/codegen/gpu/Assembly.h"
#include <algorithm>

namespace tenon::test {

namespace {
constexpr int64_t kWarp = 32, kGroup = 128;
constexpr size_t kStackBytes = 256 << 10;
GpuThread *current = nullptr;

/// Blocks have the same stacks, one after the other.
uint8_t *stackOf(size_t thread) {
  static std::vector<std::unique_ptr<uint8_t[]>> stacks;
  while (stacks.size() <= thread)
    stacks.emplace_back(new uint8_t[kStackBytes]);
  return stacks[thread].get();
}

std::string describe(const GpuThread &thread, const Statement *at, int64_t block) {
  return "thread " + std::to_string(thread.number()) + " of block " + std::to_string(block) + (at ? " at '" + at->text + "'" : "");
}
} // namespace

GpuThread &currentGpuThread() {
  return *current;
}
extern "C" int32_t tenonGpuThreadNumber() {
  return int32_t(current->number());
}
extern "C" int32_t tenonGpuBlockNumber() {
  return int32_t(current->ofBlock().number);
}
extern "C" int32_t tenonGpuBlockCount() {
  return int32_t(current->ofBlock().cluster->launch.blocks);
}

// --- threads

void GpuThread::fail(const std::string &what, const Statement *statement) {
  if (block->cluster->problem.empty())
    block->cluster->problem = what + ": " + describe(*this, statement, block->number);
}

bool GpuThread::isEager() const {
  return block->cluster->launch.isEager;
}

void GpuThread::yield(const Statement &statement) {
  at = &statement;
  swapcontext(&context, &block->cluster->scheduler);
}

void GpuThread::meet(Meeting &meeting, int64_t count, const Statement &statement, uint64_t *values,
                     llvm::function_ref<void(std::vector<std::pair<GpuThread *, uint64_t *>> &)> together) {
  bool isOfAll = &meeting == &block->all || &meeting == &block->cluster->all; // warps may come to barriers from anywhere
  if (!isOfAll && !meeting.arrived.empty() && meeting.statement != &statement)
    fail("threads meet where others wait for them at '" + meeting.statement->text + "'", &statement);
  meeting.statement = &statement;
  meeting.arrived.push_back({this, values});
  if (int64_t(meeting.arrived.size()) < count) {
    waitsFor = &meeting;
    meetingNumber = meeting.number;
    return yield(statement);
  }
  llvm::sort(meeting.arrived, [](auto &x, auto &y) { return x.first->number() < y.first->number(); });
  together(meeting.arrived);
  meeting.arrived.clear();
  ++meeting.number;
  ++block->cluster->progress;
}

void GpuThread::meetWarp(const Statement &statement, uint64_t *values,
                         llvm::function_ref<void(std::vector<std::pair<GpuThread *, uint64_t *>> &)> together) {
  int64_t warp = ownNumber / kWarp, lanes = std::min<int64_t>(kWarp, int64_t(block->threads.size()) - warp * kWarp);
  meet(block->warps[warp], lanes, statement, values, together);
}

uint8_t *GpuThread::shared(uint64_t address, int64_t bytes, const Statement &statement) {
  uint32_t rank = uint32_t(address) >> kRankShift, offset = uint32_t(address) & ((1u << kRankShift) - 1);
  auto &blocks = block->cluster->blocks;
  static uint8_t elsewhere[1 << 16]; // what faulty code may change
  if (rank > blocks.size() || offset < kSharedStart || offset - kSharedStart + bytes > int64_t(block->shared.size())) {
    fail("address " + std::to_string(address) + " is outside of " + std::to_string(block->shared.size()) + " bytes of shared memory", &statement);
    return elsewhere;
  }
  if (offset % std::min<int64_t>(bytes, 16))
    fail("address " + std::to_string(address) + " is not aligned", &statement);
  GpuBlock &of = rank ? *blocks[rank - 1] : *block;
  if (!of.alive)
    fail("the block has ended whose memory is meant", &statement);
  return of.shared.data() + (offset - kSharedStart);
}

void GpuThread::copyBeside(Work copy) {
  if (isEager())
    return copy();
  open.push_back(std::move(copy));
}

void GpuThread::commitCopies() {
  groups.push_back(std::move(open)), open.clear();
}

void GpuThread::waitForCopies(size_t left) {
  for (; groups.size() > left; groups.pop_front())
    for (Work &copy : groups.front())
      copy();
}

void SharedBarrier::settle() {
  if (pending == 0 && bytes == 0)
    pending = expected, ++phase;
}

// --- blocks

GpuCluster::GpuCluster(const GpuLaunch &launch, int64_t firstBlock) : launch(launch) {
  for (int64_t rank = 0; rank < launch.cluster; ++rank) {
    auto &block = *blocks.emplace_back(std::make_unique<GpuBlock>());
    block.cluster = this;
    block.rank = rank, block.number = firstBlock + rank;
    block.shared.assign(launch.sharedBytes, 0xFF); // what no one has written is NaN
    block.warps.resize((launch.threads + kWarp - 1) / kWarp);
    block.groups.resize((launch.threads + kGroup - 1) / kGroup);
    block.threads = std::vector<GpuThread>(launch.threads);
    block.alive = launch.threads;
    for (int64_t i = 0; i < launch.threads; ++i) {
      GpuThread &thread = block.threads[i];
      thread.block = &block, thread.ownNumber = i;
      getcontext(&thread.context);
      thread.context.uc_stack.ss_sp = stackOf(rank * launch.threads + i);
      thread.context.uc_stack.ss_size = kStackBytes;
      thread.context.uc_link = &scheduler;
      makecontext(&thread.context, reinterpret_cast<void (*)()>(&GpuCluster::start), 0);
    }
  }
}

GpuCluster::~GpuCluster() = default;

void GpuCluster::start(unsigned, unsigned) {
  GpuThread &thread = *current;
  GpuCluster &cluster = *thread.block->cluster;
  cluster.launch.kernel(cluster.launch.parameters);
  thread.isOver = true;
  ++cluster.progress;
  // Barriers count those that are there.
  if (Meeting &all = thread.block->all; --thread.block->alive && int64_t(all.arrived.size()) == thread.block->alive) {
    all.arrived.clear();
    ++all.number;
  }
}

void GpuCluster::resume(GpuThread &thread) {
  if (thread.isOver || (thread.waitsFor && thread.waitsFor->number == thread.meetingNumber))
    return;
  thread.waitsFor = nullptr;
  current = &thread;
  swapcontext(&scheduler, &thread.context);
}

std::string GpuCluster::run() {
  auto isOver = [&] { return llvm::all_of(blocks, [](auto &block) { return block->alive == 0; }); };
  while (problem.empty() && !isOver()) {
    uint64_t before = progress;
    for (size_t i = 0; i < blocks.size(); ++i) {
      GpuBlock &block = *blocks[launch.isEager ? i : blocks.size() - 1 - i];
      if (i + 1 == blocks.size() && progress != before)
        break; // it goes on when no other can
      for (int64_t k = 0; k < launch.threads && problem.empty(); ++k)
        resume(block.threads[launch.isEager ? k : launch.threads - 1 - k]);
    }
    if (progress == before && problem.empty() && !isOver())
      for (auto &block : blocks)
        for (GpuThread &thread : block->threads)
          if (!thread.isOver)
            thread.fail("no thread goes on", thread.at);
  }
  return problem;
}

std::string runOnEmulatedGpu(const GpuLaunch &launch) {
  for (int64_t begun = 0; begun < launch.blocks; begun += launch.cluster) {
    int64_t first = launch.isEager ? begun : launch.blocks - launch.cluster - begun;
    GpuCluster cluster(launch, first);
    if (std::string problem = cluster.run(); !problem.empty())
      return problem;
  }
  return "";
}

} // namespace tenon::test
