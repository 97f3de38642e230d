#include "runtime/layout/RunTimeSizes.h"

#include "runtime/plan/Expressions.h"
#include "runtime/plan/Steps.h"

#include <algorithm>
#include <cinttypes>

using namespace tenon;
using namespace tenon::plan;

namespace {

constexpr int64_t kUnknown = -1;
// Packed while the plan runs: the greedy order, and a few microseconds of search.
constexpr int64_t kSearchWork = 2000;

/// The node that defines a symbol, for messages.
const char *definingNode(const tn_plan &plan, const format::Symbol &symbol) {
  const auto *sources = sourcesOf(*plan.metadata->steps()->Get(symbol.step()));
  return count(sources) ? sources->Get(0)->c_str() : "";
}

tn_status measureOutputs(tn_layout &layout, uint32_t segment, Message &message) {
  const tn_plan &plan = *layout.plan;
  for (uint32_t i = 0; i < plan.outputCount(); ++i) {
    const format::Tensor &output = *plan.metadata->outputs()->Get(i);
    if (plan.segments.of(output) == segment && !tensorBytes(layout, output, layout.outputBytes[i]))
      return message.fail(TN_SHAPE_MISMATCH, "the size of output '%s' is negative or overflows with these values", output.name()->c_str());
  }
  return TN_OK;
}

tn_status placeBuffers(tn_layout &layout, uint32_t segment, Message &message) {
  std::span<const uint32_t> list = layout.plan->segments.buffers(segment);
  for (size_t i = 0; i < list.size(); ++i) {
    const format::Buffer &buffer = *layout.plan->metadata->buffers()->Get(list[i]);
    layout.lifetimes[i] = {layout.value(buffer.bytes()), int64_t(buffer.alignment()), buffer.first(), buffer.last()};
    if (layout.lifetimes[i].bytes < 0)
      return message.fail(TN_BAD_PLAN, "buffer %u of the plan has a negative size with these values", list[i]);
  }
  ArenaPacking packing;
  ArenaPackOptions options;
  options.searchWork = kSearchWork;
  if (!packArena({layout.lifetimes.data(), list.size()}, {layout.packedOffsets.data(), list.size()}, layout.packScratch.data(), packing, options) ||
      packing.arenaBytes > INT64_MAX / 2)
    return message.fail(TN_SHAPE_MISMATCH, "the memory of a part of the plan overflows with these values");
  for (size_t i = 0; i < list.size(); ++i)
    layout.offsets[list[i]] = layout.packedOffsets[i];
  layout.segmentBytes[segment] = packing.arenaBytes;
  return TN_OK;
}

} // namespace

tn_status tn_layout::define(uint32_t symbol, int64_t value, uint32_t segment, Message &message) {
  const format::Symbol &defined = *plan->metadata->symbols()->Get(symbol);
  if (value < defined.minimum() || value > defined.maximum())
    return message.fail(TN_SHAPE_MISMATCH, "node '%s': the size '%s' is %" PRId64 " with these values, allowed are %" PRId64 " to %" PRId64,
                        definingNode(*plan, defined), defined.name()->c_str(), value, defined.minimum(), defined.maximum());
  if (symbols[symbol] == value)
    return TN_OK;
  symbols[symbol] = value;
  std::fill(segmentBytes.begin() + segment, segmentBytes.end(), kUnknown);
  return TN_OK;
}

tn_status tn_layout::enterSegment(uint32_t segment, Message &message) {
  if (segmentBytes[segment] != kUnknown)
    return TN_OK;
  if (tn_status status = evaluate(*plan->metadata, plan->segments, segment, symbols.data(), values.data(), message))
    return status;
  if (tn_status status = measureOutputs(*this, segment, message))
    return status;
  for (uint32_t i = plan->segments.firstStep(segment); i < plan->segments.endStep(segment); ++i)
    if (tn_status status = checkStep(*this, i, message))
      return status;
  return placeBuffers(*this, segment, message);
}

namespace tenon {

tn_status prepareSegments(tn_layout &layout, Message &message) {
  const Segments &segments = layout.plan->segments;
  if (segments.count() == 1)
    return TN_OK;
  std::fill(layout.values.begin(), layout.values.end(), kUnknown);
  for (uint32_t i = 0; i < layout.plan->symbolCount(); ++i)
    if (layout.plan->metadata->symbols()->Get(i)->source() == format::SymbolSource::Step)
      layout.symbols[i] = kUnknown;
  uint32_t most = 0;
  for (uint32_t segment = 1; segment < segments.count(); ++segment) {
    std::span<const uint32_t> list = segments.buffers(segment);
    most = std::max(most, uint32_t(list.size()));
    for (uint32_t buffer : list) {
      layout.offsets[buffer] = 0;
      layout.alignment = std::max(layout.alignment, layout.plan->metadata->buffers()->Get(buffer)->alignment());
    }
  }
  constexpr const char *kWhat = "the layout of a shape";
  if (tn_status status = layout.segmentBytes.allocate(*layout.memory, segments.count(), kWhat, message))
    return status;
  std::fill(layout.segmentBytes.begin(), layout.segmentBytes.end(), kUnknown);
  if (tn_status status = layout.lifetimes.allocate(*layout.memory, most, kWhat, message))
    return status;
  if (tn_status status = layout.packedOffsets.allocate(*layout.memory, most, kWhat, message))
    return status;
  return layout.packScratch.allocate(*layout.memory, arenaScratchBytes(most), kWhat, message);
}

} // namespace tenon
