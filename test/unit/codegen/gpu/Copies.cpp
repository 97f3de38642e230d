// Copies that arrive at barriers in shared memory: bulk copies, and tiles of tensors by maps (TMA).
#include "test/unit/codegen/gpu/Assembly.h"
#include "test/unit/codegen/gpu/Machine.h"
#include "test/unit/codegen/gpu/MappedTensor.h"
#include <cstring>

namespace tenon::test {

namespace {
/// Does `copy` and takes `bytes` off what the barrier, which may be another block's, waits for.
void arriveAt(GpuThread &thread, const Statement &s, uint64_t barrierAddress, int64_t bytes, std::function<void()> copy) {
  GpuBlock *block = &thread.ofBlock();
  uint32_t peer = uint32_t(barrierAddress) >> kRankShift;
  if (peer > block->cluster->blocks.size())
    return thread.fail("no block of the cluster has a barrier at " + std::to_string(barrierAddress), &s);
  if (peer)
    block = block->cluster->blocks[peer - 1].get();
  auto found = block->barriers.find(uint32_t(barrierAddress) & ((1u << kRankShift) - 1));
  if (found == block->barriers.end())
    return thread.fail("there is no barrier at " + std::to_string(barrierAddress), &s);
  SharedBarrier *barrier = &found->second;
  GpuCluster *cluster = thread.ofBlock().cluster;
  auto work = [=] {
    copy();
    barrier->bytes -= bytes;
    barrier->settle();
    ++cluster->progress;
  };
  if (thread.isEager())
    return work();
  barrier->copies.push_back(work);
}

void copyBulk(GpuThread &thread, const Statement &s, uint64_t *values) {
  int64_t bytes = int64_t(s.get(2, values));
  auto *from = reinterpret_cast<const uint8_t *>(s.get(1, values));
  if (bytes % 16 || uintptr_t(from) % 16)
    return thread.fail("a bulk copy is not aligned to 16 bytes", &s);
  uint8_t *to = thread.shared(s.get(0, values), bytes, s);
  arriveAt(thread, s, s.get(3, values), bytes, [=] { std::memcpy(to, from, bytes); });
}

void sendWords(GpuThread &thread, const Statement &s, uint64_t *values) {
  int64_t bytes = s.count * s.bytes;
  uint8_t *to = thread.shared(s.get(0, values), bytes, s);
  std::vector<uint64_t> words;
  for (int64_t i = 0; i < s.count; ++i)
    words.push_back(s.get(1 + i, values));
  arriveAt(thread, s, s.get(1 + s.count, values), bytes, [=, size = s.bytes] {
    for (size_t i = 0; i < words.size(); ++i)
      std::memcpy(to + i * size, &words[i], size);
  });
}

void copyTile(GpuThread &thread, const Statement &s, uint64_t *values) {
  const auto &tensor = *reinterpret_cast<const MappedTensor *>(s.get(1, values));
  size_t rank = tensor.map.sizes.size();
  bool isImage = s.has("im2col");
  std::vector<int64_t> at, taps;
  for (size_t i = 0; i < rank; ++i)
    at.push_back(int32_t(s.get(2 + i, values)));
  for (size_t i = 0; isImage && i < rank - 2; ++i)
    taps.push_back(uint16_t(s.get(3 + rank + i, values)));
  if (isImage != !tensor.map.lower.empty())
    return thread.fail("the map is of another kind", &s);
  uint32_t address = uint32_t(s.get(0, values));
  if (address % 128)
    return thread.fail("a tile does not begin at 128 bytes", &s);
  uint8_t *to = thread.shared(address, 128, s);
  thread.shared(address + tensor.tileBytes() - 16, 16, s);
  arriveAt(thread, s, s.get(2 + rank, values), tensor.tileBytes(), [=, &tensor] { tensor.copyTo(to, address, at, taps); });
}
} // namespace

Execute copyOf(const Statement &s) {
  llvm::StringRef text = s.text;
  if (text.starts_with("cp.async.bulk.tensor"))
    return copyTile;
  if (text.starts_with("cp.async.bulk.shared::cluster.global"))
    return copyBulk;
  if (text.starts_with("st.async"))
    return sendWords;
  return nullptr;
}

} // namespace tenon::test
