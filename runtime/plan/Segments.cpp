#include "runtime/plan/Segments.h"

#include "runtime/plan/Steps.h"

#include <algorithm>

namespace tenon::plan {

using namespace format;

bool definesSymbols(const Step &step) {
  StepKind kind = step.kind_type();
  return kind == StepKind::ReadSizes || kind == StepKind::If || kind == StepKind::Loop;
}

namespace {

constexpr uint32_t kMaxSegments = 4096; // opening a plan takes time in proportion to its size: blocks are found by a scan

/// Sorts [0, size) by segment, stably: `order` lists them, segment s is at [begins[s], begins[s + 1]).
template <typename SegmentOf> void sortBySegment(uint32_t size, const Array<uint32_t> &order, const Array<uint32_t> &begins, SegmentOf segmentOf) {
  std::fill(begins.begin(), begins.end(), 0);
  for (uint32_t i = 0; i < size; ++i)
    ++begins[segmentOf(i)];
  uint32_t end = 0;
  for (uint32_t &begin : begins) {
    uint32_t entries = begin;
    begin = end;
    end += entries;
  }
  for (uint32_t i = 0; i < size; ++i)
    order[begins[segmentOf(i)]++] = i;
  for (size_t segment = begins.size() - 1; segment > 0; --segment)
    begins[segment] = begins[segment - 1];
  begins[0] = 0;
}

} // namespace

uint32_t Segments::of(const Tensor &tensor) const {
  uint32_t segment = 0;
  for (uint32_t axis = 0; axis < plan::count(tensor.dims()); ++axis)
    segment = std::max(segment, ofExpr(tensor.dims()->Get(axis)));
  return segment;
}

tn_status Segments::build(const Metadata &metadata, tenon::Memory &memory, Message &message) {
  stepCount = plan::count(metadata.steps());
  segmentCount = 1;
  for (uint32_t i = 0; i < stepCount; ++i)
    segmentCount += definesSymbols(*metadata.steps()->Get(i));
  if (segmentCount == 1)
    return TN_OK;
  if (segmentCount > kMaxSegments)
    return message.fail(TN_BAD_PLAN, "corrupted metadata: %u steps define sizes, at most %u are allowed", segmentCount - 1, kMaxSegments - 1);
  if (tn_status status = allocate(metadata, memory, message))
    return status;
  uint32_t segment = 0;
  firstSteps[segment++] = 0;
  for (uint32_t i = 0; i < stepCount; ++i)
    if (definesSymbols(*metadata.steps()->Get(i)))
      firstSteps[segment++] = i + 1;
  firstSteps[segment] = stepCount;
  if (tn_status status = sortExprs(metadata, message))
    return status;
  if (tn_status status = checkSteps(metadata, message))
    return status;
  sortBuffers(metadata);
  shareBlocks(metadata);
  return TN_OK;
}

tn_status Segments::allocate(const Metadata &metadata, tenon::Memory &memory, Message &message) {
  uint32_t exprCount = plan::count(metadata.exprs()), bufferCount = plan::count(metadata.buffers());
  const struct {
    Array<uint32_t> *array;
    uint32_t size;
  } arrays[] = {{&firstSteps, segmentCount + 1}, {&exprSegments, exprCount},        {&exprOrder, exprCount}, {&exprBegins, segmentCount + 1},
                {&bufferOrder, bufferCount},     {&bufferBegins, segmentCount + 1}, {&blocks, segmentCount}, {&blockLasts, segmentCount}};
  for (auto [array, size] : arrays)
    if (tn_status status = array->allocate(memory, size, "the plan's segments", message))
      return status;
  return TN_OK;
}

/// An expression is known when all of its symbols are: those of step i from the segment on that begins behind it.
tn_status Segments::sortExprs(const Metadata &metadata, Message &message) {
  uint32_t exprCount = plan::count(metadata.exprs());
  for (uint32_t id = 0; id < exprCount; ++id) {
    const Expr &expr = *metadata.exprs()->Get(id);
    uint32_t segment = 0;
    if (expr.op() == ExprOp::Symbol) {
      const Symbol &symbol = *metadata.symbols()->Get(uint32_t(expr.a()));
      if (symbol.source() == SymbolSource::Step) // the verifier has seen that the step exists and defines it
        segment = segmentBehind(symbol.step());
    } else if (expr.op() != ExprOp::Const) {
      segment = std::max(exprSegments[size_t(expr.a())], exprSegments[size_t(expr.b())]);
    }
    exprSegments[id] = segment;
  }
  sortBySegment(exprCount, exprOrder, exprBegins, [&](uint32_t id) { return exprSegments[id]; });
  for (uint32_t i = 0; i < plan::count(metadata.results()); ++i)
    if (const Result &result = *metadata.results()->Get(i); of(*result.tensor()) > segmentBehind(result.step()))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: result %u: its size is known later than the result", i);
  for (uint32_t i = 0; i < plan::count(metadata.inputs()); ++i)
    if (!isKnownBefore(*metadata.inputs()->Get(i)))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: input %u: its size depends on the run", i);
  return TN_OK;
}

uint32_t Segments::segmentBehind(uint32_t step) const {
  return uint32_t(std::upper_bound(firstSteps.begin(), firstSteps.end() - 1, step) - firstSteps.begin());
}

tn_status Segments::checkSteps(const Metadata &metadata, Message &message) const {
  for (uint32_t segment = 0; segment < segmentCount; ++segment)
    for (uint32_t i = firstStep(segment); i < endStep(segment); ++i) {
      const Step &step = *metadata.steps()->Get(i);
      bool isKnown = true;
      forEachExpr(step, [&](uint32_t expr) { isKnown &= exprSegments[expr] <= segment; });
      forEachOperand(step, [&](const Operand &operand) {
        if (operand.kind() == OperandKind::Buffer)
          isKnown &= ofBuffer(*metadata.buffers()->Get(operand.index())) <= segment;
        if (operand.kind() == OperandKind::Result) {
          const Result &result = *metadata.results()->Get(operand.index());
          isKnown &= result.step() < i && of(*result.tensor()) <= segment; // a call ends its segment: it has run
        }
        if (operand.kind() == OperandKind::Output) // the caller's memory is looked at when its size is known
          isKnown &= of(*metadata.outputs()->Get(operand.index())) <= segment;
      });
      if (!isKnown)
        return message.fail(TN_BAD_PLAN, "corrupted metadata: step %u: it uses a size that only a later step defines", i);
    }
  for (uint32_t i = 0; i < plan::count(metadata.buffers()); ++i) {
    const Buffer &buffer = *metadata.buffers()->Get(i);
    uint32_t segment = ofBuffer(buffer);
    if (segment > 0 && (buffer.first() < firstSteps[segment] || buffer.offset() != -1))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: buffer %u: it lives before its size is known, or has a fixed offset", i);
  }
  return TN_OK;
}

void Segments::sortBuffers(const Metadata &metadata) {
  sortBySegment(plan::count(metadata.buffers()), bufferOrder, bufferBegins, [&](uint32_t i) { return ofBuffer(*metadata.buffers()->Get(i)); });
}

void Segments::shareBlocks(const Metadata &metadata) {
  // Segments come in the order of their steps: a block is free once the buffers of every earlier segment that has it are dead.
  blocksUsed = 0;
  blocks[0] = 0;
  for (uint32_t segment = 1; segment < segmentCount; ++segment) {
    uint32_t block = 0;
    while (block < blocksUsed && blockLasts[block] >= firstSteps[segment])
      ++block;
    if (block == blocksUsed)
      blockLasts[blocksUsed++] = 0;
    for (uint32_t i : buffers(segment))
      blockLasts[block] = std::max(blockLasts[block], metadata.buffers()->Get(i)->last());
    blocks[segment] = block;
  }
}

} // namespace tenon::plan
