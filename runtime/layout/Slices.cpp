#include "runtime/layout/Slices.h"

#include "runtime/memory/ArenaPacker.h"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

using namespace plan;

// A new shape is laid out while a caller waits: about 10 ms of search at most.
constexpr int64_t kSearchWork = 2'000'000;

/// The i-th buffer whose size is known before the run.
uint32_t bufferAt(const tn_plan &plan, uint32_t i) { return plan.segments.count() == 1 ? i : plan.segments.buffers(0)[i]; }
uint32_t bufferCountOf(const tn_plan &plan) { return plan.segments.count() == 1 ? plan.bufferCount() : uint32_t(plan.segments.buffers(0).size()); }

tn_status readLifetimes(const tn_layout &layout, const Array<Lifetime> &lifetimes, Message &message) {
  for (uint32_t i = 0; i < lifetimes.size(); ++i) {
    uint32_t index = bufferAt(*layout.plan, i);
    const format::Buffer &buffer = *layout.plan->metadata->buffers()->Get(index);
    lifetimes[i] = {layout.value(buffer.bytes()), int64_t(buffer.alignment()), buffer.first(), buffer.last()};
    if (lifetimes[i].bytes < 0)
      return message.fail(TN_BAD_PLAN, "buffer %u of the plan has a negative size with these shapes", index);
  }
  return TN_OK;
}

tn_status takeFixedOffsets(tn_layout &layout, const Array<Lifetime> &lifetimes, void *scratch, Message &message) {
  bool valid = measureLifetimes({lifetimes.data(), lifetimes.size()}, scratch, layout.lowerBound, layout.naiveBytes);
  int64_t end = 0;
  for (uint32_t i = 0; i < lifetimes.size() && valid; ++i) {
    uint32_t index = bufferAt(*layout.plan, i);
    layout.offsets[index] = layout.plan->metadata->buffers()->Get(index)->offset();
    int64_t sliceEnd = 0;
    valid = !__builtin_add_overflow(layout.offsets[index], lifetimes[i].bytes, &sliceEnd);
    end = std::max(end, sliceEnd);
  }
  const format::Memory *memory = layout.plan->metadata->memory();
  int64_t declared = memory && memory->arena_bytes() >= 0 ? memory->arena_bytes() : end;
  if (!valid || end > declared || declared > INT64_MAX / 2)
    return message.fail(TN_BAD_PLAN, "a slice leaves the arena of %lld bytes", (long long)declared);
  layout.arenaBytes = declared;
  return TN_OK;
}

tn_status packSlices(tn_layout &layout, const Array<Lifetime> &lifetimes, const Array<int64_t> &offsets, void *scratch, Message &message) {
  ArenaPacking packing;
  ArenaPackOptions options;
  options.searchWork = kSearchWork;
  if (!packArena({lifetimes.data(), lifetimes.size()}, {offsets.data(), offsets.size()}, scratch, packing, options) || packing.arenaBytes > INT64_MAX / 2)
    return message.fail(TN_SHAPE_MISMATCH, "the arena's size overflows with these shapes");
  for (uint32_t i = 0; i < offsets.size(); ++i)
    layout.offsets[bufferAt(*layout.plan, i)] = offsets[i];
  layout.arenaBytes = packing.arenaBytes;
  layout.lowerBound = packing.lowerBound;
  layout.naiveBytes = packing.naiveBytes;
  return TN_OK;
}

} // namespace

tn_status placeSlices(tn_layout &layout, Message &message) {
  uint32_t bufferCount = bufferCountOf(*layout.plan);
  if (bufferCount == 0)
    return TN_OK;
  Array<Lifetime> lifetimes;
  Array<int64_t> offsets;
  Array<uint8_t> scratch;
  if (tn_status status = lifetimes.allocate(*layout.memory, bufferCount, "packing the arena", message))
    return status;
  if (tn_status status = scratch.allocate(*layout.memory, arenaScratchBytes(bufferCount), "packing the arena", message))
    return status;
  if (tn_status status = readLifetimes(layout, lifetimes, message))
    return status;
  for (const Lifetime &lifetime : lifetimes)
    layout.alignment = std::max(layout.alignment, uint32_t(lifetime.alignment));
  if (layout.plan->hasFixedOffsets())
    return takeFixedOffsets(layout, lifetimes, scratch.data(), message);
  if (tn_status status = offsets.allocate(*layout.memory, bufferCount, "packing the arena", message))
    return status;
  return packSlices(layout, lifetimes, offsets, scratch.data(), message);
}

tn_status checkSlices(const tn_layout &layout, Memory &memory, Message &message) {
  // Sweeps over the buffers in the order of birth and keeps those alive sorted by offset: a new one may overlap only its neighbours.
  struct Slice {
    int64_t begin, end;
    uint32_t first, last;
  };
  uint32_t bufferCount = bufferCountOf(*layout.plan);
  Array<Slice> slices, alive;
  if (tn_status status = slices.allocate(memory, bufferCount, "checking the arena", message))
    return status;
  if (tn_status status = alive.allocate(memory, bufferCount, "checking the arena", message))
    return status;
  for (uint32_t i = 0; i < bufferCount; ++i) {
    uint32_t index = bufferAt(*layout.plan, i);
    const format::Buffer &buffer = *layout.plan->metadata->buffers()->Get(index);
    slices[i] = {layout.offsets[index], layout.offsets[index] + layout.value(buffer.bytes()), buffer.first(), buffer.last()};
  }
  std::sort(slices.begin(), slices.end(), [](const Slice &a, const Slice &b) { return a.first < b.first; });
  size_t aliveCount = 0;
  for (const Slice &slice : slices) {
    if (slice.begin == slice.end)
      continue;
    Slice *end = std::remove_if(alive.data(), alive.data() + aliveCount, [&](const Slice &other) { return other.last < slice.first; });
    Slice *next = std::lower_bound(alive.data(), end, slice, [](const Slice &a, const Slice &b) { return a.begin < b.begin; });
    if ((next != end && next->begin < slice.end) || (next != alive.data() && next[-1].end > slice.begin))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: two buffers that are alive at step %u overlap in the arena", slice.first);
    memmove(next + 1, next, size_t(end - next) * sizeof(Slice));
    *next = slice;
    aliveCount = size_t(end + 1 - alive.data());
  }
  return TN_OK;
}

} // namespace tenon
