// What threads do alone, and what they tell each other: moves, memory, exchanges in a warp, barriers.
#include "test/unit/codegen/gpu/Assembly.h"
#include "test/unit/codegen/gpu/Machine.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <cstring>

namespace tenon::test {

namespace {
using Arrived = std::vector<std::pair<GpuThread *, uint64_t *>>;

float toFloat(uint64_t bits) {
  return llvm::bit_cast<float>(uint32_t(bits));
}
uint64_t toBits(float x) {
  return llvm::bit_cast<uint32_t>(x);
}

void nothing(GpuThread &, const Statement &, uint64_t *) {}

void move(GpuThread &thread, const Statement &s, uint64_t *values) {
  bool isRank = !s.operands[1].isPlace && s.operands[1].number == kRankInCluster;
  s.place(0, values) = isRank ? uint64_t(thread.ofBlock().rank) : s.get(1, values);
}

void compare(GpuThread &, const Statement &s, uint64_t *values) {
  bool isEqual = uint32_t(s.get(1, values)) == uint32_t(s.get(2, values));
  s.place(0, values) = s.has("eq") ? isEqual : !isEqual;
}

void addLong(GpuThread &, const Statement &s, uint64_t *values) {
  s.place(0, values) = s.get(1, values) + s.get(2, values);
}

/// Both halves of words.
template <typename Change> uint64_t byHalves(uint64_t x, uint64_t y, Change change) {
  auto half = [&](int shift) { return uint32_t(uint16_t(change(int16_t(x >> shift), int16_t(y >> shift)))) << shift; };
  return half(0) | half(16);
}
void addHalves(GpuThread &, const Statement &s, uint64_t *values) {
  s.place(0, values) = byHalves(s.get(1, values), s.get(2, values), [](int16_t x, int16_t y) { return int16_t(x + y); });
}
void holdHalves(GpuThread &, const Statement &s, uint64_t *values) {
  s.place(0, values) = byHalves(s.get(1, values), s.get(2, values), [](int16_t x, int16_t y) { return std::max<int16_t>(0, std::min(x, y)); });
}

/// d = the low half of c, then a and b as bytes.
void packBytes(GpuThread &, const Statement &s, uint64_t *values) {
  auto byte = [&](size_t operand) { return uint64_t(std::clamp<int32_t>(int32_t(s.get(operand, values)), 0, 255)); };
  s.place(0, values) = uint32_t(s.get(3, values) << 16 | byte(1) << 8 | byte(2));
}

/// To ten bits of mantissa, ties away from zero.
void roundToTf32(GpuThread &, const Statement &s, uint64_t *values) {
  s.place(0, values) = uint32_t((s.get(1, values) + 0x1000) & 0xffffe000);
}

void permuteBytes(GpuThread &, const Statement &s, uint64_t *values) {
  uint64_t both = uint32_t(s.get(1, values)) | s.get(2, values) << 32, result = 0;
  for (int i = 0; i < 4; ++i) {
    uint64_t number = s.get(3, values) >> (4 * i) & 15, byte = both >> (8 * (number & 7)) & 255;
    result |= (number & 8 ? (byte & 128 ? 255 : 0) : byte) << (8 * i);
  }
  s.place(0, values) = result;
}

float withoutDenormals(float x) {
  return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
}

/// Functions of the special unit, exact but for what is said of the result.
template <typename Function> void function(const Statement &s, uint64_t *values, Function of) {
  float x = toFloat(s.get(1, values));
  bool flushes = s.has("ftz");
  float y = float(of(double(flushes ? withoutDenormals(x) : x)));
  s.place(0, values) = toBits(flushes ? withoutDenormals(y) : y);
}
void exponential(GpuThread &, const Statement &s, uint64_t *values) {
  function(s, values, [](double x) { return std::exp2(x); });
}
void reciprocal(GpuThread &, const Statement &s, uint64_t *values) {
  function(s, values, [](double x) { return 1 / x; });
}
void reciprocalRoot(GpuThread &, const Statement &s, uint64_t *values) {
  function(s, values, [](double x) { return 1 / std::sqrt(x); });
}
/// Right to 2^-11, and no better.
void tangent(GpuThread &, const Statement &s, uint64_t *values) {
  function(s, values, [](double x) { return std::tanh(x); });
  s.place(0, values) = (s.get(0, values) + 0x1000) & 0xffffe000;
}

// --- memory

void readMemory(const Statement &s, uint64_t *values, const uint8_t *from) {
  for (int64_t i = 0; i < s.count; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, from + i * s.bytes, s.bytes);
    s.place(i, values) = word;
  }
}
void loadGlobal(GpuThread &thread, const Statement &s, uint64_t *values) {
  uint64_t address = s.get(s.count, values);
  if (address % (s.count * s.bytes))
    return thread.fail("an address is not aligned to " + std::to_string(s.count * s.bytes), &s);
  readMemory(s, values, reinterpret_cast<const uint8_t *>(address));
}
void loadShared(GpuThread &thread, const Statement &s, uint64_t *values) {
  readMemory(s, values, thread.shared(s.get(s.count, values), s.count * s.bytes, s));
}
void storeShared(GpuThread &thread, const Statement &s, uint64_t *values) {
  uint8_t *to = thread.shared(s.get(0, values), s.count * s.bytes, s);
  for (int64_t i = 0; i < s.count; ++i) {
    uint64_t word = s.get(1 + i, values);
    std::memcpy(to + i * s.bytes, &word, s.bytes);
  }
}
/// The word before is the result, where there is one.
void addShared(GpuThread &thread, const Statement &s, uint64_t *values) {
  bool returns = s.has("atom");
  uint8_t *at = thread.shared(s.get(returns, values), s.bytes, s);
  uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  uint32_t sum = word + uint32_t(s.get(returns + 1, values));
  std::memcpy(at, &sum, sizeof sum);
  if (returns)
    s.place(0, values) = word;
}
void peerAddress(GpuThread &, const Statement &s, uint64_t *values) {
  s.place(0, values) = (s.get(1, values) & ((1u << kRankShift) - 1)) | (s.get(2, values) + 1) << kRankShift;
}

// --- together

void exchange(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.meetWarp(s, values, [&](Arrived &lanes) {
    std::vector<uint64_t> given;
    for (auto [lane, own] : lanes)
      given.push_back(s.get(1, own));
    for (size_t i = 0; i < lanes.size(); ++i) {
      uint64_t *own = lanes[i].second, number = s.get(2, own), from = s.has("bfly") ? i ^ number : number & 31;
      s.place(0, own) = given[from < lanes.size() ? from : i];
    }
  });
}
void vote(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.meetWarp(s, values, [&](Arrived &lanes) {
    uint32_t bits = 0;
    for (size_t i = 0; i < lanes.size(); ++i)
      bits |= uint32_t(s.get(1, lanes[i].second) != 0) << i;
    for (auto [lane, own] : lanes)
      s.place(0, own) = bits;
  });
}
void joinWarp(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.meetWarp(s, values, [](Arrived &) {});
}
void blockBarrier(GpuThread &thread, const Statement &s, uint64_t *values) {
  GpuBlock &block = thread.ofBlock();
  thread.meet(block.all, block.alive, s, values, [](Arrived &) {});
}
void clusterArrive(GpuThread &, const Statement &, uint64_t *) {}
void clusterWait(GpuThread &thread, const Statement &s, uint64_t *values) {
  GpuCluster &cluster = *thread.ofBlock().cluster;
  int64_t alive = 0;
  for (auto &block : cluster.blocks)
    alive += block->alive;
  thread.meet(cluster.all, alive, s, values, [](Arrived &) {});
}

// --- barriers in shared memory

SharedBarrier *barrierAt(GpuThread &thread, const Statement &s, uint64_t address) {
  auto found = thread.ofBlock().barriers.find(uint32_t(address));
  if (found != thread.ofBlock().barriers.end())
    return &found->second;
  thread.fail("there is no barrier at " + std::to_string(address), &s);
  return nullptr;
}
void beginBarrier(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.shared(s.get(0, values), 8, s);
  SharedBarrier barrier;
  barrier.expected = barrier.pending = int64_t(s.get(1, values));
  thread.ofBlock().barriers[uint32_t(s.get(0, values))] = barrier;
}
void arrive(GpuThread &thread, const Statement &s, uint64_t *values) {
  SharedBarrier *barrier = barrierAt(thread, s, s.get(1, values));
  if (!barrier)
    return;
  if (s.has("expect_tx"))
    barrier->bytes += int64_t(s.get(2, values));
  if (--barrier->pending < 0)
    thread.fail("more threads arrive at a barrier than it was made for", &s);
  barrier->settle();
  ++thread.ofBlock().cluster->progress;
}
void tryWait(GpuThread &thread, const Statement &s, uint64_t *values) {
  SharedBarrier *barrier = barrierAt(thread, s, s.get(1, values));
  if (!barrier)
    return;
  uint64_t phase = s.get(2, values) % 2;
  auto isOver = [&] { return barrier->phase % 2 != phase; };
  if (!isOver()) {
    thread.ofBlock().cluster->progress += !barrier->copies.empty();
    thread.yield(s);
    while (!isOver() && !barrier->copies.empty()) { // what was sent last comes first
      auto copy = std::move(barrier->copies.back());
      barrier->copies.pop_back();
      copy();
    }
  }
  s.place(0, values) = isOver();
}

// --- copies of 16 bytes beside a thread

void copyAsync(GpuThread &thread, const Statement &s, uint64_t *values) {
  constexpr int64_t kWidest = 16;
  int64_t width = int64_t(s.get(2, values)), bytes = s.operands.size() > 3 ? int64_t(s.get(3, values)) : width;
  if (width > kWidest || !llvm::isPowerOf2_64(width) || width < (s.has("cg") ? kWidest : 4) || bytes > width)
    return thread.fail("no copy is so wide", &s);
  uint8_t *to = thread.shared(s.get(0, values), width, s);
  auto *from = reinterpret_cast<const uint8_t *>(s.get(1, values));
  if (bytes && uintptr_t(from) % width)
    return thread.fail("an address is not aligned to " + std::to_string(width), &s);
  thread.copyBeside([=] {
    std::memset(to, 0, width);
    std::memcpy(to, from, bytes);
  });
}
void commitCopies(GpuThread &thread, const Statement &, uint64_t *) {
  thread.commitCopies();
}
void waitForCopies(GpuThread &thread, const Statement &s, uint64_t *values) {
  thread.waitForCopies(s.get(0, values));
}
} // namespace

