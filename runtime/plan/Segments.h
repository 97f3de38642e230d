// When a plan's sizes become known: before the run, or once a step of it has defined a symbol.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "runtime/support/Memory.h"

#include <span>

namespace tenon::plan {

/// A plan's steps in segments: segment 0 up to the first step that defines symbols, the next ones from one such step to the next.
/// Every expression, and every buffer by its size, belongs to the segment at whose begin its value is known.
class Segments {
public:
  /// Sorts expressions and buffers, and checks that no step uses a size that is not known yet. The metadata is verified.
  /// A plan whose sizes are all known before it runs takes no memory.
  tn_status build(const format::Metadata &metadata, Memory &memory, Message &message);

  uint32_t count() const { return segmentCount; }
  uint32_t ofExpr(uint32_t expr) const { return segmentCount == 1 ? 0 : exprSegments[expr]; }
  uint32_t ofBuffer(const format::Buffer &buffer) const { return ofExpr(buffer.bytes()); }
  /// The segment from which on all dimensions are known.
  uint32_t of(const format::Tensor &tensor) const;
  bool isKnownBefore(const format::Tensor &tensor) const { return of(tensor) == 0; }

  /// The steps of a segment, [first, end).
  uint32_t firstStep(uint32_t segment) const { return segmentCount == 1 ? 0 : firstSteps[segment]; }
  uint32_t endStep(uint32_t segment) const { return segmentCount == 1 ? stepCount : firstSteps[segment + 1]; }
  /// The expressions of a segment, operands before their users.
  std::span<const uint32_t> exprs(uint32_t segment) const { return part(exprOrder, exprBegins, segment); }
  std::span<const uint32_t> buffers(uint32_t segment) const { return part(bufferOrder, bufferBegins, segment); }

  /// The buffers of a segment other than the first share one block of memory; two segments that are never alive together may have the same.
  uint32_t block(uint32_t segment) const { return blocks[segment]; }
  uint32_t blockCount() const { return blocksUsed; }

private:
  tn_status allocate(const format::Metadata &metadata, Memory &memory, Message &message);
  tn_status sortExprs(const format::Metadata &metadata, Message &message);
  tn_status checkSteps(const format::Metadata &metadata, Message &message) const;
  /// The segment that begins behind a step that defines symbols.
  uint32_t segmentBehind(uint32_t step) const;
  void sortBuffers(const format::Metadata &metadata);
  void shareBlocks(const format::Metadata &metadata);
  static std::span<const uint32_t> part(const Array<uint32_t> &order, const Array<uint32_t> &begins, uint32_t segment) {
    return {order.data() + begins[segment], begins[segment + 1] - begins[segment]};
  }

  uint32_t segmentCount = 1;
  uint32_t stepCount = 0;
  uint32_t blocksUsed = 0;
  Array<uint32_t> firstSteps;   // one more than there are segments
  Array<uint32_t> exprSegments; // by expression
  Array<uint32_t> exprOrder, exprBegins, bufferOrder, bufferBegins, blocks, blockLasts;
};

/// Whether a step defines symbols, and so begins the next segment behind it.
bool definesSymbols(const format::Step &step);

} // namespace tenon::plan
