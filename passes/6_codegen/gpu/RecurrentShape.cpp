#include "passes/6_codegen/gpu/RecurrentShape.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::gpu {
using namespace mlir;

std::optional<RecurrentProblem> RecurrentProblem::of(kernel::FuncOp func) {
  RecurrentProblem p;
  for (Operation &op : func.getBody().front())
    if (auto recurrence = dyn_cast<nn::RecurrenceOp>(op)) {
      if (p.op)
        return std::nullopt;
      p.op = recurrence;
    }
  if (!p.op)
    return std::nullopt;
  for (Value operand : p.op->getOperands()) {
    Type element = cast<RankedTensorType>(operand.getType()).getElementType();
    bool isExpected = operand == p.op.getLengths() ? element.isInteger(32) : element.isF32();
    if (!isExpected || !isa<BlockArgument>(kernel::viewOf(operand).source))
      return std::nullopt;
  }
  unsigned returned = 0;
  std::optional<cpu::StoreView> *views[] = {&p.sequence, &p.lastH, &p.lastC};
  for (auto [view, result] : llvm::zip(views, p.op->getResults())) {
    if (result.use_empty())
      continue;
    *view = cpu::storeViewOf(result, func);
    if (!*view)
      return std::nullopt;
    ++returned;
  }
  if (returned != func.getNumResults())
    return std::nullopt;
  SmallVector<nn::Dim> weights = nn::dimsOf(p.op.getRecurrence().getType());
  p.steps = nn::dimOf(p.op.getGates().getType(), 0);
  p.batch = nn::dimOf(p.op.getGates().getType(), 1);
  p.cell = p.op.getCell();
  p.resetsFirst = p.cell == nn::Cell::GRU && !p.op.getLinearBeforeReset();
  p.directions = p.op.getDirection() == nn::Direction::Bidirectional ? 2 : 1;
  p.hidden = *weights[1].asConstant();
  p.gates = *weights[2].asConstant() / p.hidden;
  return p;
}

/// What follows from the cluster and its elements of the batch.
static void shareUnits(RecurrentShape &s, const RecurrentProblem &p) {
  constexpr int64_t kThreads = 512, kMostThreads = 1024, kFewWeights = 64, kMostWeights = 80; // in registers: 512 threads have 128 each
  s.units = llvm::alignTo(llvm::divideCeil(p.hidden, s.cluster), RecurrentShape::kUnits);
  s.atOnce = s.units;
  int64_t mostSlices = llvm::alignTo(llvm::divideCeil(p.hidden, RecurrentShape::kDepth), RecurrentShape::kSlices);
  int64_t rounds = llvm::divideCeil(s.units * RecurrentShape::kSlices, kMostThreads);
  if (s.units * RecurrentShape::kSlices > kThreads) {
    s.atOnce = llvm::alignTo(llvm::divideCeil(s.units, rounds), RecurrentShape::kUnits);
    s.units = rounds * s.atOnce;
    s.slices = RecurrentShape::kSlices;
  } else {
    s.slices = std::min(mostSlices, kThreads / (s.units * RecurrentShape::kSlices) * RecurrentShape::kSlices);
  }
  s.chunks = llvm::divideCeil(p.hidden, s.slices * RecurrentShape::kDepth);
  int64_t chunkWeights = p.gates * RecurrentShape::kDepth;
  s.resident = s.chunks * chunkWeights <= kMostWeights ? s.chunks : kFewWeights / chunkWeights;
  if (s.threads() > kThreads)
    s.resident = 0;
}

static kernel::ScheduleAttr attrOf(const RecurrentShape &s, MLIRContext *ctx) {
  return kernel::ScheduleAttr::get(ctx, "gpu.recurrent", {{"cluster", s.cluster}, {"elements", s.elements}});
}

static RecurrentShape shapeOf(const RecurrentProblem &p, int64_t cluster, int64_t elements) {
  RecurrentShape s;
  s.cluster = cluster;
  s.elements = elements;
  shareUnits(s, p);
  return s;
}

RecurrentShape RecurrentShape::of(const RecurrentProblem &p, kernel::ScheduleAttr attr, const Target &) {
  return shapeOf(p, attr.get("cluster", 1), attr.get("elements", 1));
}

void RecurrentShape::candidates(const RecurrentProblem &p, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) {
  constexpr int kFirstWithClusters = 90;
  constexpr int64_t kMostBlocks = 8, kMostElements = 4, kWeightsOfBlock = 1 << 14; // of more a step's products take longer than meeting another block
  int64_t mostBlocks = target.computeCapability < kFirstWithClusters ? 1 : kMostBlocks, weights = p.gates * p.hidden * p.hidden;
  auto fits = [&](int64_t cluster, int64_t elements) {
    bool isUsed = cluster == 1 || (cluster - 1) * kUnits < p.hidden;
    return cluster <= mostBlocks && isUsed && shapeOf(p, cluster, elements).sharedBytes(p) <= sharedLimit(target);
  };
  int64_t cluster = 1, elements = 1;
  while (cluster < kMostBlocks && weights / cluster > kWeightsOfBlock && fits(2 * cluster, 1))
    cluster *= 2;
  // Of large batches so many elements that all find a multiprocessor at once.
  int64_t batch = p.batch.asConstant().value_or(1);
  while (elements < kMostElements && int64_t(llvm::divideCeil(batch, elements)) * p.directions * cluster > target.cores &&
         fits(cluster, 2 * elements))
    elements *= 2;
  auto add = [&](int64_t blocks, int64_t of) {
    kernel::ScheduleAttr attr = attrOf(shapeOf(p, blocks, of), p.batch.context());
    if (fits(blocks, of) && !llvm::is_contained(out, attr))
      out.push_back(attr);
  };
  add(cluster, elements);
  for (int64_t blocks : {1, 2, 4, 8})
    for (int64_t of : {1, 2, 4})
      if (of == 1 || of < 2 * batch)
        add(blocks, of);
}

} // namespace tenon::gpu