Execute executorOf(const Statement &s) {
  struct Known {
    llvm::StringRef opcode; // its beginning
    Execute execute;
  };
  static constexpr Known kKnown[] = {
      {"mov.", move},
      {"setp.", compare},
      {"add.s64", addLong},
      {"add.s16x2", addHalves},
      {"min.relu.s16x2", holdHalves},
      {"cvt.pack.sat.u8.s32.b32", packBytes},
      {"cvt.rna.tf32.f32", roundToTf32},
      {"prmt.b32", permuteBytes},
      {"ex2.approx", exponential},
      {"rcp.approx", reciprocal},
      {"rsqrt.approx", reciprocalRoot},
      {"tanh.approx", tangent},
      {"ld.global", loadGlobal},
      {"ld.shared", loadShared},
      {"st.shared", storeShared},
      {"red.shared.add.u32", addShared},
      {"atom.shared.add.u32", addShared},
      {"mapa.", peerAddress},
      {"prefetch", nothing},
      {"fence", nothing},
      {"griddepcontrol", nothing},
      {"wgmma.fence", nothing},
      {"wgmma.commit_group", nothing},
      {"wgmma.wait_group", nothing},
      {"shfl.sync", exchange},
      {"vote.sync.ballot", vote},
      {"bar.warp.sync", joinWarp},
      {"bar.sync", blockBarrier},
      {"barrier.cluster.arrive", clusterArrive},
      {"barrier.cluster.wait", clusterWait},
      {"mbarrier.init", beginBarrier},
      {"mbarrier.arrive", arrive},
      {"mbarrier.try_wait.parity", tryWait},
      {"cp.async.cg.shared.global", copyAsync},
      {"cp.async.ca.shared.global", copyAsync},
      {"cp.async.commit_group", commitCopies},
      {"cp.async.wait_group", waitForCopies},
  };
  for (const Known &known : kKnown)
    if (llvm::StringRef(s.text).starts_with(known.opcode))
      return known.execute;
  return nullptr;
}

} // namespace tenon::test
