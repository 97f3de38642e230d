#include "passes/6_codegen/gpu/MatrixPipeline.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/StageRing.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kRowBytes = MatrixSchedule::kStep * 2, kChunksOfRow = MatrixSchedule::kStep / kChunk;
constexpr int64_t kWarp = 32, kWarpRows = 16, kLhsWarps = 3;

class PipelineEmitter {
public:
  PipelineEmitter(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s)
      : b(b), w(b), p(p), s(s), steps(p.steps(s)), lhs(b, w, p, s), epilogue(b, p.contraction.result), stages(b, p, s) {}
  void emit();

private:
  using Values = KernelBuilder::Values;
  using Slot = StageRing::Slot;

  void copyWeights();
  void copyLhs();
  Values signal(ValueRange ring, int underWay);
  void multiply();
  void multiplyStep(Slot slot, MutableArrayRef<Value> sums);
  std::function<WarpStore::Row(Value)> rowsFrom(Index firstRow);
  void finish(Index firstRow, Index firstColumn, ArrayRef<Value> sums);

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  const int64_t steps;
  LhsLoader lhs;
  cpu::Epilogue epilogue;
  std::optional<QuadStore> quads;
  StageRing stages;
  Value thread, lane;
};

void PipelineEmitter::emit() {
  thread = w.thread();
  lane = w.rem(thread, kWarp);
  stages.begin(thread, kLhsWarps + 1);
  int64_t multiplying = s.multiplyThreads();
  b.ifThen(
      w.below(thread, w.i32(multiplying)), [&] { multiply(); },
      [&] {
        Value copiesLhs = w.below(thread, w.i32(multiplying + kLhsWarps * kWarp));
        b.ifThen(copiesLhs, [&] { copyLhs(); }, [&] { b.ifThen(w.below(lane, w.i32(1)), [&] { copyWeights(); }); });
      });
}

/// One thread: weights do not depend on the kernel before.
void PipelineEmitter::copyWeights() {
  Tensor packed = b.argument(cast<BlockArgument>(p.contraction.unpacked().getOperand()).getArgNumber());
  int64_t bytes = s.tileColumns * kRowBytes, elements = s.tileColumns * MatrixSchedule::kStep;
  stages.forTiles({w.i32(0), w.i32(1)}, [&](Index, Index firstColumn, ValueRange ring) {
    Index tile = b.mul(firstColumn, p.depth); // where its weights begin
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(stages.empty(slot.stage), slot.phase);
      w.arriveWithBytes(stages.full(slot.stage), bytes);
      Value from = LLVM::GEPOp::create(b.ops(), packed.base.getType(), p.unit(), packed.base,
                                       ArrayRef<LLVM::GEPArg>{b.value(b.add(tile, b.mul(step, elements)))});
      w.copyBulk(w.add(stages.at(slot.stage), s.tileRows * kRowBytes), from, bytes, stages.full(slot.stage));
      slot = stages.next(slot);
      return Values{slot.stage, slot.phase};
    });
  });
}

/// Copies that are under way when the oldest of them is waited for. One stage less than there are: that one is being filled.
void PipelineEmitter::copyLhs() {
  int underWay = int(std::min(s.stages - 2, steps));
  Value own = w.add(thread, -s.multiplyThreads());
  Value chunk = w.rem(own, kChunksOfRow), row = w.div(own, kChunksOfRow);
  b.waitForInputs();
  // The ring of copies, how many were begun, and the first stage that was not reported.
  auto ring = stages.forTiles({w.i32(0), w.i32(1), w.i32(0), w.i32(0)}, [&](Index firstRow, Index, ValueRange ring) {
    lhs.begin(firstRow, b.dim(p.rows()), row, kLhsWarps * kWarp / kChunksOfRow, chunk);
    return b.loop(0, steps, 1, ring, [&](Index step, ValueRange carried) {
      Slot slot{carried[0], carried[1]};
      w.waitForPhase(stages.empty(slot.stage), slot.phase);
      lhs.load(w.narrow(step), stages.at(slot.stage));
      w.commit();
      slot = stages.next(slot);
      Value begun = w.add(carried[2], 1), reported = carried[3];
      Value isLate = w.below(w.i32(underWay), begun);
      reported = b.ifElse(
          isLate, reported.getType(),
          [&] {
            w.waitFor(underWay);
            return signal({reported}, 1);
          },
          [&] { return Values{reported}; })[0];
      return Values{slot.stage, slot.phase, begun, reported};
    });
  });
  w.waitFor(0);
  signal({ring[3]}, underWay);
}

/// Reports that `count` stages are full of what this warp copies; the next one to report.
KernelBuilder::Values PipelineEmitter::signal(ValueRange ring, int count) {
  Slot slot{ring[0], w.i32(0)};
  w.showToProducts();
  w.joinWarp();
  for (int i = 0; i < count; ++i) {
    b.ifThen(w.below(lane, w.i32(1)), [&] { w.arrive(stages.full(slot.stage)); });
    slot = stages.next(slot);
  }
  return {slot.stage};
}

void PipelineEmitter::multiply() {
  constexpr int64_t kMostColumns = 128; // a thread has registers for what their epilogue reads beside the sums
  // What the epilogue reads, and the memory that it writes, may be in use until then.
  b.waitForInputs();
  if (int64_t part = p.partColumns(s))
    quads.emplace(b, p, epilogue, lane, part);
  stages.forTiles({w.i32(0), w.i32(0)}, [&](Index firstRow, Index firstColumn, ValueRange ring) {
    SmallVector<QuadStore::Unit> units;
    SmallVector<QuadStore::Columns> columns;
    if (quads && s.tileColumns <= kMostColumns && !p.isBytes())
      columns = quads->columnsOf(firstColumn, s.tileColumns);
    if (quads && s.tileColumns <= kMostColumns)
      units = quads->unitsOf(rowsFrom(firstRow), firstColumn, s.tileColumns);
    auto results = stages.multiply(ring, s.tileColumns / 2, lane, [&](Slot slot, MutableArrayRef<Value> sums) { multiplyStep(slot, sums); });
    ArrayRef<Value> sums = ArrayRef(results).drop_front(2);
    if (!quads)
      finish(firstRow, firstColumn, sums);
    else if (units.empty())
      quads->store(rowsFrom(firstRow), firstColumn, s.tileColumns, sums);
    else
      quads->store(units, columns.empty() ? quads->columnsOf(firstColumn, s.tileColumns) : columns, sums);
    return Values{results[0], results[1]};
  });
}

/// While a group waits for its products those of another one run.
void PipelineEmitter::multiplyStep(Slot slot, MutableArrayRef<Value> sums) {
  constexpr int64_t kDepth = 16, kDepthChunks = kDepth / kChunk; // of one instruction
  Value stage = stages.at(slot.stage);
  Value left = w.add(stage, w.mul(w.div(thread, MatrixSchedule::kCopyThreads), MatrixSchedule::kGroupRows * kRowBytes));
  Value right = w.add(stage, s.tileRows * kRowBytes);
  SmallVector<std::pair<Value, Value>> operands;
  for (int64_t k = 0; k < MatrixSchedule::kStep / kDepth; ++k)
    operands.emplace_back(w.swizzledRows(w.add(left, k * kDepth * 2)),
                          w.chunkedRows(w.add(right, k * kDepthChunks * s.tileColumns * kChunk * 2), s.tileColumns));
  w.multiplyGroup(p.factors, s.tileColumns, operands, sums);
  w.waitForProducts(sums);
}

/// Finds this warp's rows of a tile.
std::function<WarpStore::Row(Value)> PipelineEmitter::rowsFrom(Index firstRow) {
  return [this, firstRow](Value ofWarp) {
    Index at = b.add(firstRow, w.wide(w.add(w.mul(w.div(thread, kWarp), kWarpRows), ofWarp)));
    Value inside = b.lessThan(at, b.dim(p.rows()));
    return WarpStore::Row{inside, positionOfRow(b, p.contraction, b.select(inside, at, Index(0)))};
  };
}

void PipelineEmitter::finish(Index firstRow, Index firstColumn, ArrayRef<Value> sums) {
  Value memory = w.add(w.add(stages.memory(), s.stages * s.stageBytes()), w.mul(w.div(thread, kWarp), s.pieceBytes()));
  WarpStore(b, p, epilogue, lane, memory, s.pieceColumns()).store(rowsFrom(firstRow), firstColumn, s.tileColumns, sums);
}
} // namespace

nn::Dim pipelineBlocks(const MatrixProblem &p, const MatrixSchedule &s, const Target &target) {
  nn::Dim tiles = tilesOf(p, s);
  auto count = tiles.asConstant();
  if (!count)
    return tiles;
  int64_t most = target.cores * s.together;
  // As many as are needed for the same number of rounds.
  return nn::Dim::constant(tiles.context(), llvm::divideCeil(*count, llvm::divideCeil(*count, most)));
}

void emitPipeline(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s) {
  PipelineEmitter(b, p, s).emit();
}

} // namespace tenon::gpu
